"""What is asked of a simulated gateway, and what its upstreams will say: all of it drawn from a seed."""

from dataclasses import dataclass
from random import Random
from typing import Any

from proxy.errors import (
    ConnectTimeout,
    ConversationLost,
    CredentialStale,
    SessionLost,
    UpstreamDisconnected,
    UpstreamUnreachable,
)
from proxy.testing.script import Breaks, Calls, Fails, Finishes, Says, Stalls, Upstream

REQUESTS = 250  # of one seed; enough for its limits, queues and circuits to be felt
ARRIVALS_S = 60  # in which they come, at whole seconds so that much happens at once
LAST_READ_S = 240  # how long after it came the caller of a request may begin to read
LEAVES_S = (0.5, 1.0, 2.0, 5.0, 12.0, 30.0, 60.0, 150.0, 240.0)  # mostly as some clock runs out
TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
STATUSES = (400, 401, 402, 403, 404, 408, 413, 429, 429, 429, 500, 500, 501, 503, 503, 529)
RETRY_AFTER = ("0", "1", "3", "15", "100", "-1", "soon")
EXCEPTIONS = (CredentialStale, ConversationLost, SessionLost, UpstreamDisconnected, UpstreamUnreachable)


class ScriptedCrashError(Exception):
    """A bug in an adapter."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One request: how it is asked, when it comes, and what its caller does then; None: never."""

    number: int
    begins_s: float
    body: dict[str, Any]
    key: str
    assured: bool
    body_s: float
    breaks_off_in_body: bool
    reads: int | None
    reads_on_s: float | None
    leaves_s: float | None
    fails_at_write: int | None


@dataclass(frozen=True, slots=True)
class Story:
    """What a script says: the text and the calls until its end or its first fault, and whether that is all of it."""

    text: str
    calls: tuple[tuple[str, str], ...]
    whole: bool


def chance(random: Random, share: float) -> bool:
    """True in that share of the cases."""
    return random.random() < share


def plan_of(random: Random, number: int) -> Plan:
    """One request.  Most are such that it depends on the upstreams how they end."""
    body: dict[str, Any] = {
        "model": random.choices(("demo", "solo", "steady", "nowhere"), (60, 20, 18, 2))[0],
        "messages": [{"role": "user", "content": "Hi."}],
        "stream": chance(random, 0.65),
    }
    if chance(random, 0.5):
        body["tools"] = [TOOL]
    if body["stream"] and chance(random, 0.3):
        body["stream_options"] = {"include_usage": True}
    if chance(random, 0.02):
        body["temperature"] = "warm"
    slow = chance(random, 0.12)
    return Plan(
        number=number,
        begins_s=float(random.randrange(ARRIVALS_S)),
        body=body,
        key=random.choices(("many", "few", "wrong"), (88, 10, 2))[0],
        assured=chance(random, 0.2),
        body_s=float(random.choices((0, 1, 29, 40), (85, 9, 3, 3))[0]),
        breaks_off_in_body=chance(random, 0.01),
        reads=random.randrange(8) if slow else None,
        reads_on_s=float(random.randrange(1, LAST_READ_S)) if slow and chance(random, 0.5) else None,
        leaves_s=random.choice(LEAVES_S) if chance(random, 0.12) else None,
        fails_at_write=random.randrange(1, 5) if chance(random, 0.03) else None,
    )


def script_of(random: Random, tag: str, *, tools: bool, told: str) -> Upstream:
    """What an upstream does with one call.  *tag* is in all that it says; *told* may be what it begins with."""
    script = beginning(random)
    if told and chance(random, 0.7):
        script = script.then_says(told)
    pieces = random.randrange(1, 6)
    fault_at = random.randrange(pieces + 1) if chance(random, 0.3) else None
    for at in range(pieces):
        if at == fault_at:
            script = with_fault(random, script)
        script = with_piece(random, script, f"{tag}.{at} ", tools=tools)
    if fault_at == pieces:
        script = with_fault(random, script)
    return ending(random, script)


def beginning(random: Random) -> Upstream:
    """Nothing yet, silence, or a failure."""
    match random.choices(("at once", "waits", "fails", "raises", "stalls", "crashes"), (60, 14, 15, 8, 2.5, 0.5))[0]:
        case "waits":
            return Upstream.waits(random.choice((1, 6, 13, 20, 70)))
        case "fails":
            headers = {"Retry-After": random.choice(RETRY_AFTER)} if chance(random, 0.4) else {}
            return Upstream.fails(random.choice(STATUSES), headers=headers)
        case "raises":
            error = random.choice(EXCEPTIONS)
            return Upstream.fails(ConnectTimeout(5) if chance(random, 0.2) else error())
        case "stalls":
            return Upstream.stalls()
        case "crashes":
            return Upstream.fails(ScriptedCrashError())
        case _:
            return Upstream()


def with_piece(random: Random, script: Upstream, text: str, *, tools: bool) -> Upstream:
    """One thing more, at times after a silence."""
    if chance(random, 0.2):
        script = script.then_waits(random.choice((1, 1, 2, 16, 40, 70)))
    match random.choices(("says", "thinks", "calls", "pings", "opens"), (60, 10, 15, 10, 5))[0]:
        case "thinks":
            return script.then_thinks(text)
        case "calls" if tools:
            return script.then_calls("now", {"zone": text} if chance(random, 0.8) else '{"zone": "' + text)
        case "pings":
            return script.then_pings()
        case "opens":
            return script.then(*Upstream.opens().steps)
        case _:
            return script.then_says(text)


def with_fault(random: Random, script: Upstream) -> Upstream:
    """Something that no answer survives, unless it had finished."""
    match random.choices(("breaks", "ends", "stalls", "fails", "crashes"), (35, 25, 15, 24, 1))[0]:
        case "breaks":
            return script.then_breaks()
        case "ends":
            return script.then_ends()
        case "stalls":
            return script.then_stalls()
        case "fails":
            return script.then_fails(random.choice(STATUSES))
        case _:
            return script.then_fails(ScriptedCrashError())


def ending(random: Random, script: Upstream) -> Upstream:
    """The counts, the finish reason, and what may come after it; or nothing."""
    if chance(random, 0.5):
        script = script.then_reports_usage(3, 5)
    if chance(random, 0.6):
        script = script.then_finishes(
            random.choices(("stop", "tool_calls", "length", "content_filter"), (6, 2, 1, 1))[0]
        )
        match random.choices(("nothing", "waits", "breaks", "stalls"), (70, 10, 10, 10))[0]:
            case "waits":
                script = script.then_waits(random.choice((1, 10)))
            case "breaks":
                script = script.then_breaks()
            case "stalls":
                script = script.then_stalls()
    return script


def story_of(script: Upstream) -> Story:
    """What the script says."""
    text, calls = "", list[tuple[str, str]]()
    for step in script.steps:
        match step:
            case Says():
                text += step.text
            case Calls():
                calls.append((step.tool, step.arguments))
            case Fails() | Breaks() | Stalls():
                return Story(text, tuple(calls), whole=False)
            case Finishes():
                break
    return Story(text, tuple(calls), whole=True)
