"""A gateway under a day's worth of trouble: many requests at once, with everything around them scripted from a seed."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any

from proxy.config import load
from proxy.errors import ClientGone, ConversationBusy
from proxy.exchange import Exchange
from proxy.ports import Conversation, Turn
from proxy.server.gateway import Gateway
from proxy.testing.client import FakeClient
from proxy.testing.clock import ManualClock
from proxy.testing.inprocess import InProcessCall, InProcessUpstream
from proxy.testing.script import Upstream
from proxy.testing.sessions import FakeSessionStore
from proxy.wire.answer import Surface
from statechart.vocabulary import TERMINAL_STATES, State
from tests.simulation.plan import REQUESTS, Plan, Story, chance, plan_of, script_of, story_of

KEYS = {"many": "sk-many", "few": "sk-few"}
UPSTREAMS = ("main", "beside", "spare", "last")
MOST_MOMENTS = 100_000  # more, and some timer starts itself for ever


@dataclass(slots=True)
class Call:
    """A call that was made for a request, and what its script says."""

    turn: Turn
    story: Story
    played: InProcessCall


class Request:
    """One request of the simulation, and what is known of it from outside."""

    def __init__(self, plan: Plan, exchange: Exchange, client: FakeClient) -> None:
        self.plan = plan
        self.exchange = exchange
        self.client = client
        self.calls: list[Call] = []
        self.endings = 0
        self.left_in: State | None = None  # where it was when its caller left
        self.cut_in: State | None = None  # where it was when the daemon had no more patience
        self.told_at_end = 0  # bytes
        self.steps_at_end = 0


class SimulatedUpstream(InProcessUpstream):
    """Plays for every call a script of its own."""

    def __init__(self, name: str, simulation: "Simulation") -> None:
        super().__init__(name, (Upstream(),), simulation.clock)
        self._simulation = simulation

    async def open(self, turn: Turn) -> InProcessCall:
        """Begin the script of this call."""
        script = self._simulation.script(self.name, turn)
        call = InProcessCall(turn, script.steps, self._clock, self._credential)
        self._simulation.requests[turn.request_id].calls.append(Call(turn, story_of(script), call))
        try:
            await call.connect()
        except BaseException:
            call.open = False
            raise
        return call


class SimulatedStore(FakeSessionStore):
    """Conversations of which some are busy, and some take their time."""

    def __init__(self, clock: ManualClock, random: Random) -> None:
        super().__init__(clock)
        self._random = random

    async def take(self, *args: Any, **options: Any) -> Conversation:
        """A conversation, unless it is busy."""
        self.take_s, self.commit_s = (float(chance(self._random, 0.1)) for _ in range(2))
        if chance(self._random, 0.01):
            raise ConversationBusy
        return await super().take(*args, **options)


class Simulation:
    """All that comes of one *seed*; what is wrong is in *faults*, in words."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random = Random(seed)
        self.clock = ManualClock()
        self.requests: dict[str, Request] = {}
        self.faults: list[str] = []
        self.endings = Counter[State]()
        self.upstreams = {name: SimulatedUpstream(name, self) for name in UPSTREAMS}
        self.gateway = Gateway(
            load(None, {}, configuration(random)),
            upstreams=dict(self.upstreams),
            on_ended=self._ended,
            clock=self.clock,
            random=Random(seed),
        )
        self.store = SimulatedStore(self.clock, random)
        self.gateway.ports = replace(self.gateway.ports, sessions=self.store)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Let everything happen, until nothing can happen any more."""
        for number in range(REQUESTS):
            plan = plan_of(self.random, number)
            self._at(plan.begins_s, self._begin, plan)
        if chance(self.random, 0.4):
            self._plan_shutdown(float(self.random.randrange(90)))
        for _ in range(MOST_MOMENTS):
            if not await self.clock.next_timer():
                break
        else:
            self.faults.append("timers do not end")
        for task in self._tasks:
            task.cancel()
            self.faults.append(f"{task.get_name()} does not end")

    # --- what upstreams say

    def script(self, upstream: str, turn: Turn) -> Upstream:
        """The script of a call, which depends on nothing but the seed, the request and the calls before it."""
        request = self.requests[turn.request_id]
        if request.exchange.state in TERMINAL_STATES:
            self.faults.append(f"{turn.request_id}: a call after the ending")
        tag = f"{upstream}.{request.plan.number}.{len(request.calls)}"
        told = turn.prefill or (request.calls[-1].turn.prefill if request.calls else None) or ""
        return script_of(Random(f"{self.seed}:{tag}"), tag, tools="tools" in request.plan.body, told=told)

    # --- what callers do

    def _begin(self, plan: Plan) -> None:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEYS.get(plan.key, 'sk-wrong')}"}
        if plan.assured:
            headers["X-Delivery"] = "assured"

        def on_write(number: int) -> None:
            if plan.fails_at_write == number:
                raise ClientGone

        client = FakeClient(
            self.clock,
            json.dumps(plan.body).encode(),
            headers,
            body_s=plan.body_s,
            reads=plan.reads,
            on_write=on_write,
            breaks_off_in_body=plan.breaks_off_in_body,
        )
        exchange = Exchange(client, self.clock, f"req_{plan.number}", Surface.CHAT)
        request = self.requests[exchange.request_id] = Request(plan, exchange, client)
        client.task = task = asyncio.get_running_loop().create_task(self._serve(request), name=exchange.request_id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if plan.reads_on_s is not None:
            self._at(plan.reads_on_s, client.read_on)
        if plan.leaves_s is not None:
            self._at(plan.leaves_s, self._leave, request)

    async def _serve(self, request: Request) -> None:
        try:
            await self.gateway.walk(request.exchange)
        except asyncio.CancelledError:
            if request.exchange.state is not State.CLIENT_ABORT:
                raise
        finally:
            request.client.close()

    def _leave(self, request: Request) -> None:
        if request.exchange.state not in TERMINAL_STATES:
            request.left_in = request.exchange.state
        request.client.leave()

    def _ended(self, exchange: Exchange) -> None:
        request = self.requests[exchange.request_id]
        request.endings += 1
        request.told_at_end, request.steps_at_end = request.client.bytes_sent, len(exchange.trace)
        self.endings[exchange.state] += 1
        gateway = self.gateway
        if gateway.accepted != gateway.ended + len(gateway.live):
            self.faults.append(f"{exchange.request_id}: accepted is not ended and live")

    # --- what the daemon does

    def _plan_shutdown(self, at_s: float) -> None:
        def drain() -> None:
            self.gateway.draining = True

        def cut() -> None:
            for exchange in self.gateway.live:
                if exchange.state not in TERMINAL_STATES:
                    self.requests[exchange.request_id].cut_in = exchange.state
            self.gateway.cut()

        self._at(at_s, drain)
        self._at(at_s + 5, self.gateway.refuse)
        self._at(at_s + 30, cut)

    def _at(self, in_s: float, do: Callable[..., None], *about: object) -> None:
        self.clock.call_at(self.clock.now() + in_s, partial(do, *about))


def configuration(random: Random) -> dict[str, Any]:
    """Narrow limits of every kind, so that they are met."""
    models = [
        {"id": "demo", "upstreams": ["main", "beside"], "fallback": ["spare", "last"], "resume": chance(random, 0.7)},
        {"id": "solo", "upstream": "main"},
        {"id": "steady", "upstream": "beside", "fallback": ["last"], "delivery": "assured"},
        {"id": "spare", "upstream": "spare"},
        {"id": "last", "upstream": "last"},
    ]
    return {
        "server": {"max_in_flight": random.choice((30, 1000, 1000)), "max_queued": 5},
        "auth": {
            "mode": "keys",
            "keys": [
                {"name": "many", "key": KEYS["many"]},
                {"name": "few", "key": KEYS["few"], "rpm": 15, "max_parallel": 3},
            ],
        },
        "upstreams": [
            {"name": name, "kind": "scripted", "max_parallel": random.choice((0, 0, 15))} for name in UPSTREAMS
        ],
        "models": models,
        "clocks": {"total": random.choice((60, 150, 1800)), "progress": 100},
    }
