"""What the states that answer share: the head of the answer and its writer, its headers, its usage."""

from functools import partial

import structlog

from proxy.dialects import DIALECTS, NATIVE, Decoder, DialectOptions, decoder_for, tool_block, toolset_of
from proxy.dialects.controls import ControlOptions, Controls
from proxy.exchange import Exchange
from proxy.ports import Candidate, Headers, Place, Ports
from proxy.wire.answer import (
    Answer,
    AnswerHead,
    answer_id,
    common_headers,
    estimate_tokens,
    estimate_usage,
    frames_for,
    json_headers,
    sse_headers,
)
from proxy.wire.events import Usage
from proxy.wire.request import text_of

log = structlog.get_logger("turnstile.tools")

NO_REASONING = "off"
GRACE = "grace"
"""The clock over a burst of tool calls; its running out is no fault, and ends the answer."""


def begin_answer(x: Exchange, ports: Ports) -> None:
    """Settle who answers: from now on id, time and model of this answer do not change."""
    candidate = x.course.candidate
    entry, request = candidate.entry, x.request
    x.head = AnswerHead(
        id=answer_id(x.surface, f"{ports.random.getrandbits(128):032x}"),
        created=x.created,
        model=request.model if entry.report_model == "requested" else candidate.model_id,
        legacy_functions=request.legacy_functions,
        include_usage=request.include_usage,
        reasoning_field=None if entry.reasoning_field == NO_REASONING else entry.reasoning_field,
        session_id=x.conversation.session_id if ports.echo_session else None,
    )
    x.answer = Answer()
    if request.stream:
        x.frames = frames_for(x.surface, x.head)
    x.decoder = decoder_of(x, ports)


def decoder_of(x: Exchange, ports: Ports) -> Decoder:
    """A decoder for the answer of the upstream that was asked last, as its model entry has it."""
    entry, dialect = x.course.candidate.entry, x.course.place.dialect
    options = DialectOptions(
        reasoning_tags=entry.reasoning_tags,
        reasoning_preopened=entry.reasoning_preopened,
        fences=entry.fences or "",
        entities=entry.entities or "",
        max_call_bytes=ports.limits.max_call_bytes,
        count=lambda outcome: ports.tool_outcomes.update([(dialect, outcome)]),
        fault=partial(decoder_broke, x, ports),
    )
    decoder = decoder_for(dialect, x.request, options, emulate_stop=x.course.place.upstream.kind != "openai")
    return controlled(x, decoder)


def controlled(x: Exchange, decoder: Decoder) -> Decoder:
    """The decoder under the stream controls that are configured, or asked for; several choices are told whole."""
    asked, configured = x.asked_controls, x.course.place.controls
    options = ControlOptions(
        stop_after_tools=asked.stop_after_tools or configured.stop_after_tools,
        suppress_tail=configured.suppress_tail_after_tools if asked.suppress_tail is None else asked.suppress_tail,
        tool_block_max=configured.tool_block_max if asked.tool_block_max is None else asked.tool_block_max,
    )
    if options.idle or x.request.n > 1:
        x.controls = None
        return decoder
    x.controls = Controls(decoder, options, partial(start_grace, x))
    return x.controls


def start_grace(x: Exchange) -> None:
    """Wait for another call of a burst, for a while from now on."""
    x.deadline.start(GRACE, x.course.place.controls.tool_grace_ms / 1000)


def decoder_broke(x: Exchange, ports: Ports, error: Exception) -> None:
    """A dialect has a bug: the caller gets the text as it is, and we hear of it."""
    dialect = x.course.place.dialect
    ports.tool_outcomes[dialect, "broken"] += 1
    log.error("decoder.broken", request_id=x.request_id, dialect=dialect, exc_info=error)


def tool_block_of(x: Exchange) -> str:
    """What the model is told in words of the tools that it may call; "" where they are not told as text."""
    return tool_block_for(x, x.course.candidate, x.course.place)


def tool_block_for(x: Exchange, candidate: Candidate, place: Place) -> str:
    """The same, for whoever may be asked."""
    if place.dialect == NATIVE or not x.request.tools:
        return ""
    return tool_block(DIALECTS[place.dialect], toolset_of(x.request), candidate.entry.tool_prompt)


def headers_of_any_answer(x: Exchange, ports: Ports) -> Headers:
    """The headers that answers and errors have in common, as of now."""
    return common_headers(
        request_id=x.request_id,
        processing_s=ports.clock.now() - x.received_s,
        session_id=x.conversation.session_id if hasattr(x, "conversation") else None,
        ignored_params=x.request.ignored_params if hasattr(x, "request") else (),
        upstream_request_id=x.upstream_request_id,
        trimmed_messages=x.fitted.trimmed if hasattr(x, "fitted") else 0,
        rate_limits=ports.gate.rate_limits(x.caller) if hasattr(x, "caller") else (),
    )


def answer_headers(x: Exchange, ports: Ports) -> Headers:
    """The headers of an answer, as of the moment when they leave."""
    own = sse_headers if x.request.stream else json_headers
    return [*headers_of_any_answer(x, ports), *own(closing=ports.lifecycle.draining)]


def usage_of(x: Exchange) -> Usage:
    """The upstream's own count of the attempt that answered, else an estimate that says so."""
    if x.answer.usage is not None:
        return x.answer.usage
    prompt_tokens = sum(estimate_tokens(text_of(message)) for message in x.request.messages)
    return estimate_usage(x.answer, prompt_tokens + estimate_tokens(tool_block_of(x)))
