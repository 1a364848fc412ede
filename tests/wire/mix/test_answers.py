"""Answers of the site: streams and JSON bodies, ids wherever they come, and errors by what they say."""

import json

import pytest

from proxy.errors import (
    ConversationLost,
    CredentialStale,
    InsufficientQuota,
    PassThroughDenied,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamChallenge,
    UpstreamContentFiltered,
    UpstreamContextLength,
    UpstreamDisconnected,
    UpstreamEmptyAnswer,
    UpstreamFailed,
    UpstreamOversize,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRedirected,
    UpstreamTruncated,
)
from proxy.wire.events import Finished, Opened, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from proxy.wire.mix import Ids, MixReader, Phrases, Told, http_fault, read_whole

DONE = b"data: [DONE]\n\n"


def line(told, name=""):
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(told).encode() + b"\n\n"


def delta(text):
    return {"type": "text-delta", "delta": text}


START = {"type": "start", "messageId": "exch-1", "messageMetadata": {"sessionId": "sess-1"}}
FINISH = {"type": "finish"}


def reader(told=Told(), **more):
    given = {"max_event_bytes": 4096, "make_call_id": lambda: "call_made", **more}
    return MixReader(told, **given)


def read(*events, end=True, piece=0, **more):
    """The events of a stream, its reader; *piece* cuts it."""
    made = reader(**more)
    raw = b"".join(each if isinstance(each, bytes) else line(each) for each in events)
    got = []
    for at in range(0, len(raw), piece or len(raw) or 1):
        got += made.feed(raw[at : at + (piece or len(raw))])
    if end:
        got += made.end()
    return [each for each in got if not isinstance(each, Opened)], made


def text_of(events):
    return "".join(each.text for each in events if isinstance(each, TextDelta))


@pytest.mark.parametrize("piece", [0, 1, 7])
def test_a_whole_answer(piece):
    usage = {"type": "data-usage", "data": {"inputTokens": 21, "outputTokens": 4}}
    events, made = read(START, delta("It is "), delta("sunny."), FINISH, usage, DONE, piece=piece)

    assert events == [TextDelta("It is "), TextDelta("sunny."), Usage(21, 4, 25), Finished("stop")]
    assert made.complete
    assert made.ids.told() == {"session_id": "sess-1", "exchange_id": "exch-1"}


def test_after_the_finish_usage_and_late_ids_are_still_read():
    late = {"type": "message-metadata", "messageMetadata": {"exchangeId": "exch-2"}}
    events, made = read(START, delta("x"), FINISH, late, end=False)

    assert (events, made.finishing, made.complete) == ([TextDelta("x")], True, False)
    assert made.settle() == [Finished("stop")]
    assert made.ids.exchange_id == "exch-2"


@pytest.mark.parametrize("told", [{"delta": "x"}, {"text": "x"}, {"textDelta": "x"}, {"delta": None, "text": "x"}])
def test_text_under_any_of_its_names(told):
    assert read({"type": "text-delta", **told}, DONE)[0] == [TextDelta("x"), Finished("stop")]


@pytest.mark.parametrize("told", [{}, {"delta": 7}, {"delta": None}, {"text": ["x"]}])
def test_a_delta_without_text_is_not_skipped(told):
    """A lost delta is lost text."""
    assert isinstance(read({"type": "text-delta", **told})[1].failure, UpstreamProtocolError)


def test_no_separator_is_made_up():
    events, _ = read(
        {"type": "text-delta", "id": "a", "delta": "x"}, {"type": "text-delta", "id": "b", "delta": "y"}, DONE
    )

    assert text_of(events) == "xy"


def test_the_type_may_stand_in_the_events_name():
    events, _ = read(line({"delta": "x"}, "text-delta"), line({}, "finish"))

    assert events == [TextDelta("x"), Finished("stop")]


@pytest.mark.parametrize("kind", ["reasoning-delta", "reasoning"])
def test_reasoning(kind):
    assert read({"type": kind, "delta": "hm"}, DONE)[0][0] == ReasoningDelta("hm")


@pytest.mark.parametrize("kind", ["start-step", "finish-step", "text-start", "text-end", "reasoning-start", "tool-output",
                                  "source-url", "data-weather", "file", "new-thing"])  # fmt: skip
def test_what_is_not_for_us_is_ignored_and_counted(kind):
    events, made = read({"type": kind, "delta": "no text"}, delta("x"), DONE)

    assert text_of(events) == "x"
    assert made.ignored == {kind: 1}


