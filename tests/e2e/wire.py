"""A connection to the daemon by hand: any bytes go out, and what comes back is read strictly."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from multidict import CIMultiDict

LIMIT_S = 10.0  # nothing here should take so long; a wait beyond it is a hang

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole response; *pieces* are the chunks of its body as they were framed, each with when it came."""

    status: int
    headers: CIMultiDict[str]
    body: bytes
    pieces: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> Json:
        """The error of the envelope, whose form is checked."""
        assert self.headers["content-type"] == "application/json"
        return error_of(self.json)


def error_of(envelope: Any) -> Json:
    """The error in *envelope*: these four members, and no others."""
    assert set(envelope) == {"error"}
    error: Json = envelope["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["message"]
    assert error["message"].isprintable()
    assert isinstance(error["code"], str)
    assert isinstance(error["type"], str)
    assert isinstance(error["param"], str | None)
    return error


class Connection:
    """One connection to the daemon."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, raw: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(raw)
        await self.writer.drain()

    async def head(self) -> tuple[int, CIMultiDict[str]]:
        """The status and the header fields of the next response."""
        async with asyncio.timeout(LIMIT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("ascii")
        status_line, *fields = head[:-4].split("\r\n")
        version, status, _reason = status_line.split(" ", 2)
        assert version.startswith("HTTP/")
        pairs = (line.split(": ", 1) for line in fields)
        return int(status), CIMultiDict((name, value) for name, value in pairs)

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body, as it was framed; none at its end."""
        async with asyncio.timeout(LIMIT_S):
            size = int((await self.reader.readuntil(b"\r\n"))[:-2], 16)
            data = await self.reader.readexactly(size + 2)
        assert data.endswith(b"\r\n")
        return data[:-2]

    async def rest(self) -> bytes:
        """What is left of a chunked body."""
        body = b""
        while data := await self.chunk():
            body += data
        return body

    async def answer(self, *, to_head: bool = False) -> Answer:
        """The next response, whole; *to_head*: the request was HEAD, so that no body comes."""
        status, headers = await self.head()
        if to_head or status in (204, 304):
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            pieces = []
            clock = asyncio.get_running_loop().time
            while data := await self.chunk():
                pieces.append((clock(), data))
            return Answer(status, headers, b"".join(data for _, data in pieces), pieces)
        async with asyncio.timeout(LIMIT_S):
            if "content-length" in headers:
                body = await self.reader.readexactly(int(headers["content-length"]))
            else:
                body = await self.reader.read()
        return Answer(status, headers, body)

    async def ended(self) -> bool:
        """Whether the daemon ends the connection without another byte."""
        async with asyncio.timeout(LIMIT_S):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True

    def reset(self) -> None:
        """Leave at once: the daemon sees the connection break."""
        self.writer.transport.abort()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection to `http://host:port` or `unix:path`, which is closed after the block."""
    if url.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(url.removeprefix("unix:"))
    else:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


def request(
    method: str, path: str, body: bytes | Json | None = None, headers: CIMultiDict[str] | dict[str, str] | None = None
) -> bytes:
    """The bytes of a request; a *body* goes with its length and, if it is an object, with its type."""
    fields = CIMultiDict({"Host": "turnstile"})
    if isinstance(body, dict):
        body = json.dumps(body).encode()
        fields["Content-Type"] = "application/json"
    if body is not None:
        fields["Content-Length"] = str(len(body))
    for name in headers or {}:
        fields.popall(name, None)
    fields.extend(headers or {})
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (body or b"")


async def ask(
    url: str,
    method: str,
    path: str,
    body: bytes | Json | None = None,
    headers: CIMultiDict[str] | dict[str, str] | None = None,
) -> Answer:
    """One request on a connection of its own, and its response."""
    async with connected(url) as connection:
        await connection.send(request(method, path, body, headers))
        return await connection.answer(to_head=method == "HEAD")


def chat(text: str = "Hello.", model: str = "scripted", **fields: Any) -> Json:
    """A small chat request."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


async def until_live(url: str, count: int) -> None:
    """Wait until so many requests are live in the daemon, of which there is one worker."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            if (await ask(url, "GET", "/health")).json["live"] == count:
                return
            await asyncio.sleep(0.005)
