"""A token endpoint that issues tokens in any form, slowly, badly, or not at all.

async with FakeTokenEndpoint(life_s=1.0) as endpoint:
...                              # fetch tokens at endpoint.url
endpoint.issued                  # those that it gave out
endpoint.accepts("tok-1-…")      # whether a site that trusts it takes a token now
"""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from proxy.testing.http_double import HttpDouble

Json = dict[str, Any]
Form = Callable[[str, float, float], Json]
"""Writes an answer from a token, its life in seconds, and the time of day (Unix seconds)."""


def three_parts(claims: Json) -> str:
    """A token of three parts with these claims; nobody has signed it."""
    parts = ({"alg": "none"}, claims)
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return f"{head}.{body}.c2lnbmVk"


def _at(life_s: float, now_s: float) -> str:
    return datetime.fromtimestamp(now_s + life_s, UTC).isoformat()


FORMS: Mapping[str, Form] = {
    "expires_in": lambda token, life_s, _now: {"access_token": token, "expires_in": life_s},
    "expires_in as text": lambda token, life_s, _now: {"access_token": token, "expires_in": str(life_s)},
    "a field of its own": lambda token, life_s, _now: {"jwt": token, "ttl": life_s, "expires_in": 9e9},
    "inside data": lambda token, life_s, _now: {"code": 0, "data": {"token": token, "expires_in": life_s}},
    "expires_at": lambda token, life_s, now: {"token": token, "expires_at": now + life_s},
    "expires_at in ms": lambda token, life_s, now: {"token": token, "expires_at": int((now + life_s) * 1000)},
    "expiresAt": lambda token, life_s, now: {"token": token, "expiresAt": _at(life_s, now)},
    "exp": lambda token, life_s, now: {"id_token": token, "exp": now + life_s},
    "a claim": lambda token, life_s, now: {"access_token": three_parts({"exp": now + life_s, "jti": token})},
    "none": lambda token, _life, _now: {"access_token": token},
}
"""Every form in which a token and its life are told."""


@dataclass(slots=True)
class Misbehaviour:
    """What goes wrong: a *status*, a *body* that is sent as it is, silence (*stalls*), a *delay_s* before all else."""

    status: int = 200
    body: bytes | None = None
    stalls: bool = False
    delay_s: float = 0.0
    location: str = ""


class FakeTokenEndpoint(HttpDouble):
    """Issues tokens that live *life_s* seconds, told in a *form*.

    *misbehaves* are played by successive requests, after the last of which all goes well.
    """

    def __init__(self, *misbehaves: Misbehaviour, form: Form | str = "expires_in", life_s: float = 3600.0) -> None:
        super().__init__()
        self.form = FORMS[form] if isinstance(form, str) else form
        self.life_s = life_s
        self.delay_s = 0.0
        self.issued: list[str] = []
        self.asked: list[tuple[str, Mapping[str, str], bytes]] = []
        self._misbehaves = list(misbehaves)
        self._ends_s: dict[str, float] = {}

    @property
    def url(self) -> str:
        """Where tokens are asked for."""
        return f"{self.base_url}/v2/token"

    def accepts(self, token: str) -> bool:
        """Whether it is one of those issued, and lives."""
        return self._ends_s.get(token, 0.0) > time.monotonic()

    def revoke(self) -> None:
        """Take every token back."""
        self._ends_s.clear()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Issue a token, or not."""
        self.asked.append((request.method, request.headers.copy(), await request.read()))
        how = self._misbehaves.pop(0) if self._misbehaves else Misbehaviour(delay_s=self.delay_s)
        if how.delay_s:
            await asyncio.sleep(how.delay_s)
        if how.stalls:
            await asyncio.Event().wait()
        if how.location:
            return web.Response(status=how.status, headers={"Location": how.location})
        if how.status != 200 or how.body is not None:
            return web.Response(status=how.status, body=how.body or b"{}", content_type="application/json")
        token = f"tok-{len(self.issued) + 1}-secret"
        told = self.form(token, self.life_s, time.time())
        found = (place.get(name) for place in (told, told.get("data", {})) for name in ("access_token", "token", "jwt"))
        sent = next((each for each in found if each), told.get("id_token", token))
        self.issued.append(sent)
        self._ends_s[sent] = time.monotonic() + self.life_s
        return web.json_response(told)
