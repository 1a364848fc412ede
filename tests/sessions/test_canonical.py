"""The canonical form: what clients change when they send an answer back does not count, what they mean does."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sessions.canonical import canonical_answer, canonical_arguments, canonical_messages
from proxy.wire.answer import Answer
from proxy.wire.events import ReasoningDelta, RefusalDelta, StreamEvent, TextDelta, ToolCallDelta
from proxy.wire.request import ModelRules, check_chat

USER = {"role": "user", "content": "Hi."}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"term": "tea", "n": 1}'}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "hot"}


def checked(*messages: Any) -> list[Any]:
    """The messages as a request holds them once it was checked."""
    body = {"model": "m", "messages": orjson.loads(orjson.dumps(messages))}
    return check_chat(body, ModelRules(openai=True, require_user=False)).messages


def form(*messages: Any, ignore_system: bool = False) -> list[bytes]:
    return canonical_messages(checked(*messages), ignore_system=ignore_system)


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def calling(*calls: Any, content: Any = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def with_arguments(arguments: Any, call_id: str = "call_1") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "look_up", "arguments": arguments}}


SAME = {
    "trimmed text": (said("It is\n\n sunny. "), said("It is sunny.")),
    "line ends of another system": (said("a\r\nb"), said("a\nb")),
    "parts instead of a string": (said("It is"), said([{"type": "text", "text": "It is"}])),  # type: ignore[arg-type]  # as clients send it
    "several parts": (
        {"role": "user", "content": "a\nb"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ),
    "reasoning left out": (said("Yes.", reasoning_content="Let me think."), said("Yes.")),
    "a name, a refusal, annotations, hints": (
        said("Yes.", name="bot", refusal=None, annotations=[], audio=None),
        said("Yes."),
    ),
    "a hint about caching in a part": (
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "content": "a"},
    ),
    "null against an empty string": (calling(CALL), calling(CALL, content="")),
    "calls of another id": (calling(CALL), calling({**CALL, "id": "toolu_9"})),
    "arguments written anew": (calling(CALL), calling(with_arguments('{"n":1,"term":"tea"}'))),
    "arguments in escapes": (calling(CALL), calling(with_arguments('{"n":1,"term":"\\u0074ea"}'))),
    "arguments as an object": (calling(CALL), calling(with_arguments({"term": "tea", "n": 1}))),
    "a whole number as a float": (calling(CALL), calling(with_arguments('{"n":1.0,"term":"tea"}'))),
    "a number that JavaScript rounds": (
        calling(with_arguments('{"n":9007199254740993}')),
        calling(with_arguments('{"n":9007199254740992}')),
    ),
    "no arguments": (calling(with_arguments("")), calling(with_arguments("{}"))),
    "developer for system": ({"role": "developer", "content": "Be brief."}, {"role": "system", "content": "Be brief."}),
}
"""What clients were seen to do to a message: as it was told, and as it came back."""

DIFFERENT = {
    "other words": (said("Yes."), said("No.")),
    "another case": (said("yes"), said("Yes")),
    "another role": ({"role": "user", "content": "a"}, {"role": "system", "content": "a"}),
    "another tool": (calling(CALL), calling({**CALL, "function": {**CALL["function"], "name": "store"}})),  # type: ignore[dict-item]  # it is a dict
    "other arguments": (calling(CALL), calling(with_arguments('{"term": "tea", "n": 2}'))),
    "a string that looks like a number": (calling(with_arguments('{"n":"1"}')), calling(with_arguments('{"n":1}'))),
    "true for one": (calling(with_arguments('{"n":true}')), calling(with_arguments('{"n":1}'))),
    "another picture": (
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:a"}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:b"}}]},
    ),
}


def answered(message: dict[str, Any]) -> list[dict[str, Any]]:
    """What must stand around a message, so that it is lawful."""
    calls = message.get("tool_calls") or []
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "hot"} for call in calls]
    return [message, *results]


@pytest.mark.parametrize("case", SAME)
def test_what_clients_change_on_the_way_does_not_count(case: str) -> None:
    told, sent_back = SAME[case]

    assert form(USER, *answered(told)) == form(USER, *answered(sent_back))


@pytest.mark.parametrize("case", DIFFERENT)
def test_what_a_model_would_understand_differently_counts(case: str) -> None:
    one, other = DIFFERENT[case]

    assert form(USER, *answered(one)) != form(USER, *answered(other))


def test_a_result_belongs_to_the_place_of_the_call_that_it_answers() -> None:
    """Ids differ between clients; which call was answered by what does not."""
    calls = calling(CALL, with_arguments("{}", "call_2"))
    first, second = ({**RESULT, "tool_call_id": name, "content": name} for name in ("call_1", "call_2"))
    swapped = [{**first, "content": "call_2"}, {**second, "content": "call_1"}]

    assert form(USER, calls, first, second) != form(USER, calls, *swapped)


def test_the_order_of_calls_counts() -> None:
    one, other = CALL, with_arguments("{}", "call_2")
    results = [RESULT, {**RESULT, "tool_call_id": "call_2"}]

    assert form(USER, calling(one, other), *results) != form(USER, calling(other, one), *results)


def test_system_messages_count_unless_they_are_to_be_left_out() -> None:
    """Agents put the time, or open files, into them."""
    early, late = ({"role": "system", "content": f"It is {hour} o'clock."} for hour in (9, 10))

    assert form(early, USER) != form(late, USER)
    assert form(early, USER, ignore_system=True) == form(late, USER, ignore_system=True)


def test_a_legacy_call_is_the_call_that_it_became() -> None:
    legacy = {"role": "assistant", "content": None, "function_call": {"name": "look_up", "arguments": '{"n":1}'}}
    modern = calling(with_arguments('{"n":1}'))

    assert form(USER, legacy, {"role": "function", "name": "look_up", "content": "hot"}) == form(USER, modern, RESULT)


# --- an answer is what its caller will send back


def answer_of(*events: StreamEvent) -> Answer:
    answer = Answer()
    answer.fold(events)
    return answer


def test_an_answer_has_the_form_that_it_will_come_back_in() -> None:
    answer = answer_of(
        ReasoningDelta("Hm."),
        TextDelta("Let me "),
        TextDelta("see.\n"),
        ToolCallDelta(0, "call_x", "look_up", '{"term": '),
        ToolCallDelta(0, None, None, '"tea", "n": 1}'),
    )

    (piece,) = form(calling(CALL, content="Let me see."), RESULT)[:1]
    assert canonical_answer(answer) == piece


def test_an_answer_without_words_comes_back_empty() -> None:
    assert canonical_answer(answer_of(RefusalDelta("No."))) == form(said(""))[0]


def test_a_legacy_caller_sends_back_one_call() -> None:
    answer = answer_of(ToolCallDelta(0, "a", "look_up", "{}"), ToolCallDelta(1, "b", "look_up", '{"n":1}'))

    assert canonical_answer(answer, legacy_functions=True) == canonical_answer(
        answer_of(ToolCallDelta(0, "a", "look_up", ""))
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_arguments_are_what_they_say_however_they_are_written(arguments: dict[str, Any]) -> None:
    written = orjson.dumps(arguments).decode()
    anew = orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2).decode()

    assert canonical_arguments(written) == canonical_arguments(anew)


@given(st.text(max_size=30))
def test_whatever_the_arguments_are_they_have_a_form(text: str) -> None:
    """Models cut them off, and callers send what they like."""
    orjson.dumps([canonical_arguments(text)])
