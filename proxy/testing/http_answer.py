"""One script being told as one HTTP response, as exactly as bytes can be."""

import asyncio
from typing import Any, Protocol

import orjson
from multidict import CIMultiDict

from proxy.testing.http_script import DONE, StreamScript, completion_of
from proxy.testing.script import Breaks, Fails, Finishes, Stalls, Upstream, Waits

BETWEEN_PIECES_S = 0.002  # enough for a piece to be a read of its own


class Socket(Protocol):
    """Where the response goes."""

    async def send(self, data: bytes) -> None:
        """Write, as soon as there is room."""

    def reset(self) -> None:
        """Break off."""


class Telling:
    """One script being told as one HTTP response."""

    def __init__(self, connection: Socket, script: Upstream, asked: bytes) -> None:
        self._connection = connection
        self._script = script
        self._asked: dict[str, Any] = orjson.loads(asked) if asked.startswith(b"{") else {}
        self._stream = StreamScript(str(self._asked.get("model")))
        self._head_sent = False
        self._chunked = False

    async def tell(self) -> bool:
        """Tell all of it; gives whether the connection stays open."""
        script = self._script
        if script.raw is not None:
            await self._connection.send(script.raw)
            return False
        form = script.form
        if form == "as asked":
            form = "sse" if self._asked.get("stream") else "json"
        return await (self._tell_stream() if form == "sse" else self._tell_whole())

    async def _tell_stream(self) -> bool:
        for step in self._script.steps:
            match step:
                case Waits(seconds):
                    await asyncio.sleep(seconds)
                case Stalls():
                    await asyncio.Event().wait()
                case Breaks(cleanly):
                    await self._break(cleanly=cleanly)
                    return False
                case Fails() if not self._head_sent:
                    await self._refuse(step)
                    return True
                case _:
                    await self._send_body(self._stream.bytes_of(step))
        rest = self._stream.ending() + (DONE if self._script.done else b"")
        await self._send_body(rest)
        await self._connection.send(b"0\r\n\r\n")
        return True

    async def _tell_whole(self) -> bool:
        """Tell it in one piece; where the script breaks off after its first step, half of that comes."""
        body = completion_of(self._script, str(self._asked.get("model")))
        for place, step in enumerate(self._script.steps):
            match step:
                case Waits(seconds):
                    await asyncio.sleep(seconds)
                case Stalls():
                    await asyncio.Event().wait()
                case Breaks(cleanly):
                    finished = any(isinstance(each, Finishes) for each in self._script.steps[:place])
                    if place:
                        await self._send_whole(body, len(body) if finished else len(body) // 2)
                        await asyncio.sleep(BETWEEN_PIECES_S)
                    await self._break(cleanly=cleanly or finished)
                    return False
                case Fails():
                    await self._refuse(step)
                    return True
        await self._send_whole(body, len(body))
        return True

    async def _send_whole(self, body: bytes, size: int) -> None:
        await self._send_head(self._script.status, "application/json", [f"Content-Length: {len(body)}"])
        await self._send_pieces(body[:size])

    async def _refuse(self, step: Fails) -> None:
        body = orjson.dumps(step.body)
        more = [f"{name}: {value}" for name, value in step.headers.items()]
        await self._send_head(step.status, "application/json", [*more, f"Content-Length: {len(body)}"])
        await self._connection.send(body)

    async def _break(self, *, cleanly: bool) -> None:
        if not cleanly:
            self._connection.reset()
        elif self._chunked:
            await self._connection.send(b"0\r\n\r\n")

    async def _send_body(self, data: bytes) -> None:
        if not self._head_sent:
            await self._send_head(self._script.status, "text/event-stream", ["Transfer-Encoding: chunked"])
        if self._script.piece_bytes:
            await self._send_pieces(data)
        elif data:
            await self._connection.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def _send_pieces(self, data: bytes) -> None:
        size = self._script.piece_bytes or max(len(data), 1)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            await self._connection.send(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)
            if self._script.piece_bytes:
                await asyncio.sleep(BETWEEN_PIECES_S)

    async def _send_head(self, status: int, content_type: str, fields: list[str]) -> None:
        self._head_sent = True
        self._chunked = "Transfer-Encoding: chunked" in fields
        given = CIMultiDict({"Content-Type": content_type, **self._script.headers})
        lines = [f"HTTP/1.1 {status} Made Up", *(f"{name}: {value}" for name, value in given.items() if value), *fields]
        await self._connection.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
