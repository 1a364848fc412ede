"""A child that speaks JSON-RPC over its pipes, and misbehaves on demand: run as a script, with its manner as argument.

Manners: `polite` answers everything; `mute` answers nothing after the handshake; `stubborn` ignores SIGTERM and the end
of its input; `stillborn` ends before the handshake; `unsupported` refuses the handshake.
"""

import json
import os
import signal
import sys
import time


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def act(message):
    method, params = message.get("method"), message.get("params", {})
    match method:
        case "echo":
            say({"id": message["id"], "result": params})
        case "environment":
            say({"id": message["id"], "result": dict(os.environ)})
        case "ask":  # a request of our own, whose id is that of the request we answer
            say({"id": message["id"], "method": "question", "params": {}})
            say({"id": message["id"], "result": {"asked": True}})
        case "die":
            os._exit(3)
        case "close":
            os.close(1)
            time.sleep(60)
        case "garble":
            sys.stdout.write(params["line"] + "\n")
            sys.stdout.flush()
        case "grow":
            say({"id": message["id"], "result": {"text": "x" * params["chars"]}})
        case "complain":
            sys.stderr.write(params["text"])
            sys.stderr.flush()
            say({"id": message["id"], "result": {}})


def main():
    manner = sys.argv[1]
    if manner == "stillborn":
        sys.exit(1)
    if manner == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    greeted = False
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("method") == "hello":
            greeted = True
            say({"id": message["id"], "result": {"manner": manner}})
        elif greeted and manner != "mute":
            act(message)
    if manner == "stubborn":
        time.sleep(60)


main()
