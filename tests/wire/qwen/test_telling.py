"""A history in the words of a site that takes one text per turn."""

from typing import Any

import pytest

from proxy.wire.qwen import Telling, UntellablePart, tell_everything, tell_news

Message = dict[str, Any]
IMAGE = {"type": "image_url", "image_url": {"url": "https://h/x.png"}}


def said(*pairs: tuple[str, Any]) -> list[Message]:
    return [{"role": role, "content": content} for role, content in pairs]


def test_a_first_turn_is_system_text_and_user_text() -> None:
    messages = said(("system", "Be brief."), ("developer", "Be kind."), ("user", "Hi."))

    assert tell_everything(messages, 0) == Telling("Be brief.\n\nBe kind.", "Hi.")


def test_the_tools_stand_after_all_system_text() -> None:
    assert (
        tell_everything(said(("system", "Be brief."), ("user", "Hi.")), 0, "# Tools").system == "Be brief.\n\n# Tools"
    )
    assert tell_everything(said(("user", "Hi.")), 0, "# Tools").system == "# Tools"


def test_without_system_text_and_tools_no_persona_is_invented() -> None:
    assert tell_everything(said(("user", "Hi.")), 0).system == ""


def test_several_first_user_messages_are_one_text() -> None:
    assert tell_everything(said(("user", "One."), ("user", "Two.")), 0).user == "One.\n\nTwo."


def test_a_replay_is_a_transcript_of_everything_and_then_the_new_turn() -> None:
    messages = said(
        ("system", "Be brief."),
        ("user", "Hi."),
        ("assistant", "<call>f</call>"),
        ("tool", "<result>7</result>"),
        ("assistant", "Seven."),
        ("user", "And now?"),
    )

    assert tell_everything(messages, 5) == Telling(
        "Be brief.",
        "This is the conversation so far:\n\n"
        "[User]\nHi.\n\n"
        "[Assistant]\n<call>f</call>\n\n"
        "[Tool result]\n<result>7</result>\n\n"
        "[Assistant]\nSeven.\n\n"
        "This is the end of the conversation so far. Go on from there; this comes next:\n\n"
        "And now?",
    )


def test_system_text_anywhere_in_a_replay_is_system_text_and_told_once() -> None:
    messages = said(("user", "Hi."), ("assistant", "Yes?"), ("system", "Be brief."), ("user", "And?"))
    told = tell_everything(messages, 2)

    assert told.system == "Be brief."
    assert "Be brief." not in told.user


def test_news_are_everything_after_the_last_answer_in_order() -> None:
    messages = said(
        ("user", "Hi."), ("assistant", "calls"), ("tool", "<r>1</r>"), ("tool", "<r>2</r>"), ("user", "Go on.")
    )

    assert tell_news(messages, 2) == Telling("", "<r>1</r>\n\n<r>2</r>\n\nGo on.")


@pytest.mark.parametrize("role", ["system", "developer"])
def test_late_system_text_is_told_inside_the_users_and_labelled(role: str) -> None:
    messages = said(("user", "Hi."), ("assistant", "Yes?"), (role, "Be brief."), ("user", "And?"))

    assert tell_news(messages, 2) == Telling("", "[System]\nBe brief.\n\nAnd?")


def test_an_announcement_stands_before_the_news() -> None:
    messages = said(("user", "Hi."), ("assistant", "Yes?"), ("user", "And?"))

    assert tell_news(messages, 2, "No tools are available now.").user == "No tools are available now.\n\nAnd?"


@pytest.mark.parametrize("role", ["user", "system", "tool"])
def test_text_parts_are_joined_by_a_line_break_in_every_role(role: str) -> None:
    parts = [{"type": "text", "text": "One."}, {"type": "text", "text": ""}, {"type": "text", "text": "Two."}]
    messages = said(("user", "Hi."), ("assistant", parts), (role, parts))

    assert "One.\n\nTwo." in tell_news(messages, 2).user
    assert "[Assistant]\nOne.\n\nTwo." in tell_everything(messages, 2).user


def test_a_part_that_is_no_text_never_vanishes() -> None:
    messages = said(("user", [{"type": "text", "text": "See:"}, IMAGE]))

    with pytest.raises(UntellablePart):
        tell_everything(messages, 0)
    assert tell_everything(messages, 0, placeholders=True).user == "See:\n[image_url omitted]"


def test_refusals_and_calls_that_no_dialect_has_told_do_not_vanish() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    messages = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "I won't."}]},
        {"role": "assistant", "content": None, "refusal": "Never."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "7"},
    ]
    told = tell_everything(messages, 4).user

    assert "I won't." in told
    assert "Never." in told
    assert '[called f: {"a":1}]' in told


def test_nothing_is_stringified() -> None:
    """Content that is null or an object once became `null` or `[object Object]`."""
    messages = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": None}, *said(("user", "And?"))]
    told = tell_everything(messages, 2).user

    assert "null" not in told
    assert "None" not in told
    assert "[Assistant]\n\n" in told
