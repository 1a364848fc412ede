"""Every failure of an upstream: the ending that it is, what the caller is told, and that it is told once.

Nothing here is retried or falls back: `test_retry` and `test_fallback` are about that.
"""

import pytest

from proxy.errors import (
    ConnectTimeout,
    ConversationLost,
    CredentialStale,
    Overloaded,
    PassThroughDenied,
    PassThroughForbidden,
    SessionLost,
    TokenTimeout,
    TurnstileError,
    UpstreamRefused,
    UpstreamTimeout,
    error_classes,
)
from proxy.testing.play import Play
from proxy.testing.script import Upstream
from proxy.testing.walk import path
from statechart.vocabulary import Event

BY_THE_UPSTREAM = [error for error in error_classes() if error.__module__.startswith("proxy.errors.upstream")]
OF_ANOTHER_PLACE = {"session_store_unavailable"}
ONCE = {"retry": {"attempts": 1}}
MENDED_BEFORE = (ConversationLost, CredentialStale, PassThroughDenied, PassThroughForbidden)
"""Obstacles that have their own way on before an answer has begun, and after that are failures like any other."""


def made(cls: type[TurnstileError]):
    if cls is UpstreamTimeout:
        return cls("idle", 60)
    if cls in (ConnectTimeout, TokenTimeout):
        return cls(5)
    return cls()


def names(classes):
    return pytest.mark.parametrize("cls", classes, ids=lambda cls: cls.__name__)


UPSTREAM = [cls for cls in BY_THE_UPSTREAM if cls.code not in OF_ANOTHER_PLACE]
RENEWED = [cls for cls in UPSTREAM if cls.event in (Event.CREDENTIAL_STALE, Event.CONVERSATION_LOST)]


@names([cls for cls in UPSTREAM if cls not in RENEWED])
@pytest.mark.parametrize("stream", [True, False])
async def test_before_an_answer_has_begun_it_is_told_with_its_status(
    play: Play, cls: type[TurnstileError], stream: bool
) -> None:
    error = made(cls)
    x = await play(Upstream.fails(error), stream=stream, **ONCE)

    assert path(x) == f"validate auth session upstream {cls.end_reason}"
    assert (x.status, x.code, x.error["type"]) == (error.told_status, error.told_code, error.type)
    assert x.error["message"] == error.message
    assert x.client.headers["x-end-reason"] == cls.end_reason
    assert x.client.headers["Content-Type"] == "application/json"
    assert ("x-should-retry" in x.client.headers) == cls.forbids_client_retry
    assert not x.client.was_reset


@names([cls for cls in UPSTREAM if cls not in RENEWED])
async def test_after_the_headers_have_left_it_is_told_in_the_stream(play: Play, cls: type[TurnstileError]) -> None:
    """The same code in one frame: status 200 and the heartbeats left while the upstream was silent."""
    error = made(cls)
    x = await play(Upstream.waits(16).then_fails(error), **ONCE)

    assert path(x) == f"validate auth session upstream {cls.end_reason}"
    assert (x.status, x.code, x.error["type"]) == (200, error.told_code, error.type)
    assert (x.text, x.finish, x.done) == ("", None, False)
    assert x.client.ended
    assert x.client.closed, "the connection ends with a stream that failed"


@names(UPSTREAM)
async def test_after_a_delta_has_left_nothing_is_tried_again(play: Play, cls: type[TurnstileError]) -> None:
    error = made(cls)
    x = await play(
        Upstream.answers("Hel").then_fails(error), fallbacks=[Upstream.answers("Hello.")], retry={"attempts": 3}
    )

    ending, code = (
        ("upstream_error", "upstream_error")
        if cls in MENDED_BEFORE or issubclass(cls, MENDED_BEFORE)
        else (
            cls.end_reason,
            error.told_code,
        )
    )
    assert path(x) == f"validate auth session upstream stream {ending}"
    assert (x.status, x.text, x.code, x.finish, x.done) == (200, "Hel", code, None, False)
    assert len(x.turns) == 1


