"""The one line about each request, at its end: derived from the walk, and holding nothing that anybody said."""

from typing import Any

from proxy.budget import Fitted
from proxy.errors import ClientGone, TurnstileError
from proxy.exchange import Exchange
from proxy.observe.clients import client_name
from proxy.observe.log import REQUESTS
from statechart.chart import INITIAL
from statechart.vocabulary import State

log = REQUESTS


def log_request(x: Exchange) -> None:
    """Log the end of a walk."""
    log.info("request.completed", **request_fields(x))


def log_refusal(user_agent: str | None, request_id: str, error: TurnstileError) -> None:
    """Log a request that was refused before it could begin a walk: no such path, no such method, not HTTP."""
    log.info(
        "request.completed",
        request_id=request_id,
        end_reason=error.end_reason,
        code=error.told_code,
        http_status=error.told_status,
        client=client_name(user_agent),
        path="",
    )


def request_fields(x: Exchange) -> dict[str, Any]:
    """All that is told of a walk: names from closed sets, numbers, and fingerprints."""
    fields: dict[str, Any] = {
        "request_id": x.request_id,
        "end_reason": x.state.value,
        "http_status": http_status(x),
        "peer": x.client.head.peer,
        "client": client_name(x.client.head.headers.get("user-agent")),
        "path": x.path,
        "ms": state_ms(x),
        "bytes_out": x.client.bytes_sent,
    }
    if x.state is not State.DONE and x.failure is not None:
        fields |= failure_fields(x.failure)
    if hasattr(x, "request"):
        fields |= {"stream": x.request.stream, "tools_present": bool(x.request.tools)}
    if x.override is not None:
        fields |= {"upstream_host": x.override.host, "upstream_override": x.override.by}
    if hasattr(x, "caller"):
        fields["caller"] = x.caller.fingerprint
    if hasattr(x, "conversation"):
        fields |= {"session": x.conversation.status, "degraded": x.conversation.degraded}
    if hasattr(x, "course"):
        fields |= course_fields(x)
    if hasattr(x, "fitted"):
        fields |= budget_fields(x.fitted)
    if x.controls is not None and x.controls.reason is not None:
        fields["cut"] = x.controls.reason
    if hasattr(x, "finishes"):
        fields |= {"finish_reason": x.finishes.get(0), "usage": usage_fields(x)}
    return fields


def http_status(x: Exchange) -> int:
    """The status that the caller was told; of a caller who left, the one that logs know for that."""
    if x.state is State.CLIENT_ABORT:
        return ClientGone.status
    return x.told_status


def failure_fields(failure: TurnstileError) -> dict[str, Any]:
    """What went wrong, in our own words."""
    fields: dict[str, Any] = {"code": failure.told_code, "clock": failure.clock, "param": failure.param}
    if failure.detail is not None:
        fields["detail"] = failure.detail
    return fields


def course_fields(x: Exchange) -> dict[str, Any]:
    """Whom the request went to, and how often."""
    attempts = x.course.attempts
    fields: dict[str, Any] = {"model": x.course.candidate.model_id, "attempts": len(attempts)}
    if attempts:
        fields |= {"upstream": attempts[-1].upstream, "upstream_status": attempts[-1].status}
    if len(attempts) > 1:
        fields["tried"] = [f"{attempt.upstream}:{attempt.outcome}" for attempt in attempts]
    if x.resumed:
        fields["resumed"] = x.resumed
    if x.first_delta_s is not None:
        fields["ttft_ms"] = round((x.first_delta_s - x.accepted_s) * 1000, 3)
    return fields


def budget_fields(fitted: Fitted) -> dict[str, Any]:
    """How the input was measured, where it was, and what was done to make it fit."""
    if fitted.available_tokens is None:
        return {}
    fields: dict[str, Any] = {"available_tokens": fitted.available_tokens, "output_tokens": fitted.output_tokens}
    if fitted.input_tokens is not None:
        fields["input_tokens"] = fitted.input_tokens
    if fitted.trimmed:
        fields |= {"trimmed": fitted.trimmed, "summary": bool(fitted.summary)}
    if fitted.clamped:
        fields["output_clamped"] = True
    return fields


def usage_fields(x: Exchange) -> dict[str, Any] | None:
    """The answer's token counts."""
    usage = x.answer.usage
    if usage is None:
        return None
    fields: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
    if usage.estimated:
        fields["estimated"] = True
    return fields


def state_ms(x: Exchange) -> dict[str, float]:
    """Milliseconds spent in each state, all visits together."""
    spent: dict[str, float] = {}
    since, state = x.accepted_ns, INITIAL.value
    for step in x.trace:
        spent[state] = round(spent.get(state, 0.0) + (step.t_ns - since) / 1e6, 3)
        since, state = step.t_ns, step.target.value
    return spent
