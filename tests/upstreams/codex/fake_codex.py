"""A `codex app-server` that replays a recording or plays a script: run as a script, with a scenario as its argument.

A scenario is a file of JSON: `log` is where each line that comes is noted; `tier` is `full`, `basic` or `old`.  With
`recording` the lines of that file are told, in pieces of `chunk` bytes, each after what the recording has before it.
With `turns` each turn does the steps of its list; the last one repeats.  A step is a list whose head is its name.
"""

import json
import os
import sys
import time


class Pipe:
    """Standard output, in pieces."""

    def __init__(self, chunk):
        self.chunk = chunk

    def write(self, text):
        data = text.encode()
        size = self.chunk or len(data)
        for at in range(0, len(data), size):
            os.write(1, data[at : at + size])

    def say(self, message):
        self.write(json.dumps(message, ensure_ascii=False) + "\n")


class Fake:
    """What all fakes do alike: the handshake, and plain answers to what no scenario is about."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.pipe = Pipe(scenario.get("chunk", 0))
        self.threads = 0
        self.log = open(scenario["log"], "a", encoding="utf-8")  # noqa: SIM115, PTH123 - to the end of the process; pathlib costs a start

    def run(self):
        for line in sys.stdin:
            message = json.loads(line)
            self.log.write(line)
            self.log.flush()
            if not self.greet(message):
                self.hear(message)

    def greet(self, message):
        """Whether the message was of the handshake."""
        method, params = message.get("method"), message.get("params") or {}
        if method == "initialize":
            if self.scenario.get("mute"):
                return True
            self.pipe.say({"id": message["id"], "result": {"userAgent": "fake"}})
        elif method == "thread/start" and params["dynamicTools"][:1] and params["dynamicTools"][0]["name"] == "probe":
            if self.scenario.get("tier") == "old":
                error = {"code": -32600, "message": "Invalid request: unknown variant `thread/start`"}
                self.pipe.say({"id": message["id"], "error": error})
            else:
                self.say_thread(message["id"], "probe", full=self.scenario.get("tier", "full") == "full")
        elif method in ("initialized", "thread/unsubscribe", "thread/delete") or params.get("threadId") == "probe":
            if "id" in message:
                self.pipe.say({"id": message["id"], "result": {}})
        else:
            return False
        return True

    def say_thread(self, rpc_id, thread_id, *, full=True):
        thread = {"id": thread_id, "ephemeral": full, "environments": [] if full else [{"environmentId": "local"}]}
        self.pipe.say({"id": rpc_id, "result": {"thread": thread}})


class Replay(Fake):
    """Tells the recorded lines in their order; before each it waits for what the client had said before it."""

    def __init__(self, scenario):
        super().__init__(scenario)
        with open(scenario["recording"], encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs a start
            lines = [json.loads(line) for line in file]
        entries = [(line["dir"], line["msg"]) for line in lines if line["dir"].endswith(("server", "client"))]
        first = next(at for at, (way, msg) in enumerate(entries) if msg.get("method") == "thread/start")
        self.entries = entries[first:]
        self.at = 0
        self.ids = {}
        self.heard = []

    def hear(self, message):
        self.heard.append(message)
        while self.at < len(self.entries):
            way, recorded = self.entries[self.at]
            if way == "client->server" and not self.matches(recorded):
                return
            if way == "server->client":
                self.tell(recorded)
            self.at += 1

    def matches(self, recorded):
        """Whether the client has said what it had said here."""
        for number, message in enumerate(self.heard):
            same = message.get("method") == recorded.get("method")
            if same and ("method" in message or message["id"] == recorded["id"]):
                del self.heard[number]
                if "method" in message and "id" in message:
                    self.ids[recorded["id"]] = message["id"]
                return True
        return False

    def tell(self, recorded):
        if "id" in recorded and "method" not in recorded:
            recorded = {**recorded, "id": self.ids[recorded["id"]]}
        self.pipe.say(recorded)


class Scripted(Fake):
    """Plays the steps of each turn."""

    def __init__(self, scenario):
        super().__init__(scenario)
        self.turns = 0
        self.queue = []
        self.open = None
        self.refusals = dict(scenario.get("refusals", {}))

    def hear(self, message):
        method, params = message.get("method"), message.get("params") or {}
        refusals = self.refusals.get(method)
        if refusals:
            self.pipe.say({"id": message["id"], "error": refusals.pop(0)})
        elif method in self.scenario.get("unanswered", ()):
            return
        elif method == "thread/start":
            self.threads += 1
            self.say_thread(message["id"], f"thread-{os.getpid()}-{self.threads}")
        elif method == "turn/start":
            self.turns += 1
            self.open = (params["threadId"], f"turn-{self.turns}")
            turns = self.scenario["turns"]
            self.queue = list(turns[min(self.turns, len(turns)) - 1])
            if self.queue and self.queue[0] == ["early"]:
                self.tell("turn/started", turn={"id": self.open[1]})
                self.queue.pop(0)
            self.pipe.say({"id": message["id"], "result": {"turn": {"id": self.open[1], "status": "inProgress"}}})
            self.play()
        elif method == "turn/interrupt":
            self.queue = []
            self.pipe.say({"id": message["id"], "result": {}})
            self.tell(
                "turn/completed", turn={"id": params["turnId"], "status": "interrupted"}, thread=params["threadId"]
            )
        elif method is not None:
            self.pipe.say({"id": message["id"], "result": {}})
        else:
            self.play()

    def tell(self, method, *, thread=None, **params):
        base = {"threadId": thread or self.open[0]}
        if "turn" not in params:
            base["turnId"] = self.open[1]
        self.pipe.say({"method": method, "params": {**base, **params}})

    def play(self):
        """The steps that are left, up to one that waits for an answer."""
        while self.queue:
            name, *rest = self.queue.pop(0)
            if getattr(self, "do_" + name)(*rest) == "wait":
                return

    def do_delta(self, text, item="msg"):
        self.tell("item/agentMessage/delta", itemId=item, delta=text)

    def do_tell(self, method, params):
        self.tell(method, **params)

    def do_raw(self, text):
        self.pipe.write(text.replace("THREAD", self.open[0]) + "\n")

    def do_ask(self, rpc_id, method, params):
        self.pipe.say(
            {"id": rpc_id, "method": method, "params": {"threadId": self.open[0], "turnId": self.open[1], **params}}
        )
        return "wait"

    def do_call(self, rpc_id, call_id, tool, arguments):
        item = {"type": "function_call", "call_id": call_id, "name": tool, "arguments": arguments}
        self.tell("rawResponseItem/completed", item=item)
        self.do_bare_call(rpc_id, call_id, tool, arguments)

    def do_bare_call(self, rpc_id, call_id, tool, arguments):
        params = {"threadId": self.open[0], "turnId": self.open[1], "callId": call_id, "tool": tool}
        self.pipe.say(
            {"id": rpc_id, "method": "item/tool/call", "params": {**params, "arguments": json.loads(arguments)}}
        )

    def do_results(self):
        return "wait"

    def do_usage(self):
        usage = {
            "inputTokens": 11,
            "cachedInputTokens": 3,
            "outputTokens": 7,
            "reasoningOutputTokens": 2,
            "totalTokens": 18,
        }
        self.tell("rawResponse/completed", usage=usage)

    def do_end(self, status="completed", error=None):
        self.tell("turn/completed", turn={"id": self.open[1], "status": status, "error": error})

    def do_exit(self):
        os._exit(7)

    def do_sleep(self, seconds):
        time.sleep(seconds)

    def do_silence(self):
        return "wait"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs a start
        scenario = json.load(file)
    if scenario.get("stillborn"):
        sys.exit(1)
    (Replay if "recording" in scenario else Scripted)(scenario).run()


main()