@pytest.mark.parametrize(
    "told",
    [{"type": "tool-input-available", "toolCallId": "c1", "toolName": "now", "input": {"zone": "UTC"}},
     {"type": "tool-input", "tool_name": "now", "tool_input": {"zone": "UTC"}}],
)  # fmt: skip
def test_a_call_of_a_declared_tool_is_a_call_and_any_other_is_the_sites_own(told):
    call_id = told.get("toolCallId", "call_made")
    events, _ = read(told, DONE, tool_names=frozenset({"now"}))
    assert events == [ToolCallDelta(0, call_id, "now", '{"zone":"UTC"}'), Finished("tool_calls")]

    events, made = read(told, DONE)
    assert events == [Finished("stop")]
    assert sum(made.ignored.values()) == 1


@pytest.mark.parametrize(
    "counts",
    [{"promptTokens": 2, "completionTokens": 3}, {"input_tokens": 2, "output_tokens": 3, "total_tokens": 9},
     {"prompt_tokens": 2.0, "completion_tokens": 3}],
)  # fmt: skip
def test_usage_under_any_name_and_the_last_wins(counts):
    first = {"type": "data-usage", "data": {"inputTokens": 1, "outputTokens": 1}}
    events, _ = read(first, delta("x"), {"type": "finish", "messageMetadata": {"usage": counts}}, DONE)

    assert events[-2] == Usage(2, 3, 9 if "total_tokens" in counts else 5)


@pytest.mark.parametrize(
    "counts",
    [{}, None, [], {"inputTokens": 1}, {"inputTokens": 0, "outputTokens": 0}, {"inputTokens": "x", "outputTokens": 2}],
)
def test_usage_that_says_nothing_is_none(counts):
    """Zeros are no count."""
    events, _ = read(delta("x"), {"type": "data-usage", "data": counts}, DONE)

    assert events == [TextDelta("x"), Finished("stop")]


@pytest.mark.parametrize(("word", "reason"), [("stop", "stop"), ("length", "length"), ("content-filter", "length"),
                                              ("content_filter", "content_filter"), ("odd", "length"), (None, "stop")])  # fmt: skip
@pytest.mark.parametrize("name", ["finishReason", "finish_reason"])
def test_a_finish_reason(word, reason, name):
    assert read(delta("x"), {"type": "finish", name: word}, DONE)[0][-1] == Finished(reason)


def test_a_finish_that_means_failure_is_one():
    assert isinstance(read(delta("x"), {"type": "finish", "finishReason": "error"})[1].failure, UpstreamFailed)


def test_the_end_mark_alone_means_stop():
    assert read(delta("x"), DONE)[0] == [TextDelta("x"), Finished("stop")]


@pytest.mark.parametrize(
    ("events", "error"),
    [((), UpstreamDisconnected), ((START,), UpstreamTruncated), ((b": ping\n\n",), UpstreamTruncated),
     ((START, delta("x")), UpstreamTruncated), ((delta("x"), {"type": "abort"}, DONE), UpstreamTruncated),
     ((delta("x"), b'data: {"type":\n\n', DONE), UpstreamProtocolError), ((delta("x" * 5000),), UpstreamOversize)],
)  # fmt: skip
def test_what_ends_otherwise_is_never_told_as_stop(events, error):
    got, made = read(*events)

    assert type(made.failure) is error
    assert not made.complete
    assert not any(isinstance(each, Finished) for each in got)


def test_an_error_in_the_stream_counts_whatever_came_before():
    events, made = read(delta("x"), {"type": "error", "errorText": "kaputt"}, FINISH, DONE)

    assert events == [TextDelta("x")]
    assert type(made.failure) is UpstreamFailed


def test_a_policy_after_output_ends_it_and_before_output_refuses_it():
    error = {"type": "error", "errorText": "blocked by content policy"}

    assert read(delta("x"), error)[0][-1] == Finished("content_filter")
    assert isinstance(read(error)[1].failure, UpstreamContentFiltered)


@pytest.mark.parametrize("events", [(START, DONE), (START, FINISH, DONE)])
def test_an_empty_answer_is_one_unless_it_is_configured_not_to_be(events):
    assert read(*events)[0] == [Finished("stop")]
    assert isinstance(read(*events, accepts_empty=False)[1].failure, UpstreamEmptyAnswer)


# --- ids


@pytest.mark.parametrize(
    ("events", "ids"),
    [
        (({"type": "start", "sessionId": "s", "exchangeId": "e"},), ("s", "e")),
        (({"type": "x", "metadata": {"session_id": "s", "exchange_id": 7}},), ("s", "7")),
        (({"type": "x", "message": {"metadata": {"sessionId": "s"}}},), ("s", None)),
        (({"type": "start", "messageId": "m"},), (None, "m")),
        (({"type": "start", "messageId": "m"}, {"type": "x", "exchangeId": "e"}), (None, "e")),
        (({"type": "x", "exchangeId": "e"}, {"type": "start", "messageId": "m"}), (None, "e")),
        (({"type": "start", "sessionId": "s"}, {"type": "finish", "sessionId": "rotated"}), ("rotated", None)),
        (({"type": "start", "sessionId": ""}, {"type": "x", "sessionId": "x" * 257}, {"type": "x", "sessionId": True}), (None, None)),
    ],
)  # fmt: skip
def test_ids_come_anywhere_and_the_last_counts(events, ids):
    _, made = read(*events, delta("x"), DONE)

    assert (made.ids.session_id, made.ids.exchange_id) == ids


