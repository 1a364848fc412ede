"""The bodies of the calls, field by field; and what the site answers in one piece."""

import json
import re
from typing import Any

import pytest

from proxy.errors import (
    TurnstileError,
    UpstreamAuthFailed,
    UpstreamEmptyAnswer,
    UpstreamFailed,
    UpstreamProtocolError,
)
from proxy.upstreams.qwen.site import make_uuid
from proxy.wire.events import Finished, Opened, StreamEvent, TextDelta
from proxy.wire.qwen import (
    AnswerIds,
    BodyStyle,
    Telling,
    completion_body,
    new_chat_body,
    read_chat_id,
    read_models,
    read_whole,
)
from proxy.wire.upstream.redact import redact

NOW_S = 1900000060.987
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def body(told: Telling, style: BodyStyle | None = None, **options: Any) -> dict[str, Any]:
    asked = {
        "chat_id": "chat",
        "parent_id": None,
        "model": "qwen3-max",
        "stream": True,
        "thinks": False,
        "now_s": NOW_S,
        "make_uuid": make_uuid,
        **options,
    }
    made: dict[str, Any] = json.loads(completion_body(style or BodyStyle("guest"), told, **asked))
    return made


def test_a_later_turn_is_the_one_that_was_captured() -> None:
    made = body(Telling("", "And in Lisbon?"), parent_id="node")
    (message,) = made["messages"]
    assert UUID4.fullmatch(message.pop("fid"))

    assert made == {
        "stream": True,
        "incremental_output": True,
        "chat_id": "chat",
        "chat_mode": "guest",
        "model": "qwen3-max",
        "parent_id": "node",
        "timestamp": 1900000060,
        "messages": [message],
    }
    assert message == {
        "parentId": "node",
        "parent_id": "node",
        "childrenIds": [],
        "role": "user",
        "content": "And in Lisbon?",
        "user_action": "chat",
        "files": [],
        "timestamp": 1900000060,
        "models": ["qwen3-max"],
        "chat_type": "t2t",
        "sub_chat_type": "t2t",
        "feature_config": {"thinking_enabled": False, "output_schema": "phase"},
        "extra": {"meta": {"subChatType": "t2t"}},
    }


def test_a_first_turn_has_no_parent_and_a_system_message_of_its_own() -> None:
    system, user = body(Telling("Be brief.", "Hi."))["messages"]

    assert (system["role"], system["content"], system["parentId"], system["parent_id"]) == (
        "system",
        "Be brief.",
        None,
        None,
    )
    assert (user["role"], user["content"], user["parentId"]) == ("user", "Hi.", None)
    assert system["fid"] != user["fid"]


def test_system_text_may_stand_at_the_head_of_the_first_user_text() -> None:
    (user,) = body(Telling("Be brief.", "Hi."), BodyStyle("guest", inline_system=True))["messages"]

    assert user["content"] == "Be brief.\n\nHi."


@pytest.mark.parametrize("stream", [True, False])
def test_stream_is_always_a_boolean_and_output_always_incremental(stream: bool) -> None:
    made = body(Telling("", "Hi."), stream=stream)

    assert (made["stream"], made["incremental_output"]) == (stream, True)


def test_thinking_and_what_the_operator_adds_reach_every_message() -> None:
    style = BodyStyle("normal", extra_body={"version": "2.1", "stream": False}, feature_config={"research_mode": "n"})
    made = body(Telling("Be brief.", "Hi."), style, thinks=True)

    assert (made["version"], made["stream"], made["chat_mode"]) == ("2.1", False, "normal")
    assert [each["feature_config"] for each in made["messages"]] == [
        {"thinking_enabled": True, "output_schema": "phase", "research_mode": "n"}
    ] * 2


def test_a_chat_is_created_with_milliseconds() -> None:
    made = json.loads(new_chat_body(title="API chat", model="qwen3-max", chat_mode="guest", now_s=1900000000.123))

    assert made == {
        "title": "API chat",
        "models": ["qwen3-max"],
        "chat_mode": "guest",
        "chat_type": "t2t",
        "timestamp": 1900000000123,
    }


