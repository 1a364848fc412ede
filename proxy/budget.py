"""Which candidates can take a request: an input larger than a model's limit is never sent to it."""

from collections.abc import Sequence

from proxy.errors import ContextLengthExceeded
from proxy.ports import Candidate
from proxy.wire.answer import estimate_tokens
from proxy.wire.request import ChatRequest, text_of

MESSAGE_TOKENS = 4  # what chat templates put around a message


def estimated_input_tokens(request: ChatRequest) -> int:
    """About how many tokens the messages are."""
    return sum(estimate_tokens(text_of(message)) + MESSAGE_TOKENS for message in request.messages)


def input_limit_tokens(candidate: Candidate) -> int | None:
    """The largest input that the candidate's entry allows; None if it sets no limit."""
    entry = candidate.entry
    limits = [limit for limit in (entry.max_input_tokens, entry.context_window_tokens) if limit is not None]
    return min(limits) if limits else None


def fitting(request: ChatRequest, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The candidates that can take the request, in order.  Raises `ContextLengthExceeded` when there are none."""
    if all(input_limit_tokens(candidate) is None for candidate in candidates):
        return tuple(candidates)
    estimate = estimated_input_tokens(request)
    limits = [input_limit_tokens(candidate) for candidate in candidates]
    fit = tuple(c for c, limit in zip(candidates, limits, strict=True) if limit is None or estimate <= limit)
    if not fit:
        widest = max(limit for limit in limits if limit is not None)
        raise ContextLengthExceeded(
            f"The messages are too long for the available input budget ({estimate} > {widest} tokens, estimated).",
            param="messages",
        )
    return fit
