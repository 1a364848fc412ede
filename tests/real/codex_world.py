"""A gateway in front of a real codex process, whose model is an endpoint of the test's own."""

import base64
import io
import json
import os
import struct
import zlib
from contextlib import asynccontextmanager

import aiohttp
import pytest

from proxy.testing.frames import Stream, error_of, read_stream
from proxy.testing.gateway import GatewayServer
from proxy.testing.responses_endpoint import ResponsesEndpoint

CODEX_BIN = os.environ.get("CODEX_BIN", "")
needs_codex = pytest.mark.skipif(
    not CODEX_BIN, reason="CODEX_BIN is unset: it names the native program of @openai/codex 0.169.0"
)
LIMIT_S = 20.0


def codex_config(model_url, *, tables=None, model=None, **upstream):
    """The configuration of a gateway with a model `m` on a codex upstream."""
    return {
        "auth": {"mode": "none"},
        "upstreams": [{"name": "cx", "kind": "codex", "bin": CODEX_BIN, "base_url": model_url, **upstream}],
        "models": [{"id": "m", "upstream": "cx", **(model or {})}],
        **(tables or {}),
    }


class World:
    """The gateway, the model, and a caller."""

    def __init__(self, gateway, model, http):
        self.gateway = gateway
        self.model = model
        self.http = http

    @property
    def slot(self):
        """The first slot of the codex upstream."""
        return self.gateway.gateway.upstreams["cx"]._pool.slots[0]

    @property
    def server(self):
        """Who attends to its process."""
        return self.slot.ready.attendant

    def post(self, messages, **body):
        headers = body.pop("headers", {})
        if isinstance(messages, str):
            messages = [user(messages)]
        return self.http.post(
            f"{self.gateway.base_url}/chat/completions",
            data=io.BytesIO(json.dumps({"model": "m", "messages": messages, **body}).encode()),
            headers={"Content-Type": "application/json", **headers},
        )

    async def ask(self, messages, **body):
        """Status and decoded body."""
        async with self.post(messages, **body) as answer:
            return answer.status, await answer.json()

    async def say(self, messages, **body):
        """The message that a good answer has."""
        status, told = await self.ask(messages, **body)
        assert status == 200, told
        return told["choices"][0]["message"]

    async def stream(self, messages, **body):
        """The frames of a streamed answer; of one that failed before it began, its error alone."""
        async with self.post(messages, stream=True, **body) as answer:
            raw = await answer.read()
        return read_stream(raw) if answer.status == 200 else Stream((), error_of(raw), done=False, pings=0)

    def paths(self):
        return [x.path for x in self.gateway.ended]


@asynccontextmanager
async def codex_world(*replies, choose=None, tables=None, model=None, **upstream):
    """A world whose model answers with *replies*, or as *choose* says."""
    async with (
        ResponsesEndpoint(*replies, choose=choose) as endpoint,
        GatewayServer(codex_config(endpoint.base_url, tables=tables, model=model, **upstream)) as gateway,
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(LIMIT_S),
            connector=aiohttp.TCPConnector(force_close=True),  # the gateway closes a stream that failed
        ) as http,
    ):
        yield World(gateway, endpoint, http)


def user(text):
    return {"role": "user", "content": text}


def results(message, *texts):
    """The results of the calls in *message*, in their order."""
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": text}
        for call, text in zip(message["tool_calls"], texts, strict=True)
    ]


def tools(*names):
    schema = {"type": "object", "properties": {"id": {"type": "string"}}}
    return [
        {"type": "function", "function": {"name": name, "description": "d", "parameters": schema}} for name in names
    ]


def noise(size_px):
    """A picture that no compression makes smaller, as a data URL; codex replaces what it can't decode by a text."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + os.urandom(size_px * 3) for _ in range(size_px))
    head = struct.pack(">IIBBBBB", size_px, size_px, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(png).decode()


def compact(value):
    return json.dumps(value, separators=(",", ":"))