def test_ids_are_told_each_time_they_change():
    made = reader()
    events = made.feed(line(START) + line(START) + line({"type": "x", "sessionId": "other"}))

    assert [each.ids["session_id"] for each in events if isinstance(each, Opened)] == ["sess-1", "other"]


def test_a_late_id_does_not_swallow_the_finish():
    events, _ = read(START, delta("x"), {"type": "finish", "messageMetadata": {"exchangeId": "late"}}, DONE)

    assert events[-1] == Finished("stop")


def test_a_messages_id_is_never_a_sessions():
    ids = Ids()
    ids.take({"messageId": "m"})

    assert ids.node(needs_exchange=False, exchange_as_session=False) is None
    assert ids.node(needs_exchange=False, exchange_as_session=True) == {"session_id": "m", "exchange_id": "m"}


def test_an_old_exchange_is_never_kept_when_a_new_one_is_missing():
    ids = Ids("sess-1")

    assert ids.node(needs_exchange=False, exchange_as_session=False) == {"session_id": "sess-1"}
    assert ids.node(needs_exchange=True, exchange_as_session=False) is None


# --- JSON


def whole(body, told=Told(), ids=None, **more):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_whole(raw, told, ids or Ids(), make_call_id=lambda: "call_made", **more)


@pytest.mark.parametrize(
    "body",
    [{"content": "Hi"}, {"content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]}, {"text": "Hi"},
     {"parts": [{"type": "text", "text": "Hi"}]}, {"parts": {"type": "text", "text": "Hi"}}, {"message": {"content": "Hi"}},
     {"message": {"parts": [{"type": "text", "text": "Hi"}]}}, {"choices": [{"message": {"content": "Hi"}}]},
     {"data": {"text": "Hi"}}, {"content": "", "text": "Hi"}, {"code": 0, "status": 200, "success": True, "text": "Hi"},
     {"id": "r1", "parts": [{"type": "text", "text": "Hi"}], "metadata": {"session_id": "sess-1"}}, {"error": None, "text": "Hi"},
     {"code": 7, "msg": "warm", "text": "Hi"}],
)  # fmt: skip
def test_a_text_is_found_wherever_it_stands(body):
    assert text_of(whole(body)) == "Hi"


@pytest.mark.parametrize("body", [{}, {"answer": "Hi"}, {"message": "Hi"}, b"[]", b"null", b'"Hi"', b"7", b"{", b"",
                                  {"data": [1]}, {"content": 7}, {"parts": {"a": "b"}}])  # fmt: skip
def test_what_is_no_answer_is_never_shown_as_one(body):
    with pytest.raises(UpstreamProtocolError):
        whole(body)


@pytest.mark.parametrize("body", [{"content": ""}, {"parts": []}, {"data": {"text": ""}}])
def test_a_location_that_is_empty_is_an_empty_answer(body):
    assert whole(body) == [Finished("stop")]
    with pytest.raises(UpstreamEmptyAnswer):
        whole(body, accepts_empty=False)


def test_ids_usage_and_finish_of_a_body():
    ids = Ids()
    body = {
        "data": {
            "sessionId": "s",
            "messageId": "m",
            "text": "Hi",
            "usage": {"inputTokens": 2, "outputTokens": 1},
            "finishReason": "length",
        }
    }
    events = whole(body, ids=ids)

    assert events[0] == Opened({"session_id": "s", "exchange_id": "m"})
    assert events[1:] == [TextDelta("Hi"), Usage(2, 1, 3), Finished("length")]


@pytest.mark.parametrize(
    "body",
    [{"parts": [{"type": "tool-input", "tool_name": "now", "tool_input": {"a": 1}}]},
     {"tool_calls": [{"id": "call_made", "type": "function", "function": {"name": "now", "arguments": '{"a":1}'}}]}],
)  # fmt: skip
def test_calls_of_a_body(body):
    events = whole(body, tool_names=frozenset({"now"}))

    assert events == [ToolCallDelta(0, "call_made", "now", '{"a":1}'), Finished("tool_calls")]


@pytest.mark.parametrize(
    "body",
    [{"error": "kaputt"}, {"error": {"message": "kaputt"}}, {"error": {"error_text": "kaputt"}}, {"error": {"detail": "kaputt"}},
     {"errorText": "kaputt"}, {"parts": [{"type": "error", "error_text": "kaputt"}]}, {"success": False, "msg": "kaputt"},
     {"code": 5, "message": "kaputt"}, {"status": 7, "msg": "kaputt"}, {"data": {"error": "kaputt"}}, {"error": {"a": 1}},
     {"error": "kaputt", "text": "Hi"}],
)  # fmt: skip
def test_an_error_of_a_body(body):
    with pytest.raises(UpstreamFailed) as failed:
        whole(body)
    assert type(failed.value) is UpstreamFailed


# --- classes of errors

CLASSES = [
    ("Token expired", UpstreamAuthFailed), ("JWT EXPIRED", UpstreamAuthFailed), ("Forbidden", UpstreamAuthFailed),
    ("prompt too long", UpstreamContextLength), ("exceeds the token limit", UpstreamContextLength),
    ("quota used up", InsufficientQuota), ("Insufficient balance", InsufficientQuota), ("Rate limit", UpstreamRateLimited),
    ("too many requests", UpstreamRateLimited), ("server overloaded", UpstreamBusy), ("Try again later", UpstreamBusy),
    ("sensitive words", UpstreamContentFiltered), ("kaputt", UpstreamFailed),
]  # fmt: skip


@pytest.mark.parametrize(("text", "error"), CLASSES)
def test_an_error_is_classed_by_its_words_alike_in_every_form(text, error):
    with pytest.raises(error) as failed:
        whole({"error": text})
    assert type(failed.value) is error
    assert type(read({"type": "error", "errorText": text})[1].failure) is error
    fault = http_fault(500, "application/json", json.dumps({"error": text}).encode(), {}, now_s=0, told=Told())
    assert type(fault) is error
    assert fault.upstream_status == 500


@pytest.mark.parametrize(
    "text",
    ["session not found", "Conversation does not exist", "invalid session", "chat expired", "exchange is closed"],
)
def test_a_lost_session_is_lost_only_if_one_was_sent(text):
    assert type(read({"type": "error", "errorText": text}, told=Told(continued=True))[1].failure) is ConversationLost
    assert type(read({"type": "error", "errorText": text})[1].failure) is UpstreamFailed


@pytest.mark.parametrize("status", [404, 410])
def test_a_status_of_absence_means_the_session_where_one_was_sent(status):
    def fault(*, continued):
        return http_fault(status, "application/json", b"{}", {}, now_s=0, told=Told(continued=continued))

    assert type(fault(continued=True)) is ConversationLost
    assert type(fault(continued=False)) is not ConversationLost


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("managed", CredentialStale),
        ("pass_through", PassThroughDenied),
        ("static", UpstreamAuthFailed),
        ("none", UpstreamAuthFailed),
    ],
)
def test_whose_credential_is_refused(mode, error):
    for told in ({"error": "token expired"}, {"error": {"status": 401}}):
        with pytest.raises(error) as failed:
            whole(told, Told(credential=mode))
        assert type(failed.value) is error


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, UpstreamRateLimited), (401, UpstreamAuthFailed), (503, UpstreamFailed), (409, UpstreamBusy)],
)
def test_a_status_that_an_error_carries_counts_before_its_words(status, error):
    made = read({"type": "error", "error": {"message": "quota", "status": status}})[1]

    assert type(made.failure) is error


