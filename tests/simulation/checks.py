"""What must hold of every request, however it ended, and of the gateway after all of them."""

import json
from collections.abc import Iterator

from proxy.observe.request_line import request_fields
from proxy.routing.slots import BoundedSlots
from proxy.testing.frames import calls_of_stream, finish_of_stream, read_stream, text_of_stream
from proxy.wire.answer import error_body, error_frame
from statechart.vocabulary import TERMINAL_STATES, State
from tests.simulation.plan import ScriptedCrashError
from tests.simulation.world import Call, Request, Simulation

LONG_S = 3600.0  # after it every circuit is to be asked again


async def faults_of(simulation: Simulation) -> list[str]:
    """Everything that is wrong with what has happened, in words."""
    found = list(simulation.faults)
    for name, request in simulation.requests.items():
        checks = (ending, bookkeeping, giving_back, answer)
        found += [f"{name}: {fault}" for check in checks for fault in check(request)]
    found += gateway_faults(simulation)
    await simulation.clock.advance(LONG_S)
    for name, health in simulation.gateway.healths.items():
        found += [f"{name}: a circuit is not asked again" for each in health._circuits.values() if each.wait_s()]
    return found


def ending(request: Request) -> Iterator[str]:
    """One ending, which nothing changes any more; of several at once the first in rank."""
    x, state = request.exchange, request.exchange.state
    if state not in TERMINAL_STATES:
        yield f"it is in {state}"
    if request.endings != 1:
        yield f"its ending was told {request.endings} times"
    if [step.target for step in x.trace if step.target in TERMINAL_STATES] != [state]:
        yield f"not one ending: {x.path}"
    if (request.told_at_end, request.steps_at_end) != (request.client.bytes_sent, len(x.trace)):
        yield "something happened after the ending"
    if request.left_in and state is not State.CLIENT_ABORT:
        yield f"its caller left, in {request.left_in}, and it ended as {state}"
    if request.cut_in and state not in (State.SHUTDOWN, State.CLIENT_ABORT):
        yield f"the daemon went down, in {request.cut_in}, and it ended as {state}"
    yield from request.client.faults


def bookkeeping(request: Request) -> Iterator[str]:
    """The reason is one word wherever it is told."""
    x, client = request.exchange, request.client
    if request_fields(x)["end_reason"] != x.state.value:
        yield "the log tells of another ending"
    if x.state is State.DONE:
        return
    if x.failure is None or x.failure.end_reason.value != x.state.value:
        yield f"{x.failure!r} does not end as {x.state}"
    elif x.state is State.INTERNAL_ERROR and x.failure.detail != ScriptedCrashError.__name__:
        yield f"a bug of ours: {x.failure.detail} in {x.path}"
    elif client.committed and not client.streaming and not gone(request):
        if client.headers.get("x-end-reason") != x.state.value:
            yield "the header tells of another ending"
        if client.status != x.failure.told_status:
            yield f"the status was {client.status}"


def giving_back(request: Request) -> Iterator[str]:
    """Nothing is held, and every call was closed, once."""
    x = request.exchange
    if x.call or x.slot or x._releases or x.deadline._task or x.deadline._handle:
        yield "it holds something"
    if any(call.played.open or call.played.closed > 1 for call in request.calls):
        yield "a call was not closed, or twice"
    if any(attempt.outcome == "open" for attempt in x.course.attempts) if hasattr(x, "course") else False:
        yield "an attempt has no outcome"


def answer(request: Request) -> Iterator[str]:
    """What was told is what the upstream said; only a whole answer looks whole."""
    x, client = request.exchange, request.client
    told = b"".join(piece for piece in client.writes if not piece.startswith(b":"))
    if client.streaming and client.status == 200:
        yield from streamed(request, told)
    elif x.state is State.DONE:
        message = json.loads(told)["choices"][0]
        calls = message["message"].get("tool_calls") or ()
        named = [(call["function"]["name"], call["function"]["arguments"]) for call in calls]
        yield from whole(request, message["message"]["content"] or "", named, message["finish_reason"])
    elif told and not gone(request):
        if x.failure is None or told != error_body(x.failure):
            yield f"told as the failure: {told[:200]!r}"
    elif not told and not gone(request):
        yield "its caller was told nothing"


def streamed(request: Request, told: bytes) -> Iterator[str]:
    """Finish chunks and the end mark, or one error frame, or (the caller is gone) neither."""
    x = request.exchange
    try:
        stream = read_stream(told)
    except ValueError as error:
        yield f"the stream: {error}"
        return
    text, calls, finish = text_of_stream(told), calls_of_stream(told), finish_of_stream(told)
    if x.state is State.DONE:
        if not stream.done:
            yield "done without the end mark"
        yield from whole(request, text, calls, finish)
        return
    if stream.done != (x.closed and bool(told)) and not gone(request):
        yield "the end mark of an answer that is not whole"
    if gone(request):
        if stream.error is not None and x.state is State.CLIENT_ABORT:
            yield "an error was told to nobody"
    elif x.failure is None or not told.endswith(error_frame(x.failure)) or finish is not None:
        yield f"told at the end: {told[-200:]!r}"
    if not any(full.startswith(text) for full in possible(request.calls)):
        yield f"nobody said {text!r}"


def whole(request: Request, text: str, calls: list[tuple[str, str]], finish: str | None) -> Iterator[str]:
    """A success: everything that the upstream said, which had said all of it."""
    story = request.calls[-1].story
    if not story.whole:
        yield "a cut answer was told as whole"
    if text != possible(request.calls)[0] or tuple(calls) != story.calls:
        yield f"told {text!r} {calls}, for {story}"
    if finish == "tool_calls" and calls and not is_json(calls[-1][1]):
        yield "half a call was told as a call"
    if finish is None:
        yield "no finish reason"


def possible(calls: list[Call]) -> list[str]:
    """The texts of which a caller may have seen the beginning; first the one that they see in the end."""
    if not calls:
        return [""]
    last = calls[-1]
    before = calls[-2].turn.prefill or "" if len(calls) > 1 else ""
    prefill = last.turn.prefill or ""
    joined = last.story.text if last.story.text.startswith(prefill) else prefill + last.story.text
    return [joined, prefill, before]


def gone(request: Request) -> bool:
    """Whether the caller left, or was broken off."""
    return request.exchange.state is State.CLIENT_ABORT or request.client.was_reset


def is_json(text: str) -> bool:
    """Whether it is one whole JSON value."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def gateway_faults(simulation: Simulation) -> Iterator[str]:
    """Every place is free, no more and no less, and no timer runs."""
    gateway = simulation.gateway
    if gateway.live or gateway.accepted != gateway.ended:
        yield f"live: {len(gateway.live)}, accepted {gateway.accepted}, ended {gateway.ended}"
    if gateway._gate._slots._value != gateway.settings.server.max_in_flight or gateway._gate._queued:
        yield "a place in the daemon is held"
    if any(use.live for use in gateway._gate._uses.values()):
        yield "a caller's place is held"
    limits = {entry.name: entry.max_parallel for entry in gateway.settings.upstreams}
    for request in simulation.requests.values():
        route = getattr(request.exchange, "route", None)
        for place in (place for candidate in (route.candidates if route else ()) for place in candidate.places):
            if isinstance(place.slots, BoundedSlots) and place.slots._semaphore._value != limits[place.upstream.name]:
                yield f"a place at {place.upstream.name} is held"
    if simulation.store.held:
        yield "a conversation is held"
    if simulation.clock.pending:
        yield "a timer runs"
