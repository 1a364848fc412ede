"""Gateway: everything that a worker process holds, built from one configuration."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable
from random import Random

import structlog

from proxy.clock import LoopClock
from proxy.config import Settings
from proxy.config import Upstream as ConfiguredUpstream
from proxy.deadline import SHUTDOWN, Clock
from proxy.driver import drive
from proxy.exchange import Exchange
from proxy.observe.request_line import log_request
from proxy.ports import HasCredential, Inherits, Limits, OffersModels, Ports, ToolOutcomes, Upstream
from proxy.routing.catalog import ModelCatalog
from proxy.routing.gate import KeyGate
from proxy.routing.health import UpstreamHealth
from proxy.server.token_shares import share_tokens
from proxy.sessions.finding import StoredSessions
from proxy.sessions.leases import Leases
from proxy.sessions.memory import MemoryStore
from proxy.sessions.store import RecordStore
from proxy.tasks import settled
from proxy.upstreams import build_upstreams
from statechart.vocabulary import State

log = structlog.get_logger("turnstile.gateway")

CLEAN_UP_S = 2.0  # what is still under way when the last request has ended may take so long
WAITING_STATES = frozenset({State.VALIDATE, State.AUTH, State.SESSION, State.BACKOFF})
"""Where nothing has been asked of an upstream yet, or again: these are ended first when the daemon goes down."""


class Gateway:
    """The ports of one worker, the requests that are live in it, and how far it has gone down.

    Must be made inside a running event loop.  *records* is where conversations are kept, by default in memory, and is
    closed with the gateway.  *on_ended* hears of every ending, once; *upstreams* replaces configured upstreams by name;
    *clock* and *random* replace the loop's time and the system's chance.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        records: RecordStore | None = None,
        upstreams: dict[str, Upstream] | None = None,
        on_ended: Callable[[Exchange], None] = log_request,
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        self._on_ended = on_ended
        self.settings = settings
        self.live: set[Exchange] = set()
        self.draining = False
        self.refusing = False
        self.accepted = 0
        self.ended = 0
        self._clock = clock or LoopClock()
        self._random = random or Random(os.urandom(16))  # noqa: S311 - jitter and ids, not secrets
        self._created = int(time.time())
        self.records = records or MemoryStore(self._clock, max_records=settings.session.max_records)
        self._leases = Leases(self.records, self._clock)
        self._gate = KeyGate(settings.auth, settings.server, self._clock, self._random)
        self._given = upstreams or {}
        self.upstreams: dict[str, Upstream] = {}
        self.healths: dict[str, UpstreamHealth] = {}
        self._retired: list[Upstream] = []
        self.tool_outcomes: ToolOutcomes = Counter()
        self.ports = self._ports(settings)

    def _ports(self, settings: Settings) -> Ports:
        self.upstreams = self._build_upstreams(settings)
        share_tokens(settings, self.upstreams, self.records, self._clock)
        self.healths = {entry.name: self._health(settings, entry) for entry in settings.upstreams}
        return Ports(
            clock=self._clock,
            random=self._random,
            gate=self._gate,
            catalog=ModelCatalog(settings, self.upstreams, self.healths, self._created),
            sessions=StoredSessions(settings.session, self.records, self._leases, self._clock, self._random),
            lifecycle=self,
            limits=Limits(
                settings.server.max_body_bytes, settings.server.max_answer_bytes, settings.tools.max_call_bytes
            ),
            clocks=settings.clocks_for(None, None),
            lease_wait_s=settings.session.lease_wait_s,
            echo_session=settings.session.echo_in_body,
            retry=settings.retry,
            allow_header_overrides=settings.server.allow_header_overrides,
            tool_outcomes=self.tool_outcomes,
        )

    def _build_upstreams(self, settings: Settings) -> dict[str, Upstream]:
        built = build_upstreams(settings, self._clock, self._given)
        for name, upstream in built.items():
            if isinstance(upstream, Inherits) and name in self.upstreams:
                upstream.inherit(self.upstreams[name])
        return built

    def _health(self, settings: Settings, entry: ConfiguredUpstream) -> UpstreamHealth:
        upstream = self.upstreams[entry.name]
        return UpstreamHealth(
            settings.breaker,
            self._clock,
            self._random,
            shared_credential=entry.shares_credential,
            login=upstream.credential if isinstance(upstream, HasCredential) else None,
        )

    def reload(self, settings: Settings) -> None:
        """Take another configuration; requests that are live end under the one they began with."""
        self._retired += [upstream for name, upstream in self.upstreams.items() if name not in self._given]
        self.settings = settings
        self._gate.reload(settings.auth)
        self.ports = self._ports(settings)

    async def settle_offers(self) -> None:
        """Wait until it is known which models upstreams offer by themselves."""
        asked = [each.settle_offers() for each in self.upstreams.values() if isinstance(each, OffersModels)]
        await asyncio.gather(*asked)

    async def walk(self, x: Exchange) -> None:
        """One request, from here to its end."""
        self.live.add(x)
        self.accepted += 1
        await drive(x, self.ports, self._ended)

    def token_hex(self, size: int) -> str:
        """*size* random bytes in hexadecimal digits: for ids, which are no secrets, without a call to the system."""
        return f"{self._random.getrandbits(8 * size):0{2 * size}x}"

    def _ended(self, x: Exchange) -> None:
        self.live.discard(x)
        self.ended += 1
        self._on_ended(x)

    # --- going down

    def refuse(self) -> None:
        """Turn new requests away, and end those for which nothing has been asked of an upstream."""
        self.refusing = True
        for x in [x for x in self.live if x.state in WAITING_STATES]:
            x.deadline.expire(SHUTDOWN)

    def cut(self) -> None:
        """End every live request."""
        for x in list(self.live):
            x.deadline.expire(SHUTDOWN)

    async def close(self) -> None:
        """Give everything back."""
        for upstream in [*self.upstreams.values(), *self._retired]:
            await upstream.close()
        await settled(CLEAN_UP_S)  # leases are still being given back
        await self.records.close()
