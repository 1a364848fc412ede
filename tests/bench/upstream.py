"""A fake OpenAI upstream, fast enough to stand behind a proxy that is being measured.

    python -m tests.bench.upstream PORT       # on 127.0.0.1, until it is ended

One raw protocol on uvloop.  It answers `POST …/chat/completions`: not streamed with one fixed completion,
streamed with what the prompt asks for (see `StreamPlan`), each chunk in a write of its own.  `GET /readyz` answers 200.
"""

import asyncio
import json
import re
import sys
from functools import cache
from typing import Any, NamedTuple, cast

import orjson
import uvloop

MODEL = "bench-model"
ANSWER = (
    "A turnstile lets one person through at a time and is locked again behind them. It has two states and two events, "
    "which is why every textbook on finite-state machines begins with it."
)
ANSWER_TOKENS = 40
CONTENT_LENGTH = re.compile(rb"^content-length:[ \t]*(\d+)", re.IGNORECASE | re.MULTILINE)


class StreamPlan(NamedTuple):
    """A stream of *chunks* pieces of content, one per *every_ms* (0: as fast as the socket takes them)."""

    chunks: int
    every_ms: int

    @property
    def prompt(self) -> str:
        """The words that make the upstream follow this plan, wherever in the request they stand."""
        return f"Count to {self.chunks}, one number per {self.every_ms} ms."

    @property
    def text(self) -> str:
        """The content of all chunks together."""
        return "".join(map(content, range(self.chunks)))

    @staticmethod
    def asked_for_in(body: bytes) -> "StreamPlan | None":
        """Return the plan whose prompt stands in a request *body*."""
        found = re.search(rb"Count to (\d+), one number per (\d+) ms\.", body)
        return found and StreamPlan(int(found[1]), int(found[2]))


def content(index: int) -> str:
    """The content of one chunk: its number, so that loss and disorder show; about as long as a token."""
    return f"{index:04d}"


def response(status: str, value: dict[str, Any]) -> bytes:
    """A whole JSON response."""
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def usage(completion_tokens: int) -> dict[str, int]:
    """The usage block, for a prompt that always counts 42 tokens."""
    return {"prompt_tokens": 42, "completion_tokens": completion_tokens, "total_tokens": 42 + completion_tokens}


def frame(choices: list[dict[str, Any]], **extra: object) -> bytes:
    """One `chat.completion.chunk` as an SSE event in one HTTP chunk; about 220 bytes of JSON."""
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": MODEL}
    return http_chunk(b"data: " + orjson.dumps({**head, "system_fingerprint": "fp_bench", "choices": choices, **extra}))


def http_chunk(event: bytes) -> bytes:
    """An SSE event (without its blank line) as one chunk of a chunked body."""
    return b"%x\r\n%s\n\n\r\n" % (len(event) + 2, event)


def choice(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    """The only choice of a chunk."""
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


@cache
def content_frame(index: int) -> bytes:
    """The frame of content number *index*."""
    return frame([choice({"content": content(index)})])


COMPLETION = response(
    "200 OK",
    {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "system_fingerprint": "fp_bench",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": ANSWER, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": usage(ANSWER_TOKENS),
    },
)
READY = response("200 OK", {"status": "ok"})
NOT_FOUND = response("404 Not Found", {"error": {"message": "no such path", "type": "invalid_request_error"}})
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
ROLE = frame([choice({"role": "assistant", "content": ""})])
FINISH = frame([choice({}, "stop")])
DONE = http_chunk(b"data: [DONE]")
BODY_END = b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection.  Requests are answered in order; one that comes during a stream waits in the buffer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buffer = b""
        self._plan: StreamPlan | None = None
        self._wants_usage = False
        self._sent = 0
        self._began_s = 0.0
        self._paused = self._stalled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; uvloop's are no subclass of asyncio's."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _error: Exception | None) -> None:
        """Stop the stream, if there is one."""
        self._plan = None

    def pause_writing(self) -> None:
        """Hold the stream: the socket is full."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on where the stream was held."""
        self._paused = False
        if self._stalled:
            self._stalled = False
            self._step()

    def data_received(self, data: bytes) -> None:
        """Collect requests."""
        self._buffer += data
        self._serve()

    def _serve(self) -> None:
        """Answer the whole requests in the buffer, up to the first that is streamed."""
        while self._plan is None:
            head, blank_line, rest = self._buffer.partition(b"\r\n\r\n")
            found = CONTENT_LENGTH.search(head)
            length_bytes = int(found[1]) if found else 0
            if not blank_line or len(rest) < length_bytes:
                return
            self._buffer = rest[length_bytes:]
            self._answer(head.split(b"\r\n", 1)[0], rest[:length_bytes])

    def _answer(self, request_line: bytes, body: bytes) -> None:
        method, path, _ = request_line.split(b" ")
        if path == b"/readyz":
            self._transport.write(READY)
        elif method != b"POST" or not path.endswith(b"/chat/completions"):
            self._transport.write(NOT_FOUND)
        elif (request := orjson.loads(body)).get("stream"):
            self._plan = StreamPlan.asked_for_in(body) or StreamPlan(200, 0)
            self._wants_usage = bool((request.get("stream_options") or {}).get("include_usage"))
            self._sent, self._began_s = 0, self._loop.time()
            self._transport.write(STREAM_HEAD + ROLE)
            self._loop.call_soon(self._step)
        else:
            self._transport.write(COMPLETION)

    def _step(self) -> None:
        """Send the next chunk of the stream, unless the client is gone or its socket is full."""
        if self._plan is None:
            return
        if self._paused:
            self._stalled = True
            return
        if self._sent == self._plan.chunks:
            self._finish()
            return
        self._transport.write(content_frame(self._sent))
        self._sent += 1
        if self._plan.every_ms:
            self._loop.call_at(self._began_s + self._sent * self._plan.every_ms / 1000, self._step)
        else:
            self._loop.call_soon(self._step)

    def _finish(self) -> None:
        usage_frame = frame([], usage=usage(self._sent)) if self._wants_usage else b""
        self._transport.write(FINISH + usage_frame + DONE + BODY_END)
        self._plan = None
        self._serve()


async def listen(port: int = 0) -> asyncio.Server:
    """Serve on a loopback *port* (0: a free one)."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Upstream(loop), "127.0.0.1", port, backlog=4096)


async def serve(port: int) -> None:
    """Serve until cancelled."""
    server = await listen(port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