@names(UPSTREAM)
async def test_an_answer_that_is_collected_is_told_nothing_of_before_it_is_whole(
    play: Play, cls: type[TurnstileError]
) -> None:
    error = made(cls)
    x = await play(Upstream.answers("Hel").then_fails(error), stream=False, **ONCE)

    mended = issubclass(cls, MENDED_BEFORE)
    assert path(x) == f"validate auth session upstream read {'upstream_error' if mended else cls.end_reason}"
    assert (x.status, x.code) == ((502, "upstream_error") if mended else (error.told_status, error.told_code))
    assert b"Hel" not in x.body


@pytest.mark.parametrize(
    ("status", "code", "told_status", "told_code", "ending"),
    [
        (400, None, 400, "invalid_value", "invalid_request"),
        (400, "weird_schema", 400, "weird_schema", "invalid_request"),
        (413, None, 413, "invalid_value", "invalid_request"),
        (422, None, 422, "invalid_value", "invalid_request"),
        (400, "context_length_exceeded", 400, "context_length_exceeded", "invalid_request"),
        (400, "content_filter", 400, "content_filter", "invalid_request"),
        (401, None, 502, "upstream_auth_failed", "upstream_error"),
        (403, None, 502, "upstream_auth_failed", "upstream_error"),
        (402, None, 429, "insufficient_quota", "rate_limited"),
        (404, None, 404, "model_not_found", "invalid_request"),
        (408, None, 503, "upstream_busy", "upstream_error"),
        (409, None, 503, "upstream_busy", "upstream_error"),
        (425, None, 503, "upstream_busy", "upstream_error"),
        (418, None, 502, "upstream_rejected", "upstream_error"),
        (429, None, 429, "upstream_rate_limited", "rate_limited"),
        (429, "insufficient_quota", 429, "insufficient_quota", "rate_limited"),
        (500, None, 502, "upstream_error", "upstream_error"),
        (501, None, 502, "upstream_rejected", "upstream_error"),
        (503, None, 502, "upstream_error", "upstream_error"),
        (505, None, 502, "upstream_rejected", "upstream_error"),
        (529, None, 502, "upstream_error", "upstream_error"),
        (307, None, 502, "upstream_protocol", "upstream_error"),
    ],
)
async def test_a_status_is_told_as_what_it_means_for_the_caller(
    play: Play, *, status: int, code: str | None, told_status: int, told_code: str, ending: str
) -> None:
    x = await play(Upstream.fails(status, code=code), stream=False, **ONCE)

    assert x.state == ending
    assert (x.status, x.code) == (told_status, told_code)
    assert x.exchange.course.attempts[-1].status == status


async def test_an_upstreams_word_about_the_request_is_passed_on(play: Play) -> None:
    x = await play(Upstream.fails(400, message="Too many cooks.", code="cooks"))

    assert (x.code, x.error["message"]) == ("cooks", "Too many cooks.")


async def test_an_upstreams_word_about_itself_is_not_passed_on(play: Play) -> None:
    x = await play(Upstream.fails(500, message="db-7.internal is down"), **ONCE)

    assert "internal" not in x.error["message"]


async def test_a_passed_through_key_that_is_refused_is_the_callers_own(play: Play) -> None:
    """Nobody else is asked: another candidate would be paid for by somebody else."""
    x = await play(Upstream.fails(401), credential="pass_through", fallbacks=[Upstream.answers("Hello.")])

    assert path(x) == "validate auth session upstream unauthorized"
    assert (x.status, x.code) == (401, "invalid_api_key")
    assert x.client.headers["WWW-Authenticate"] == "Bearer"


async def test_a_passed_through_key_that_may_not_use_the_model(play: Play) -> None:
    x = await play(Upstream.fails(403), credential="pass_through", fallbacks=[Upstream.answers("Hello.")])

    assert path(x) == "validate auth session upstream unauthorized"
    assert (x.status, x.code) == (403, "model_not_allowed")


