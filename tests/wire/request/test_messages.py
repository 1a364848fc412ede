"""The history: roles, contents, and the fixed texts of their refusals."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import RequestRejected
from proxy.wire.request import ChatRequest, ModelRules, check_chat, text_of

Chat = Callable[..., ChatRequest]
Refusal = Callable[..., RequestRejected]
Json = dict[str, Any]

USER = {"role": "user", "content": "Hi."}
ROLES = "'system', 'user', 'assistant', 'tool', 'developer', or 'function'"


def text(*texts: str) -> list[Json]:
    return [{"type": "text", "text": each} for each in texts]


FIXED_TEXTS: list[tuple[Any, str, str, str]] = [
    (None, "messages must be an array", "missing_required_parameter", "messages"),
    ({}, "messages must be an array", "invalid_type", "messages"),
    ("Hi.", "messages must be an array", "invalid_type", "messages"),
    ([], "messages array cannot be empty", "empty_array", "messages"),
    ([None], "messages[0] must be an object", "invalid_type", "messages[0]"),
    ([USER, "Hi."], "messages[1] must be an object", "invalid_type", "messages[1]"),
    (
        [{"content": "Hi."}],
        "messages[0] is missing required field: role",
        "missing_required_parameter",
        "messages[0].role",
    ),
    ([USER, {"role": "bot"}], f"messages[1].role must be {ROLES}", "invalid_value", "messages[1].role"),
    ([USER, {"role": 5}], f"messages[1].role must be {ROLES}", "invalid_value", "messages[1].role"),
    *(
        (
            [USER, message],
            "messages[1] is missing required field: content",
            "missing_required_parameter",
            "messages[1].content",
        )
        for role in ("system", "developer", "user")
        for message in ({"role": role}, {"role": role, "content": None})
    ),
    (
        [USER, {"role": "tool", "content": "x"}],
        "messages[1] with role 'tool' is missing required field: tool_call_id",
        "missing_tool_call_id",
        "messages[1].tool_call_id",
    ),
]


@pytest.mark.parametrize(("messages", "told"), [(messages, tuple(told)) for messages, *told in FIXED_TEXTS])
@pytest.mark.parametrize("rules", [ModelRules(), ModelRules(openai=True, require_user=False)], ids=["other", "openai"])
def test_the_texts_that_hold_for_every_kind(
    messages: Any, told: tuple[str, str, str], rules: ModelRules, refusal: Refusal
) -> None:
    """Clients and tests of the predecessor know these by heart."""
    error = refusal(rules, messages=messages)

    assert (error.message, error.told_code, error.param) == told


def test_absent_messages_are_told_as_null_ones_are(openai: ModelRules) -> None:
    with pytest.raises(RequestRejected, match=r"^messages must be an array$"):
        check_chat({"model": "m"}, openai)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ([{"type": "image_url", "image_url": {"url": "https://e.org/x"}}], "image_url"),
        ([{"type": "hologram"}], "hologram"),
        ([{"type": "refusal", "refusal": "No."}], "refusal"),
    ],
)
def test_a_part_that_the_model_does_not_take(
    content: list[Json], kind: str, chat: Chat, elsewhere: ModelRules, refusal: Refusal
) -> None:
    """It must not vanish silently; kind openai judges for itself."""
    messages = [{"role": "user", "content": [*text("Look:"), *content]}]
    error = refusal(elsewhere, messages=messages)

    assert error.message == f"messages[0].content[1] has type '{kind}', which model 'demo' does not support"
    assert (error.told_code, error.param) == ("unsupported_content_part", "messages[0].content[1]")
    assert chat(messages=messages).messages == messages


def test_an_assistant_may_have_said_no_more_than_the_model_takes(elsewhere: ModelRules, refusal: Refusal) -> None:
    image = {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}

    assert refusal(elsewhere, messages=[USER, image]).told_code == "unsupported_content_part"


def test_the_part_check_looks_at_the_whole_history(elsewhere: ModelRules, refusal: Refusal) -> None:
    """The verdict does not depend on what a session already knows."""
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}
    error = refusal(elsewhere, messages=[image, {"role": "assistant", "content": "A cat."}, USER])

    assert error.param == "messages[0].content[0]"


def test_a_hostile_model_name_is_quoted_short_and_printable(elsewhere: ModelRules, refusal: Refusal) -> None:
    error = refusal(elsewhere, model="a\n" + "b" * 200, messages=[{"role": "user", "content": [{"type": "x" * 900}]}])

    assert error.message.isprintable()
    assert len(error.message) < 250


def test_a_history_without_a_user_is_refused_where_one_is_required(
    chat: Chat, elsewhere: ModelRules, refusal: Refusal
) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "assistant", "content": "Yes?"}]
    error = refusal(elsewhere, messages=messages)

    assert error.message == "messages must contain at least one user message"
    assert (error.told_code, error.param) == ("invalid_value", "messages")
    assert chat(messages=messages).messages == messages


def test_messages_are_checked_in_order_and_then_as_a_whole(elsewhere: ModelRules, refusal: Refusal) -> None:
    messages: list[Any] = [{"role": "system", "content": "x"}, {"role": "user"}, None]

    assert refusal(elsewhere, messages=messages).param == "messages[1].content"
    messages[1] = {"role": "assistant"}
    assert refusal(elsewhere, messages=messages).param == "messages[2]"
    del messages[2]
    assert refusal(elsewhere, messages=messages).param == "messages"


CONTENTS: list[Any] = ["", "Hi.", text(""), text("a", "b")]


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant"])
@pytest.mark.parametrize("content", CONTENTS)
def test_text_and_text_parts_are_content_in_every_role(
    role: str, content: Any, chat: Chat, elsewhere: ModelRules
) -> None:
    """The empty string is content: clients echo empty answers."""
    message = {"role": role, "content": content, "name": "n", "cache_control": {"type": "ephemeral"}}

    assert chat(elsewhere, messages=[USER, message]).messages == [USER, message]


@pytest.mark.parametrize("message", [{}, {"content": None}, {"content": []}, {"content": None, "refusal": "No."}])
def test_an_assistant_may_have_said_nothing(message: Json, chat: Chat, elsewhere: ModelRules) -> None:
    message = {"role": "assistant", **message}

    assert chat(elsewhere, messages=[USER, message]).messages[1] == message


PARTS: list[Json] = [
    {"type": "image_url", "image_url": {"url": "http://e.org/x.png", "detail": "low"}},
    {"type": "image_url", "image_url": {"url": "HTTPS://e.org/x.png"}},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    {"type": "input_audio", "input_audio": {"data": "", "format": "mp3"}},
    {"type": "file", "file": {"file_id": "file-1"}},
    {"type": "text", "text": "", "new": 1},
]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_the_model_takes_is_kept_as_sent(part: Json, chat: Chat) -> None:
    takes = ModelRules(content_parts=frozenset({"image_url", "input_audio", "file"}))
    messages = [{"role": "user", "content": [part]}]

    assert chat(takes, messages=messages).messages == messages
    assert chat(messages=messages).body["messages"] == messages
    assert chat(ModelRules(any_part=True), messages=messages).messages == messages


def test_an_assistant_may_have_refused(chat: Chat, elsewhere: ModelRules) -> None:
    message = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}

    assert chat(elsewhere, messages=[USER, message]).messages[1] == message


BROKEN_PARTS: list[tuple[Json, str, str]] = [
    ({}, "type", "missing_required_parameter"),
    ({"type": None}, "type", "missing_required_parameter"),
    ({"type": 5}, "type", "invalid_type"),
    ({"type": "text"}, "text", "missing_required_parameter"),
    ({"type": "text", "text": []}, "text", "invalid_type"),
    ({"type": "refusal"}, "refusal", "missing_required_parameter"),
    ({"type": "refusal", "refusal": {}}, "refusal", "invalid_type"),
    ({"type": "image_url"}, "image_url", "missing_required_parameter"),
    ({"type": "image_url", "image_url": "https://e.org"}, "image_url", "invalid_type"),
    ({"type": "image_url", "image_url": {}}, "image_url.url", "missing_required_parameter"),
    ({"type": "image_url", "image_url": {"url": 5}}, "image_url.url", "invalid_type"),
    ({"type": "image_url", "image_url": {"url": ""}}, "image_url.url", "invalid_value"),
    ({"type": "image_url", "image_url": {"url": "file:///etc"}}, "image_url.url", "invalid_value"),
    ({"type": "image_url", "image_url": {"url": " https://e.org"}}, "image_url.url", "invalid_value"),
    ({"type": "input_audio"}, "input_audio", "missing_required_parameter"),
    ({"type": "input_audio", "input_audio": []}, "input_audio", "invalid_type"),
    ({"type": "input_audio", "input_audio": {"format": "wav"}}, "input_audio.data", "missing_required_parameter"),
    ({"type": "input_audio", "input_audio": {"data": 5}}, "input_audio.data", "invalid_type"),
    ({"type": "input_audio", "input_audio": {"data": ""}}, "input_audio.format", "missing_required_parameter"),
    ({"type": "input_audio", "input_audio": {"data": "", "format": 5}}, "input_audio.format", "invalid_type"),
    ({"type": "input_audio", "input_audio": {"data": "", "format": "ogg"}}, "input_audio.format", "invalid_value"),
]


@pytest.mark.parametrize(("part", "path", "code"), BROKEN_PARTS)
@pytest.mark.parametrize("rules", [ModelRules(any_part=True), ModelRules(openai=True)], ids=["other", "openai"])
def test_a_part_of_a_known_type_has_what_the_type_needs(
    part: Json, path: str, code: str, rules: ModelRules, refusal: Refusal
) -> None:
    error = refusal(rules, messages=[{"role": "user", "content": [*text("x"), part]}])

    assert (error.told_code, error.param) == (code, f"messages[0].content[1].{path}")


def test_no_url_is_told(openai: ModelRules, refusal: Refusal) -> None:
    part = {"type": "image_url", "image_url": {"url": "file:///private/cat.png"}}

    assert "private" not in refusal(openai, messages=[{"role": "user", "content": [part]}]).message


@pytest.mark.parametrize(
    ("content", "joined"),
    [
        ("a", "a"),
        (None, ""),
        ([], ""),
        (text("a", "", "b"), "a\n\nb"),
        ([{"type": "image_url", "image_url": {"url": "data:,"}}, *text("a")], "a"),
    ],
)
def test_the_text_of_a_message_is_its_text_parts_line_by_line(content: Any, joined: str) -> None:
    assert text_of({"role": "user", "content": content}) == joined
    assert text_of({"role": "assistant"}) == ""


def test_the_last_user_text_is_that_of_the_last_user_message(chat: Chat) -> None:
    said = {"role": "user", "content": text("What", "now?")}

    assert chat(messages=[USER, said, {"role": "assistant", "content": "x"}]).last_user_text == "What\nnow?"
    assert chat(messages=[{"role": "system", "content": "x"}]).last_user_text == ""


def test_a_history_as_long_as_allowed_passes(chat: Chat) -> None:
    assert len(chat(messages=[USER] * 10_000).messages) == 10_000


def test_the_body_that_was_decoded_stays_as_it_was(openai: ModelRules) -> None:
    """What is normalised is made anew; the session layer and the log may look at the same objects."""
    body = {
        "model": "m",
        "messages": [
            USER,
            {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {}}}]},
            {"role": "tool", "tool_call_id": "a", "content": None},
        ],
        "tools": [{"name": "f", "strict": None}],
        "session_id": "s",
        "metadata": {"session_id": "s"},
        "n": None,
        "max_tokens": 5.0,
    }
    before = repr(body)
    check_chat(body, openai)

    assert repr(body) == before