def test_a_new_chat_has_an_id() -> None:
    raw = b'{"success":true,"request_id":"9d1e","data":{"id":"c0ffee"}}'

    assert read_chat_id(raw, clean=redact) == "c0ffee"


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b'{"success":true,"data":{"id":""}}', UpstreamProtocolError),
        (b'{"success":true,"data":{"id":5}}', UpstreamProtocolError),
        (b'{"success":true,"data":{}}', UpstreamProtocolError),
        (b'{"success":true}', UpstreamProtocolError),
        (b"[]", UpstreamProtocolError),
        (b"{", UpstreamProtocolError),
        (b'{"success":false,"data":{"code":"Unauthorized"}}', UpstreamAuthFailed),
    ],
)
def test_without_an_id_there_is_no_chat(raw: bytes, error: type[TurnstileError]) -> None:
    with pytest.raises(error):
        read_chat_id(raw, clean=redact)


def whole(content: Any = "It is sunny.", *, accepts_empty: bool = False, **data: Any) -> tuple[list[StreamEvent], Any]:
    told = {
        "success": True,
        "data": {
            "chat_id": "",
            "parent_id": "asked",
            "message_id": "answered",
            "messages": None,
            "choices": [{"message": {"role": "assistant", "content": content}}],
            **data,
        },
    }
    found = read_whole(json.dumps(told).encode(), "chat", accepts_empty=accepts_empty, clean=redact)
    return found.events, (found.ids, found.kept)


def test_an_answer_in_one_piece_becomes_the_same_events() -> None:
    assert whole() == (
        [
            Opened({"chat_id": "chat", "parent_id": "asked", "response_id": "answered"}),
            TextDelta("It is sunny."),
            Finished("stop"),
        ],
        (AnswerIds("asked", "answered"), True),
    )


def test_an_empty_answer_in_one_piece_is_an_error_unless_accepted() -> None:
    with pytest.raises(UpstreamEmptyAnswer):
        whole("")
    events, (_, kept) = whole(None, accepts_empty=True)
    assert (events[1:], kept) == ([Finished("stop")], False)


@pytest.mark.parametrize("data", [{"choices": []}, {"choices": None}, {"choices": [None]}, {"chat_id": "other"}])
def test_an_answer_that_cannot_be_one_is_refused(data: Any) -> None:
    with pytest.raises(UpstreamProtocolError):
        whole(**data)


def test_a_finish_reason_in_one_piece_is_read_alike() -> None:
    def ended(word: str) -> list[StreamEvent]:
        return whole(choices=[{"message": {"content": "x"}, "finish_reason": word}])[0]

    assert ended("length")[-1] == Finished("length")
    assert ended("content_filter")[-1] == Finished("content_filter")
    with pytest.raises(UpstreamFailed):
        ended("error")


def model(model_id: str, meta: Any = None, **info: Any) -> dict[str, Any]:
    told = {"is_active": True, "is_visitor_active": True, "created_at": 5, "meta": meta or {}, **info}
    return {"id": model_id, "name": "N", "object": "model", "owned_by": "qwen", "info": told}


def test_models_are_listed_that_chats_can_be_held_with() -> None:
    listed = [
        model("a", {"max_context_length": 100, "max_generation_length": 10, "chat_type": ["t2t", "t2i"]}),
        model("b", {"chat_type": ["t2i"]}),
        model("c", is_active=False),
        model("d", is_visitor_active=False),
        model("e", {"max_context_length": 10, "max_generation_length": 100}),
        model("mix/*"),
        {"id": 7},
        {**model("f"), "owned_by": None},
    ]
    raw = json.dumps({"data": listed}).encode()

    normal = read_models(raw, guest=False, clean=redact)
    assert [each.id for each in normal] == ["a", "d", "e", "f"]
    assert normal[0] == ("a", "qwen", 5, 100, 10)
    assert (normal[2].context_window_tokens, normal[2].max_output_tokens) == (10, None)
    assert normal[3].owned_by == "qwen"
    assert [each.id for each in read_models(raw, guest=True, clean=redact)] == ["a", "e", "f"]


def test_a_list_that_is_none_is_an_error() -> None:
    with pytest.raises(UpstreamProtocolError):
        read_models(b"{}", guest=False, clean=redact)
    with pytest.raises(UpstreamAuthFailed):
        read_models(b'{"success":false,"data":{"code":"Unauthorized"}}', guest=False, clean=redact)