async def test_an_upstream_that_breaks_before_anything_has_come_was_disconnected(play: Play) -> None:
    x = await play(Upstream.breaks(), **ONCE)

    assert (x.status, x.code) == (502, "upstream_disconnected")


async def test_an_upstream_that_breaks_before_a_delta_has_truncated_its_answer(play: Play) -> None:
    """Ids, a role and pings are no answer: nothing has left, and the status is still free."""
    x = await play(Upstream.opens().then_pings(3).then_breaks(), **ONCE)

    assert path(x) == "validate auth session upstream upstream_error"
    assert (x.status, x.code) == (502, "upstream_truncated")


async def test_an_answer_that_ends_too_early_in_good_order_is_a_cut_as_well(play: Play) -> None:
    """However clean the end: without a finish reason or an end mark it is not whole."""
    x = await play(Upstream.answers("Hel").then_ends())

    assert (x.status, x.text, x.code, x.done) == (200, "Hel", "upstream_truncated", False)


async def test_a_finish_without_an_end_mark_is_whole(play: Play) -> None:
    x = await play(Upstream.answers("Hello.").then_finishes("stop").then_ends())

    assert path(x).endswith("stream tool_parse render done")
    assert (x.text, x.finish, x.done) == ("Hello.", "stop", True)


async def test_a_cut_inside_a_tool_call_never_looks_like_a_call(play: Play) -> None:
    x = await play(Upstream.calls("now", '{"zone": "U').then_breaks())

    assert path(x).endswith("stream upstream_error")
    assert (x.code, x.finish, x.done) == ("upstream_truncated", None, False)


async def test_a_tool_call_that_ran_out_of_tokens_is_told_as_cut(play: Play) -> None:
    x = await play(Upstream.calls("now", '{"zone": "U').then_finishes("length"))

    assert (x.finish, x.done, x.tool_calls) == ("length", True, [("now", '{"zone": "U')])


async def test_a_cut_call_that_claims_to_be_whole_is_told_as_cut(play: Play) -> None:
    x = await play(Upstream.calls("now", '{"zone": "U').then_finishes("tool_calls"))

    assert (x.finish, x.done) == ("length", True)


async def test_an_empty_answer_is_an_answer(play: Play) -> None:
    """A finish without text is for the caller to judge."""
    x = await play(Upstream.finishes("stop"), stream=False)

    assert path(x).endswith("read tool_parse render done")
    assert (x.status, x.text, x.finish) == (200, "", "stop")


async def test_a_collected_answer_larger_than_what_is_held_in_memory(play: Play) -> None:
    x = await play(
        Upstream.answers("Hello", "!" * 2000), stream=False, server={"max_answer_bytes": 1024, "max_event_bytes": 1024}
    )

    assert path(x) == "validate auth session upstream read upstream_error"
    assert (x.status, x.code) == (502, "upstream_oversize")


async def test_a_refusal_of_the_request_names_its_class_and_not_the_candidate(play: Play) -> None:
    error = UpstreamRefused("No.", code="nope", status=422, param="messages")
    x = await play(Upstream.fails(error))

    assert (x.status, x.error) == (
        422,
        {"message": "No.", "type": "invalid_request_error", "param": "messages", "code": "nope"},
    )


@names(RENEWED)
async def test_what_can_be_mended_has_a_way_of_its_own(play: Play, cls: type[TurnstileError]) -> None:
    """A stale credential is renewed, a lost conversation told anew, once; then they are told like any failure."""
    x = await play(Upstream.fails(made(cls)), **ONCE)

    assert x.state == cls.end_reason
    assert (x.status, x.code) == (cls.status, cls.code)
    assert len(x.turns) == (1 if cls is SessionLost else 2)


async def test_overloaded_is_never_said_by_an_upstream() -> None:
    """It is this gateway's own word, so that its callers can tell the two apart."""
    assert Overloaded not in BY_THE_UPSTREAM
