"""Answers in one piece."""

import pytest

from proxy.errors import (
    UpstreamEmptyAnswer,
    UpstreamFailed,
    UpstreamProtocolError,
)
from proxy.wire.events import Finished, Opened, TextDelta, ToolCallDelta, Usage
from proxy.wire.mix import Ids
from tests.wire.mix.answers import text_of, whole


@pytest.mark.parametrize(
    "body",
    [
        {"content": "Hi"},
        {"content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]},
        {"text": "Hi"},
        {"parts": [{"type": "text", "text": "Hi"}]},
        {"parts": {"type": "text", "text": "Hi"}},
        {"message": {"content": "Hi"}},
        {"message": {"parts": [{"type": "text", "text": "Hi"}]}},
        {"choices": [{"message": {"content": "Hi"}}]},
        {"data": {"text": "Hi"}},
        {"content": "", "text": "Hi"},
        {"code": 0, "status": 200, "success": True, "text": "Hi"},
        {"id": "r1", "parts": [{"type": "text", "text": "Hi"}], "metadata": {"session_id": "sess-1"}},
        {"error": None, "text": "Hi"},
        {"code": 7, "msg": "warm", "text": "Hi"},
    ],
)
def test_a_text_is_found_wherever_it_stands(body):
    assert text_of(whole(body)) == "Hi"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"answer": "Hi"},
        {"message": "Hi"},
        b"[]",
        b"null",
        b'"Hi"',
        b"7",
        b"{",
        b"",
        {"data": [1]},
        {"content": 7},
        {"parts": {"a": "b"}},
    ],
)
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
    [
        {"parts": [{"type": "tool-input", "tool_name": "now", "tool_input": {"a": 1}}]},
        {"tool_calls": [{"id": "call_made", "type": "function", "function": {"name": "now", "arguments": '{"a":1}'}}]},
    ],
)
def test_calls_of_a_body(body):
    events = whole(body, tool_names=frozenset({"now"}))

    assert events == [ToolCallDelta(0, "call_made", "now", '{"a":1}'), Finished("tool_calls")]


@pytest.mark.parametrize(
    "body",
    [
        {"error": "kaputt"},
        {"error": {"message": "kaputt"}},
        {"error": {"error_text": "kaputt"}},
        {"error": {"detail": "kaputt"}},
        {"errorText": "kaputt"},
        {"parts": [{"type": "error", "error_text": "kaputt"}]},
        {"success": False, "msg": "kaputt"},
        {"code": 5, "message": "kaputt"},
        {"status": 7, "msg": "kaputt"},
        {"data": {"error": "kaputt"}},
        {"error": {"a": 1}},
        {"error": "kaputt", "text": "Hi"},
    ],
)
def test_an_error_of_a_body(body):
    with pytest.raises(UpstreamFailed) as failed:
        whole(body)
    assert type(failed.value) is UpstreamFailed
