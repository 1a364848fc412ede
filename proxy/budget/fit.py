"""Fitting a request into what a model takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from proxy.budget.estimate import ENTRY_TOKENS, Estimator, estimate_tokens_of, o200k, weigh
from proxy.budget.trim import Messages, drop_oldest, shorten, summary_of
from proxy.config import Allowance
from proxy.errors import ContextLengthExceeded
from proxy.ports import Plan, Rendering
from proxy.wire.request import ChatRequest, JsonObject, text_of

MOST_TOKENS_PER_CHAR = 2

Measure = Callable[[ChatRequest, Plan, str], Sequence[Rendering]]
"""What would be sent of a request under a plan, with a summary: each way in which the upstream may read it."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is told to the upstream in place of what the caller has sent, and how it was measured.

    *output_tokens*: what is reserved for the answer, 0 = nothing is said of it; *clamped*: the caller asked for more.
    *trimmed*: the messages that were dropped.
    """

    request: ChatRequest
    plan: Plan
    output_tokens: int = 0
    clamped: bool = False
    input_tokens: int | None = None
    available_tokens: int | None = None
    trimmed: int = 0
    summary: str = ""


def fit(request: ChatRequest, plan: Plan, allowed: Allowance, measure: Measure, *, always: bool) -> Fitted:
    """What is sent.  *always*: the upstream is told a limit of output tokens with every call.

    Raises `ContextLengthExceeded` when it can't be made to fit.
    """
    output = allowed.output_tokens(request.max_tokens, always=always)
    clamped = request.max_tokens is not None and request.max_tokens > output
    available = allowed.available_tokens(output)
    if not always and surely_fits(request, available):
        return Fitted(request, plan, output, clamped, available_tokens=available)
    trial = Trial(request, plan, measure, o200k() if allowed.estimator == "o200k" else weigh, available)
    first = trial.estimate(request.messages, 0)
    done = Fitted(request, plan, output, clamped, first, available)
    if first <= available:
        return done
    if allowed.trim == "oldest":
        done = trimmed(trial, allowed, done)
    if done.input_tokens is None or done.input_tokens > available:
        raise ContextLengthExceeded(
            f"The messages are too long for the available input budget ({first} > {available}).", param="messages"
        )
    return done


def surely_fits(request: ChatRequest, available: int) -> bool:
    """Whether there is no need to measure, as mostly: not even the heaviest characters would be too many."""
    chars = ENTRY_TOKENS * len(request.messages)
    for message in request.messages:
        if message.get("tool_calls"):
            return False
        chars += len(text_of(message))
    return not request.tools and MOST_TOKENS_PER_CHAR * 2 * chars < available


@dataclass(slots=True)
class Trial:
    """What a request would be with other messages."""

    request: ChatRequest
    plan: Plan
    measure: Measure
    estimator: Estimator
    available: int
    summary: str = ""

    def of(self, messages: Messages, dropped: int) -> tuple[ChatRequest, Plan]:
        """The request with *messages*, of which *dropped* are missing."""
        body = {**self.request.body, "messages": messages}
        plan = replace(self.plan, tail=max(0, self.plan.tail - dropped))
        return replace(self.request, messages=messages, body=body), plan

    def estimate(self, messages: Messages, dropped: int) -> int:
        """Its tokens."""
        return estimate_tokens_of(self.measure(*self.of(messages, dropped), self.summary), self.estimator)

    def fits(self, messages: Messages) -> bool:
        """Whether it fits."""
        return self.estimate(messages, len(self.request.messages) - len(messages)) <= self.available


def trimmed(trial: Trial, allowed: Allowance, before: Fitted) -> Fitted:
    """What is left after trimming: turns are dropped only where the upstream is told everything."""
    messages = list(trial.request.messages)
    dropped: Messages = []
    fresh = trial.plan.ids is None
    if fresh:
        messages, dropped = drop_oldest(messages, allowed.keep_messages, trial.fits)
        if dropped and allowed.summary:
            trial.summary = summary_of(
                dropped, max_chars=allowed.summary_max_chars, max_lines=allowed.summary_max_lines
            )
            messages, dropped = drop_oldest(list(trial.request.messages), allowed.keep_messages, trial.fits)
    if not trial.fits(messages):
        messages = shorten(messages, 0 if fresh else trial.plan.tail, trial.fits)
    request, plan = trial.of(messages, len(dropped))
    return replace(
        before,
        request=request,
        plan=plan,
        input_tokens=trial.estimate(messages, len(dropped)),
        trimmed=len(dropped),
        summary=trial.summary,
    )


def rendering_of(request: ChatRequest, _plan: Plan, summary: str) -> Sequence[Rendering]:
    """A request as kinds send it that have no layout of their own: all messages, their calls, and the tools."""
    texts = [text for message in request.messages for text in texts_of(message)]
    texts += [str(tool.get("function", tool)) for tool in request.tools]
    return [Rendering([*texts, summary], len(request.messages) + bool(summary))]


def texts_of(message: JsonObject) -> Sequence[str]:
    """What a message says, and the calls in it."""
    calls = message.get("tool_calls") or ()
    return [text_of(message), *(str(call.get("function", "")) for call in calls)]
