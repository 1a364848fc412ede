"""What is sent to an upstream that speaks Chat Completions itself."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from proxy.testing.malformed import rich_body
from proxy.wire.request import (
    ChatRequest,
    ModelRules,
    check_chat,
    decode_body,
    prefilled,
    told_as_text,
    upstream_body,
)

Chat = Callable[..., ChatRequest]
Json = dict[str, Any]

USER = {"role": "user", "content": "Hi."}


def sent(request: ChatRequest, *, stream: bool = False, **settings: Any) -> Json:
    body: Json = json.loads(upstream_body(request, upstream_model="theirs", stream=stream, **settings))
    return body


def test_a_body_goes_on_verbatim_but_for_what_is_ours(openai: ModelRules) -> None:
    body = rich_body("demo") | {"brand_new_key": {"deep": [None, 2**64, "é"]}, "nothing_known": None}
    expected = body | {"model": "theirs", "metadata": {"team": "blue"}}
    for ours in ("session_id", "max_tokens"):
        del expected[ours]

    assert sent(check_chat(body, openai), stream=True) == expected


def test_a_body_without_options_gains_none(chat: Chat) -> None:
    assert sent(chat(stream=None, stop=None, tools=[])) == {"model": "theirs", "messages": [USER], "stream": False}


@pytest.mark.parametrize("asked", [{}, {"stream": True}, {"stream": True, "stream_options": {"include_usage": False}}])
def test_usage_is_asked_for_whenever_the_upstream_streams(asked: Json, chat: Chat) -> None:
    """Usage is accounted, whatever the caller wants to see."""
    body = sent(chat(**asked), stream=True)

    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


def test_other_stream_options_are_kept_and_go_with_the_stream(chat: Chat) -> None:
    request = chat(stream=True, stream_options={"chunk": 5})

    assert sent(request, stream=True)["stream_options"] == {"chunk": 5, "include_usage": True}
    assert "stream_options" not in sent(request, stream=False)


@pytest.mark.parametrize("asked", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("token_field", ["max_tokens", "max_completion_tokens", "max_new_tokens"])
def test_one_token_limit_is_sent_under_the_upstreams_name(asked: str, token_field: str, chat: Chat) -> None:
    body = sent(chat(**{asked: 50}), token_field=token_field)

    assert {key: body[key] for key in body if key.startswith("max_")} == {token_field: 50}


@pytest.mark.parametrize(("cap", "limit"), [(None, 50), (20, 20), (80, 50)])
def test_a_token_limit_is_lowered_to_the_models(cap: int | None, limit: int, chat: Chat) -> None:
    assert sent(chat(max_tokens=50), max_output_tokens=cap)["max_completion_tokens"] == limit
    assert "max_completion_tokens" not in sent(chat(), max_output_tokens=cap)


def test_developer_messages_become_system_messages_where_they_must(chat: Chat) -> None:
    messages = [{"role": "developer", "content": "Be kind.", "name": "d"}, USER]
    request = chat(messages=messages)

    assert sent(request)["messages"] == messages
    assert sent(request, developer_role=False)["messages"] == [
        {"role": "system", "content": "Be kind.", "name": "d"},
        USER,
    ]


def test_integers_beyond_64_bits_are_sent_whole(openai: ModelRules) -> None:
    raw = b'{"model":"m","messages":[{"role":"user","content":"\xc3\xa9"}],"trace":12345678901234567890123}'
    body = sent(check_chat(decode_body(raw), openai))

    assert (body["trace"], body["messages"][0]["content"]) == (12345678901234567890123, "é")


def test_a_prefilled_request_ends_with_the_text_so_far(chat: Chat) -> None:
    request = prefilled(chat(stream=True), "Once upon")

    assert request.messages == [USER, {"role": "assistant", "content": "Once upon"}]
    assert sent(request, stream=True)["messages"] == request.messages
    assert sent(request, developer_role=False)["messages"] == request.messages


@pytest.mark.parametrize("content", ["Once ", [{"type": "text", "text": "Once "}]])
def test_a_beginning_by_the_caller_is_continued(content: Any, chat: Chat) -> None:
    request = chat(messages=[USER, {"role": "assistant", "content": content}])

    assert prefilled(request, "upon").messages[1:] == [{"role": "assistant", "content": "Once upon"}]
    assert request.messages[1]["content"] == content


def test_a_tool_result_is_followed_by_a_new_message(chat: Chat) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    history = [
        USER,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "noon"},
    ]

    assert prefilled(chat(messages=history), "It is").messages == [*history, {"role": "assistant", "content": "It is"}]


# --- tools as text

BLOCK = "# Tools\n…"


def as_told(messages: list[Json], block: str = BLOCK) -> list[Json]:
    request = check_chat({"model": "m", "messages": [USER]}, ModelRules(openai=True, require_user=False))
    told = told_as_text(replace(request, messages=messages), block)
    assert told.body["messages"] is told.messages
    return told.messages


@pytest.mark.parametrize(
    ("messages", "system"),
    [
        ([USER], [{"role": "system", "content": BLOCK}]),
        ([{"role": "system", "content": "Be."}, USER], [{"role": "system", "content": f"Be.\n\n{BLOCK}"}]),
        (
            [{"role": "system", "content": "Be."}, {"role": "developer", "content": ""}, USER],
            [{"role": "system", "content": "Be."}, {"role": "developer", "content": BLOCK}],
        ),
        (
            [{"role": "system", "content": [{"type": "text", "text": "Be."}]}, USER],
            [
                {
                    "role": "system",
                    "content": [{"type": "text", "text": "Be."}, {"type": "text", "text": f"\n\n{BLOCK}"}],
                }
            ],
        ),
    ],
)
def test_the_words_about_tools_follow_the_system_text(messages: list[Json], system: list[Json]) -> None:
    assert as_told(messages) == [*system, USER]


def test_results_that_stand_together_are_one_user_message() -> None:
    """Servers that know no tools know no role `tool` either."""
    called = {"role": "assistant", "content": "!now"}
    results = [{"role": "tool", "tool_call_id": each, "content": f"of {each}"} for each in "ab"]

    assert as_told([USER, called, *results, USER, called, results[0]], "") == [
        USER,
        called,
        {"role": "user", "content": "of a\n\nof b"},
        USER,
        called,
        {"role": "user", "content": "of a"},
    ]
