"""An upstream in the hands of a test: it answers what and when the test says, and sees when a call is let go of."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

LIMIT_S = 5.0
SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class Call:
    """One request that has come in, with its *head* (lower case) and the *asked* body."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str, asked: Any) -> None:
        self.head = head
        self.asked = asked
        self._reader = reader
        self._writer = writer

    async def send(self, raw: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(raw)
        await self._writer.drain()

    async def send_event(self, data: str) -> None:
        """Send one event of a stream."""
        event = f"data: {data}\n\n".encode()
        await self.send(b"%x\r\n%s\r\n" % (len(event), event))

    async def open(self) -> None:
        """Begin a stream, of which no delta has come: the head and the role."""
        await self.send(SSE_HEAD)
        await self.send_chunk({"role": "assistant", "content": ""})

    async def say(self, text: str) -> None:
        """A delta of text."""
        await self.send_chunk({"content": text})

    async def send_chunk(self, delta: dict[str, Any], finish: str | None = None) -> None:
        """One chunk."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        head = {"id": "chatcmpl-by-hand", "object": "chat.completion.chunk", "created": 1, "model": "by-hand"}
        await self.send_event(json.dumps({**head, "choices": [choice]}))

    async def finish(self) -> None:
        """End the stream in good order."""
        await self.send_chunk({}, "stop")
        await self.send_event("[DONE]")
        await self.send(b"0\r\n\r\n")

    async def answer(self, status: str, body: Any, **headers: str) -> None:
        """A whole response; `retry_after_ms` stands for `retry-after-ms`."""
        raw = json.dumps(body).encode()
        fields = {"Content-Type": "application/json", "Content-Length": str(len(raw)), "Connection": "close"}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        await self.send("\r\n".join(lines).encode() + raw)

    async def let_go(self) -> float:
        """When the gateway has closed the connection (loop time); waits for it."""
        async with asyncio.timeout(LIMIT_S):
            with suppress(ConnectionError):
                assert await self._reader.read(1) == b"", "the gateway sent more on this connection"
        return asyncio.get_running_loop().time()

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


class HandUpstream:
    """Listens on a loopback port, and hands every request to the test."""

    def __init__(self) -> None:
        self.base_url = ""
        self._calls: asyncio.Queue[Call] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []

    async def call(self) -> Call:
        """The next request; waits for it."""
        async with asyncio.timeout(LIMIT_S):
            return await self._calls.get()

    async def no_call(self, seconds: float) -> bool:
        """Whether no request comes for so long."""
        await asyncio.sleep(seconds)
        return self._calls.empty()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request: a further one is for `let_go` to notice."""
        self._writers.append(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length_bytes = int(head.partition("content-length:")[2].split("\r\n")[0])
            asked = json.loads(await reader.readexactly(length_bytes))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        self._calls.put_nowait(Call(reader, writer, head, asked))


@asynccontextmanager
async def by_hand() -> AsyncIterator[HandUpstream]:
    """An upstream that listens for as long as the block lasts."""
    upstream = HandUpstream()
    server = await asyncio.start_server(upstream._take, "127.0.0.1", 0)
    upstream.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield upstream
    finally:
        server.close()
        for writer in upstream._writers:
            writer.transport.abort()
        await server.wait_closed()
