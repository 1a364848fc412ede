"""Requests played through the real driver and the real states, in process and in no time.

    x = await play(Upstream.answers("Hel").then_breaks())
    assert path(x) == "validate auth session upstream stream upstream_error"

The gateway is whole: its gate, its catalog, its configuration.  In place of the world stand a scripted upstream, a
caller, a store of conversations, and a clock that jumps to whatever falls due next: every wait lasts no time, and
exactly as long as it should.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any, TypedDict, Unpack

from proxy.config import load
from proxy.exchange import Exchange
from proxy.ports import SessionStore
from proxy.server.gateway import Gateway
from proxy.testing.client import FakeClient
from proxy.testing.clock import ManualClock
from proxy.testing.inprocess import InProcessUpstream
from proxy.testing.script import Upstream
from proxy.testing.sessions import FakeSessionStore
from proxy.testing.walk import Walk, path
from proxy.wire.answer import Surface
from proxy.wire.upstream.reading import CredentialMode

__all__ = ["Play", "RequestOptions", "World", "WorldOptions", "path"]

MODEL = "demo"
SEED = 20_240_229  # any: jitter repeats

Json = dict[str, Any]
Scripts = Upstream | Sequence[Upstream]


class WorldOptions(TypedDict, total=False):
    """What can be different about the gateway.

    *fallbacks*: the scripts of each fallback model, in order; *beside*: those of a second upstream of the same entry.
    *kind*, *connects*: of the first upstream.  *clocks*, *retry*, *breaker*, *server*, *auth*, *tools*: tables of the
    configuration. *model*, *upstream*: further fields of the first entries; *each_upstream* of all.  *sessions* makes
    the store of conversations.
    """

    fallbacks: Sequence[Scripts]
    beside: Scripts
    kind: str
    connects: bool
    clocks: Json
    retry: Json
    breaker: Json
    server: Json
    auth: Json
    tools: Json
    model: Json
    upstream: Json
    each_upstream: Json
    credential: CredentialMode
    sessions: Callable[[ManualClock], SessionStore]


class RequestOptions(TypedDict, total=False):
    """What can be different about a request.

    *stream*; *body*: further fields; *raw*: the body itself; *headers*.  The others are those of `FakeClient`.
    """

    stream: bool
    body: Json
    raw: bytes
    headers: Mapping[str, str]
    surface: Surface
    body_s: float
    reads: int | None
    on_write: Callable[[int], None]
    breaks_off_in_body: bool


class Options(WorldOptions, RequestOptions, total=False):
    """Both together."""


class World:
    """A gateway with everything around it under the test's hand."""

    def __init__(self, *scripts: Upstream, **options: Unpack[WorldOptions]) -> None:
        self.clock = ManualClock()
        self.ended: list[Exchange] = []
        self.walks: list[Walk] = []
        plays = {"main": scripts or (Upstream.answers("Hello."),)}
        if "beside" in options:
            plays["beside"] = scripts_of(options["beside"])
        self.fallbacks = [f"spare-{place}" for place, _ in enumerate(options.get("fallbacks", ()), start=1)]
        plays |= zip(self.fallbacks, map(scripts_of, options.get("fallbacks", ())), strict=True)
        kind = options.get("kind", "scripted")
        self.upstreams = {
            name: InProcessUpstream(
                name,
                played,
                self.clock,
                kind=kind,
                credential=options.get("credential", "static"),
                connects=name != "main" or options.get("connects", True),
            )
            for name, played in plays.items()
        }
        random = Random(SEED)  # noqa: S311 - repeatable on purpose
        self.gateway = Gateway(
            load(None, {}, self._tree(kind, options)),
            upstreams=dict(self.upstreams),
            on_ended=self.ended.append,
            clock=self.clock,
            random=random,
        )
        sessions = options.get("sessions", FakeSessionStore)(self.clock)
        self.sessions = sessions
        self.gateway.ports = replace(self.gateway.ports, sessions=sessions)

    def _tree(self, kind: str, options: WorldOptions) -> Json:
        where = {"base_url": "http://127.0.0.1:9/v1"} if kind == "openai" else {}
        more = options.get("each_upstream", {})
        upstreams = [{"name": name, "kind": kind, **where, **more} for name in self.upstreams]
        upstreams[0] |= options.get("upstream", {})
        asked = {"id": MODEL, "upstreams": [name for name in self.upstreams if name not in self.fallbacks]}
        models = [{"id": name, "upstream": name} for name in self.fallbacks]
        tables: Json = {
            name: options[name] for name in ("clocks", "retry", "breaker", "server", "auth", "tools") if name in options
        }
        return {
            "auth": {"mode": "none"},
            "upstreams": upstreams,
            "models": [{**asked, "fallback": self.fallbacks, **options.get("model", {})}, *models],
            **tables,
        }

    def begin(self, **options: Unpack[RequestOptions]) -> "Walk":
        """Begin a request; it goes on whenever the test waits for something."""
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Hi."}],
            "stream": options.get("stream", True),
            **options.get("body", {}),
        }
        headers = {"Content-Type": "application/json", **options.get("headers", {})}
        client = FakeClient(
            self.clock,
            options.get("raw") or json.dumps(body).encode(),
            headers,
            body_s=options.get("body_s", 0.0),
            reads=options.get("reads"),
            on_write=options.get("on_write"),
            breaks_off_in_body=options.get("breaks_off_in_body", False),
        )
        return Walk(self, client, options.get("surface", Surface.CHAT))


class Play:
    """What the fixture `play` gives: plays one request in a gateway of its own, and returns it when it has ended."""

    async def __call__(self, *scripts: Upstream, **options: Unpack[Options]) -> Walk:
        """Play it to its end; *scripts* are those of the upstream's successive calls."""
        return await self.begin(*scripts, **options).end()

    def begin(self, *scripts: Upstream, **options: Unpack[Options]) -> Walk:
        """Begin it, to be interfered with on its way."""
        about_world: Any = {name: value for name, value in options.items() if name in WorldOptions.__annotations__}
        about_request: Any = {name: value for name, value in options.items() if name not in about_world}
        return World(*scripts, **about_world).begin(**about_request)

    def world(self, *scripts: Upstream, **options: Unpack[WorldOptions]) -> World:
        """A gateway for several requests."""
        return World(*scripts, **options)


def scripts_of(scripts: Scripts) -> tuple[Upstream, ...]:
    """One script or several."""
    return (scripts,) if isinstance(scripts, Upstream) else tuple(scripts)
