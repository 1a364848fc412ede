"""The walks that are cut: each halts for its caller, the store and its upstream as often as it can."""

import json
from dataclasses import dataclass, field
from typing import Any

from proxy.errors import ConversationLost, CredentialStale
from proxy.testing.play import MODEL, World
from proxy.testing.script import Upstream
from proxy.testing.sessions import FakeSessionStore
from tests.cut_anywhere.halts import CutWalk, HaltingClient

KEY = "sk-of-the-caller"
HELLO = Upstream.thinks("Hm.").then_says("Hel").then_waits(1).then_says("lo.")
WHOLE = HELLO.then_reports_usage(3, 5).then_finishes().then_waits(1)
CALL = Upstream.answers("One moment.").then_calls("now", {"zone": "UTC"}).then_finishes("tool_calls")
BRIEF = Upstream.answers("The quick brown fox ").then_waits(1).then_says("jumps.")
SPARE = Upstream.waits(1).then_says("over the ", "lazy dog.").then_finishes()
TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}


@dataclass(frozen=True)
class Scenario:
    """What is played, in which world, for which request; *behind*: another request has the only place."""

    scripts: tuple[Upstream, ...] = (WHOLE,)
    world: dict[str, Any] = field(default_factory=dict)
    stream: bool = True
    assured: bool = False
    tools: bool = False
    behind: bool = False

    def build(self) -> World:
        """A world with one place for everything: what is not given back is missed at once."""
        key = {"name": "caller", "key": KEY, "max_parallel": 2 if self.behind else 1}
        options: dict[str, Any] = {
            "sessions": lambda clock: FakeSessionStore(clock, take_s=1, commit_s=1),
            "auth": {"mode": "keys", "keys": [key]},
            "server": {"max_in_flight": 1},
            "upstream": {"max_parallel": 1},
            "breaker": {"failures": 0},
        }
        return World(*self.scripts, **{**options, **self.world})

    def begin(self, world: World) -> CutWalk:
        """Begin the request that may be cut."""
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Hi."}],
            "stream": self.stream,
            **({"tools": [TOOL]} if self.tools else {}),
        }
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        if self.assured:
            headers["X-Delivery"] = "assured"
        return CutWalk(world, HaltingClient(world.clock, json.dumps(body).encode(), headers, body_s=1))


SLOW_START = Upstream.waits(20).then_says("Hello.").then_finishes()
TOO_LONG = HELLO.then_fails(400, code="context_length_exceeded")
REFUSED = Upstream.fails(400, message="no prefill")
QUEUE = {"server": {"max_in_flight": 1}}
SLOTS = {"server": {"max_in_flight": 2}, "upstream": {"max_parallel": 1}}
RESUMED = {"fallbacks": [SPARE], "model": {"resume": True}}

SCENARIOS: dict[str, Scenario] = {
    "streamed": Scenario(),
    "collected": Scenario(stream=False),
    "assured": Scenario(assured=True),
    "streamed with a tool call": Scenario((CALL,), tools=True),
    "collected with a tool call": Scenario((CALL,), tools=True, stream=False),
    "streamed after a retry": Scenario((Upstream.fails(503), WHOLE)),
    "collected after a retry": Scenario((HELLO.then_breaks(), WHOLE), stream=False),
    "assured after a retry": Scenario((HELLO.then_breaks(), WHOLE), assured=True),
    "assured by a fallback": Scenario(
        (HELLO.then_fails(400, code="context_length_exceeded"),), {"fallbacks": [WHOLE]}, assured=True
    ),
    "resumed": Scenario((BRIEF.then_breaks(),), RESUMED),
    "resumed anew": Scenario(
        (BRIEF.then_breaks(),),
        {**RESUMED, "fallbacks": [(REFUSED, Upstream.answers("The quick brown ", "fox jumps.", " Yes."))]},
    ),
    "credential renewed": Scenario((Upstream.fails(CredentialStale()), WHOLE)),
    "conversation replayed": Scenario((Upstream.fails(ConversationLost()), WHOLE)),
    "committed before it began": Scenario((SLOW_START,)),
    "behind another in the queue": Scenario((BRIEF, WHOLE), QUEUE, behind=True),
    "behind another at the upstream": Scenario((BRIEF, WHOLE), SLOTS, behind=True),
}
