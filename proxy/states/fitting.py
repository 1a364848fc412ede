"""What the states share that fit a request into a budget: measuring for a candidate, and choosing who can take it."""

from collections.abc import Sequence
from dataclasses import replace

from proxy.budget import Fitted, fit, rendering_of
from proxy.dialects import DIALECTS, NATIVE, as_text
from proxy.errors import ContextLengthExceeded, UpstreamContextLength
from proxy.exchange import Exchange
from proxy.ports import Candidate, LaysOut, Place, Plan, Rendering
from proxy.states.answering import tool_block_for
from proxy.wire.request import ChatRequest, without_tools

SUMMARY_HEAD = "[Summary of earlier turns]"
LEADING_ROLES = ("system", "developer")


def fit_candidates(x: Exchange) -> None:
    """Leave the candidates that can take the request.  Raises `ContextLengthExceeded` when there are none.

    An upstream that keeps the conversation is told what is new, and that alone has to fit.
    """
    course = x.course
    able: list[Candidate] = []
    widest: tuple[int, ContextLengthExceeded] | None = None
    for candidate in course.candidates[course.position :]:
        here = candidate is course.candidate
        place = course.place if here else candidate.places[0]
        try:
            x.fits[candidate.model_id, here] = fitted(x, candidate, place, planned(x, candidate, place, here=here))
        except ContextLengthExceeded as error:
            if widest is None or widest[0] < candidate.allowance.max_input_tokens:
                widest = (candidate.allowance.max_input_tokens, error)
        else:
            able.append(candidate)
    if not able and widest is not None:
        raise widest[1]
    course.candidates = (*course.candidates[: course.position], *able)


def planned(x: Exchange, candidate: Candidate, place: Place, *, here: bool) -> Plan:
    """How much the first call will tell; another candidate, and one who has lost the history, is told all there is."""
    if here and not x.conversation.history_missing:
        return x.conversation.plan(candidate, place)
    return Plan(None, 0)


def fit_call(x: Exchange, candidate: Candidate, place: Place, plan: Plan) -> Fitted:
    """The request as the call that is about to be made tells it.  Raises `UpstreamContextLength`."""
    known = x.fits.get((candidate.model_id, True)) or x.fits.get((candidate.model_id, False))
    same = known is not None and (known.plan.ids is None) == (plan.ids is None)
    try:
        found = known if known is not None and same else fitted(x, candidate, place, plan)
    except ContextLengthExceeded as error:
        raise UpstreamContextLength(error.message, param=error.param) from error
    tail = max(0, plan.tail - found.trimmed)
    return replace(found, plan=replace(plan, tail=tail))


def fitted(x: Exchange, candidate: Candidate, place: Place, plan: Plan) -> Fitted:
    """The request as it is told to *place*: within the budget, and with tools as text where they are told so.

    Raises `ContextLengthExceeded`.
    """
    request = without_tools(x.request) if candidate.entry.tools == "off" else x.request
    upstream = place.upstream
    lays_out = isinstance(upstream, LaysOut)
    if not lays_out and not candidate.allowance.known:
        return Fitted(as_told(request, place), plan)
    block = tool_block_for(x, candidate, place)

    def measure(request: ChatRequest, plan: Plan, summary: str) -> Sequence[Rendering]:
        told = as_told(request, place)
        if isinstance(upstream, LaysOut):
            return upstream.measure(told, plan, block, summary)
        return rendering_of(told, plan, f"{summary}{block}")

    found = fit(request, plan, candidate.allowance, measure, always=lays_out)
    found = found if lays_out else with_summary(found)
    return replace(found, request=as_told(found.request, place))


def as_told(request: ChatRequest, place: Place) -> ChatRequest:
    """The request with its tools, and all that was called before, as text, where *place* is told so."""
    return request if place.dialect == NATIVE else as_text(request, DIALECTS[place.dialect])


def with_summary(found: Fitted) -> Fitted:
    """The summary as a message of the operator's, after those that are there."""
    if not found.summary:
        return found
    messages = list(found.request.messages)
    place = next((i for i, each in enumerate(messages) if each["role"] not in LEADING_ROLES), len(messages))
    messages.insert(place, {"role": "system", "content": f"{SUMMARY_HEAD}\n{found.summary}"})
    request = replace(found.request, messages=messages, body={**found.request.body, "messages": messages})
    return replace(found, request=request, plan=replace(found.plan, tail=found.plan.tail + 1))