def test_a_class_that_is_given_replaces_its_list():
    told = Told(Phrases({"busy": ("come back",), "session": ("gone",)}), continued=True)

    assert type(read({"type": "error", "errorText": "Come back!"}, told=told)[1].failure) is UpstreamBusy
    assert type(read({"type": "error", "errorText": "overloaded"}, told=told)[1].failure) is UpstreamFailed
    assert type(read({"type": "error", "errorText": "gone"}, told=told)[1].failure) is ConversationLost


def test_words_are_told_to_the_log_only_and_redacted():
    told = {"type": "error", "errorText": "token=abc123 at https://in.example/x\n" + "y" * 500}
    failure = read(told)[1].failure

    assert "abc123" not in failure.detail
    assert "in.example" not in failure.detail
    assert "\n" not in failure.detail
    assert len(failure.detail) <= 300
    assert failure.message == UpstreamFailed.text


def test_pages_and_redirects():
    def fault(status, kind, body=b"<html>"):
        return type(http_fault(status, kind, body, {}, now_s=0, told=Told()))

    assert fault(200, "text/html") is UpstreamChallenge
    assert fault(302, "text/html") is UpstreamRedirected
    assert fault(200, "text/plain", b"hello") is UpstreamProtocolError


def test_retry_after_is_kept_when_words_say_more():
    body = b'{"error": "too many requests"}'
    fault = http_fault(503, "application/json", body, {"retry-after": "7"}, now_s=0, told=Told())

    assert (type(fault), fault.retry_after_s) == (UpstreamRateLimited, 7)
