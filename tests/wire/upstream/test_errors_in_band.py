"""Errors told inside an answer: recognised in every shape, typed by the status they carry."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import (
    CredentialStale,
    InsufficientQuota,
    PassThroughDenied,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamContextLength,
    UpstreamFailed,
    UpstreamOversize,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamRejected,
)
from proxy.wire.events import TextDelta

Play = Callable[..., Any]

DONE = "[DONE]"
TEXT = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}
STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    "item",
    [
        pytest.param({"error": {"message": "boom"}}, id="object"),
        pytest.param({"error": "boom"}, id="string"),
        pytest.param({"error": True}, id="anything truthy"),
        pytest.param({"type": "error", "message": "boom"}, id="type"),
        pytest.param({"object": "error", "message": "boom", "code": 500}, id="object name of vLLM"),
        pytest.param(b'event: error\ndata: {"message":"boom"}\n\n', id="event name"),
        pytest.param(b'event: error\ndata: {"error":null,"message":"boom"}\n\n', id="event name, null error"),
        pytest.param(b"event: error\ndata: boom\n\n", id="event name, plain text"),
        pytest.param(b"event: error\ndata: {boom\n\n", id="event name, no JSON"),
        pytest.param(b"event: error\ndata:\n\n", id="event name, nothing"),
        pytest.param(TEXT | {"error": {"message": "boom"}}, id="beside text"),
        pytest.param(TEXT | {"type": "error"}, id="type beside text"),
        pytest.param({"choices": [{"error": {"message": "boom"}, "finish_reason": "error"}]}, id="in the choice"),
        pytest.param({"choices": [{"error": "boom", "delta": {"content": "b"}}]}, id="in the choice, beside text"),
    ],
)
@pytest.mark.parametrize("after", [[], [TEXT], [TEXT, STOP]])
def test_an_error_of_any_shape_ends_the_answer(play: Play, item: Any, after: list[Any]) -> None:
    outcome = play(*after, item, DONE)
    assert type(outcome.failure) is UpstreamFailed
    assert outcome.events == [TextDelta("a")] * bool(after)
    assert not outcome.complete


@pytest.mark.parametrize("nothing", [None, {}, "", False, 0])
def test_a_falsy_error_is_none(play: Play, nothing: Any) -> None:
    outcome = play(TEXT | {"error": nothing}, {"choices": [{"error": nothing, "delta": {"content": "b"}}]}, DONE)
    assert (outcome.failure, outcome.text, outcome.extras) == (None, "ab", [None, None])


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ({"status": 429}, UpstreamRateLimited),
        ({"http_status": 400}, UpstreamRefused),
        ({"code": 503}, UpstreamFailed),
        ({"code": "429"}, UpstreamRateLimited),
        ({"code": 402}, InsufficientQuota),
        ({"code": 409}, UpstreamBusy),
        ({"code": 418}, UpstreamRejected),
        ({"code": 600}, UpstreamFailed),
        ({"code": 200}, UpstreamFailed),
        ({"code": True}, UpstreamFailed),
        ({"status": "failed"}, UpstreamFailed),
        ({"code": "insufficient_quota"}, InsufficientQuota),
        ({"code": "context_length_exceeded"}, UpstreamContextLength),
    ],
)
def test_the_status_that_an_error_carries_types_it(play: Play, error: Any, fault: type[Exception]) -> None:
    assert type(play({"error": error | {"message": "m"}}).failure) is fault
    assert type(play({"type": "error", "message": "m"} | error).failure) is fault


def test_a_status_beside_a_string_error_counts(play: Play) -> None:
    assert type(play({"error": "slow down", "status": 429}).failure) is UpstreamRateLimited


@pytest.mark.parametrize(
    ("credential", "fault"),
    [
        ("none", UpstreamAuthFailed),
        ("static", UpstreamAuthFailed),
        ("managed", CredentialStale),
        ("pass_through", PassThroughDenied),
    ],
)
def test_a_401_is_about_the_credential_as_long_as_nothing_was_told(
    play: Play, credential: str, fault: type[Exception]
) -> None:
    """Later on there is no way back to where credentials are renewed: the answer is broken."""
    error = {"error": {"code": 401, "message": "no"}}
    assert type(play(error, credential=credential).failure) is fault
    assert type(play(TEXT, error, credential=credential).failure) is UpstreamAuthFailed


def test_words_of_the_upstream_go_to_the_log_unless_they_are_about_the_request(play: Play) -> None:
    failure = play({"error": {"message": "disk full on 10.0.0.1", "code": 500}}).failure
    assert (failure.message, failure.detail) == (UpstreamFailed.text, "status 500: disk full on [address]")
    failure = play({"error": {"message": "bad n", "code": 422, "param": "n"}}).failure
    assert (failure.message, failure.told_status, failure.param) == ("bad n", 422, "n")


@pytest.mark.parametrize("data", ["noise", "[1]", "1", '"{}"', "null"])
def test_noise_is_counted_and_the_101st_is_malformed(play: Play, data: str) -> None:
    outcome = play(*[data] * 100, TEXT, DONE)
    assert (outcome.text, outcome.anomalies) == ("a", {"noise": 100})
    outcome = play(TEXT, *[data] * 101, TEXT, DONE)
    assert (outcome.text, type(outcome.failure)) == ("a", UpstreamProtocolError)


def test_empty_data_is_skipped_and_not_counted(play: Play) -> None:
    outcome = play(*[""] * 200, TEXT, b"data\n\ndata:  \n\n", DONE)
    assert (outcome.text, outcome.anomalies) == ("a", {})


def test_an_event_over_the_limit_is_oversize_after_the_events_before_it(play: Play) -> None:
    outcome = play(TEXT, {"x": "y" * 999}, TEXT, DONE, max_event_bytes=500)
    assert (outcome.text, type(outcome.failure)) == ("a", UpstreamOversize)


def test_bad_utf_8_becomes_replacement_characters(play: Play) -> None:
    stream = b'data: {"choices":[{"delta":{"content":"a\xff\xe2\x82z\xf0\x9f"}}]}\n\n'
    assert play(stream, DONE).text == "a\ufffd\ufffdz\ufffd"


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"\ud83d", "\ufffd"),
        (r"\ude00x", "\ufffdx"),
        (r"\ud83d\ude00\ud83d", "\U0001f600\ufffd"),
        (r"\\ud83d\ud83d", "\\ud83d\ufffd"),
        (r"\uD83D\n", "\ufffd\n"),
    ],
)
def test_half_a_surrogate_pair_becomes_a_replacement_character(play: Play, escaped: str, text: str) -> None:
    """Servers that cut text between two code units send it in halves."""
    assert play('{"choices":[{"delta":{"content":"' + escaped + '"}}]}', DONE).text == text


@pytest.mark.parametrize(("levels", "malformed"), [(150, False), (1000, True), (5000, True)])
def test_nesting_deeper_than_can_be_written_is_malformed(play: Play, levels: int, malformed: Any) -> None:
    outcome = play('{"choices":[{"delta":{"content":"a","x":%s}}]}' % ("[" * levels + "]" * levels), DONE)
    assert isinstance(outcome.failure, UpstreamProtocolError) is malformed
