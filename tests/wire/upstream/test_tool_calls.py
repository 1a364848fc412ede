"""Tool calls as servers stream them: which fragment belongs to which call, and what its id, name and arguments are."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import UpstreamProtocolError
from proxy.wire.events import Extras, TextDelta, ToolCallDelta

Play = Callable[..., Any]

DONE = "[DONE]"


def part(
    index: Any = None, call_id: Any = None, name: Any = None, arguments: Any = None, **keys: Any
) -> dict[str, Any]:
    """A fragment of a call with only the keys that are given."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    outer = {key: value for key, value in (("index", index), ("id", call_id)) if value is not None}
    return outer | {"type": "function", "function": function} | keys


def calls(*parts: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"tool_calls": list(parts)}, "finish_reason": None}]}


def finish(reason: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def test_a_call_starts_with_id_and_name_and_goes_on_with_arguments(play: Play) -> None:
    outcome = play(
        calls(part(0, "call_1", "now", "")),
        calls(part(0, arguments='{"zone"')),
        calls(part(0, arguments=':"UTC"}')),
        finish("tool_calls"),
    )
    assert outcome.events[:-1] == [
        ToolCallDelta(0, "call_1", "now", ""),
        ToolCallDelta(0, None, None, '{"zone"'),
        ToolCallDelta(0, None, None, ':"UTC"}'),
    ]
    assert outcome.finish == ["tool_calls"]


def test_parallel_calls_are_told_apart_by_index(play: Play) -> None:
    outcome = play(
        calls(part(0, "a", "f", "{"), part(1, "b", "g", "[")),
        calls(part(1, arguments="]")),
        calls(part(0, arguments="}")),
        finish("tool_calls"),
    )
    assert outcome.calls == [("a", "f", "{}"), ("b", "g", "[]")]


def test_any_indexes_are_renumbered_without_gaps(play: Play) -> None:
    assert play(calls(part(7, "a", "f", "{}")), calls(part(3, "b", "g", "{}")), DONE).calls == [
        ("a", "f", "{}"),
        ("b", "g", "{}"),
    ]


def test_without_an_index_the_id_decides_whatever_the_place_in_the_chunk(play: Play) -> None:
    outcome = play(
        calls(part(None, "a", "f", "{"), part(None, "b", "g", "[")),
        calls(part(None, "b", arguments="1"), part(None, "a", arguments="}")),
        calls(part(None, "b", arguments="]")),
        DONE,
    )
    assert outcome.calls == [("a", "f", "{}"), ("b", "g", "[1]")]


def test_without_index_and_id_it_is_the_last_open_call(play: Play) -> None:
    outcome = play(
        calls(part(0, "a", "f", "{}"), part(1, "b", "g", "{")),
        calls(part(arguments='"x"')),
        calls(part(arguments=":1}")),
        DONE,
    )
    assert outcome.calls == [("a", "f", "{}"), ("b", "g", '{"x":1}')]


def test_without_index_and_id_another_name_begins_a_call(play: Play) -> None:
    outcome = play(
        calls(part(name="f", arguments="{}"), part(name="g", arguments="{")),
        calls(part(name="g", arguments="}")),
        calls(part(name="g", arguments="{}")),
        DONE,
    )
    assert outcome.calls == [("made_0", "f", "{}"), ("made_1", "g", "{}"), ("made_2", "g", "{}")]


def test_every_call_at_index_0_with_a_new_id_is_a_new_call(play: Play) -> None:
    outcome = play(
        calls(part(0, "a", "f", "{")),
        calls(part(0, arguments="}")),
        calls(part(0, "b", "g", "[")),
        calls(part(0, arguments="1")),
        calls(part(0, "a", arguments=" ")),
        calls(part(0, "b", arguments="]")),
        DONE,
    )
    assert outcome.calls == [("a", "f", "{} "), ("b", "g", "[1]")]


@pytest.mark.parametrize("missing", [None, ""])
def test_a_missing_id_is_made_at_the_start_and_a_late_one_is_ignored(play: Play, missing: Any) -> None:
    outcome = play(
        calls(part(0, missing, "f", "{")),
        calls(part(0, "late", arguments='"x"')),
        calls(part(0, arguments=":")),
        calls(part(None, "late", arguments="1}")),
        DONE,
    )
    assert outcome.calls == [("made_0", "f", '{"x":1}')]


def test_a_call_is_found_by_its_late_id(play: Play) -> None:
    outcome = play(
        calls(part(0, None, "f", "{")),
        calls(part(0, "late", arguments='"x"')),
        calls(part(0, "b", "g", "[")),
        calls(part(None, "late", arguments=":1}"), part(None, "b", arguments="]")),
        DONE,
    )
    assert outcome.calls == [("made_0", "f", '{"x":1}'), ("b", "g", "[]")]


def test_a_late_id_without_an_index_belongs_to_the_call_that_has_none(play: Play) -> None:
    outcome = play(calls(part(name="f", arguments="{")), calls(part(None, "late", arguments="}")), DONE)
    assert outcome.calls == [("made_0", "f", "{}")]


@pytest.mark.parametrize("call_id", ["bad id", "x" * 65, "é", "a/b", "a\n", 7])
def test_an_unusable_id_is_replaced(play: Play, call_id: Any) -> None:
    assert play(calls(part(0, call_id, "f", "{}")), DONE).calls == [("made_0", "f", "{}")]


def test_an_id_may_be_used_once_in_an_answer(play: Play) -> None:
    outcome = play(
        calls(part(0, "a", "f", "{}"), part(1, "a", "g", "{}")),
        {"choices": [{"index": 1, "delta": {"tool_calls": [part(0, "a", "f", "{}")]}}]},
        DONE,
        n=2,
    )
    assert [event.id for event in outcome.events if isinstance(event, ToolCallDelta)] == ["a", "made_0", "made_1"]


def test_arguments_wait_for_a_late_name(play: Play) -> None:
    outcome = play(calls(part(0, "a", arguments="{")), calls(part(0, arguments="}")), calls(part(0, name="f")), DONE)
    assert outcome.events[:-1] == [ToolCallDelta(0, "a", "f", "{}")]


def test_a_call_whose_name_is_late_is_numbered_when_it_is_told(play: Play) -> None:
    outcome = play(calls(part(0, "a", arguments="{")), calls(part(1, "b", "g", "{}")), calls(part(0, name="f")), DONE)
    assert outcome.calls == [("b", "g", "{}"), ("a", "f", "{")]


def test_a_repeated_name_is_told_once(play: Play) -> None:
    outcome = play(*[calls(part(0, "a", "f", piece)) for piece in ("", "{", "}")], DONE)
    assert outcome.events[:-1] == [
        ToolCallDelta(0, "a", "f", ""),
        ToolCallDelta(0, None, None, "{"),
        ToolCallDelta(0, None, None, "}"),
    ]


@pytest.mark.parametrize("end", [DONE, finish("stop"), finish("tool_calls")])
def test_a_name_that_never_comes_is_malformed(play: Play, end: Any) -> None:
    outcome = play(calls(part(0, "a", arguments="{}")), end)
    assert isinstance(outcome.failure, UpstreamProtocolError)
    assert (outcome.events, outcome.complete) == ([], False)


def test_a_name_that_a_length_limit_cut_off_drops_the_call_and_is_counted(play: Play) -> None:
    outcome = play(calls(part(0, "a", "f", "{}"), part(1, "b")), finish("length"))
    assert outcome.calls == [("a", "f", "{}")]
    assert (outcome.finish, outcome.anomalies) == (["length"], {"call_dropped": 1})


def test_arguments_held_for_a_name_are_bounded(play: Play) -> None:
    piece = calls(part(0, "a", arguments="é" * 65_536))
    assert play(*[piece] * 8, calls(part(0, name="f")), DONE).failure is None
    assert isinstance(play(*[piece] * 9).failure, UpstreamProtocolError)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param({"b": [1, "é"], "a": None}, '{"b":[1,"é"],"a":null}', id="object"),
        pytest.param([1], "[1]", id="array"),
        pytest.param("", "", id="empty"),
        pytest.param(None, "", id="absent"),
    ],
)
def test_arguments_that_are_no_string_become_compact_json_or_nothing(play: Play, arguments: Any, told: str) -> None:
    assert play(calls(part(0, "a", "f", arguments)), DONE).calls == [("a", "f", told)]


def test_null_arguments_are_nothing(play: Play) -> None:
    fragment = {"index": 0, "id": "a", "function": {"name": "f", "arguments": None}}
    assert play(calls(fragment), DONE).events[:-1] == [ToolCallDelta(0, "a", "f", "")]


def test_a_legacy_function_call_is_call_0(play: Play) -> None:
    pieces = [{"name": "f", "arguments": ""}, {"arguments": "{"}, {"arguments": "}"}, None]
    chunks = [{"choices": [{"delta": {"function_call": piece}}]} for piece in pieces]
    outcome = play(*chunks, finish("function_call"))
    assert (outcome.calls, outcome.finish) == ([("made_0", "f", "{}")], ["tool_calls"])


def test_the_legacy_form_beside_the_new_one_is_not_read_twice(play: Play) -> None:
    delta = {"tool_calls": [part(0, "a", "f", "{}")], "function_call": {"name": "f", "arguments": "{}"}}
    assert play({"choices": [{"delta": delta}]}, DONE).calls == [("a", "f", "{}")]


def test_argument_snapshots_tell_what_extends_the_last_one_of_their_call(play: Play) -> None:
    outcome = play(
        calls(part(0, "a", "f", "{"), part(1, "b", "g", "[")),
        calls(part(0, arguments="{}"), part(1, arguments="[1]")),
        calls(part(0, arguments="{}"), part(1, arguments="")),
        DONE,
        arguments="snapshot",
    )
    assert outcome.calls == [("a", "f", "{}"), ("b", "g", "[1]")]


def test_an_argument_snapshot_that_is_no_extension_is_malformed(play: Play) -> None:
    outcome = play(calls(part(0, "a", "f", "{}")), calls(part(0, arguments="[")), arguments="snapshot")
    assert isinstance(outcome.failure, UpstreamProtocolError)


def test_text_comes_before_the_calls_of_its_chunk(play: Play) -> None:
    chunk = {"choices": [{"delta": {"content": "hm", "tool_calls": [part(0, "a", "f", "{}")]}}]}
    assert play(chunk, DONE).events[:2] == [TextDelta("hm"), ToolCallDelta(0, "a", "f", "{}")]


def test_a_call_to_a_custom_tool_carries_its_free_text(play: Play) -> None:
    outcome = play(
        calls({"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": ""}}),
        calls({"index": 0, "custom": {"input": 'echo "{'}}),
        DONE,
    )
    assert outcome.failure is None
    assert outcome.events[:-1] == [
        ToolCallDelta(0, "a", "sh", "", kind="custom"),
        ToolCallDelta(0, None, None, 'echo "{', kind="custom"),
    ]


def test_unknown_keys_of_a_call_go_with_it(play: Play) -> None:
    """Gemini's thought signatures stand there, and must come back with the call."""
    signature = {"google": {"thought_signature": "x"}}
    outcome = play(
        calls(part(0, "a", extra_content=signature, nothing=None)),
        calls(part(0, name="f", arguments="{}")),
        calls(part(0, extra_content=signature)) | {"system_fingerprint": "fp"},
        DONE,
    )
    assert outcome.events[:-1] == [
        ToolCallDelta(0, "a", "f", "{}", extras=Extras(call={"extra_content": signature})),
        ToolCallDelta(
            0, None, None, "", extras=Extras({"system_fingerprint": "fp"}, call={"extra_content": signature})
        ),
    ]


@pytest.mark.parametrize("nothing", [None, []])
def test_null_and_empty_tool_calls_are_nothing(play: Play, nothing: Any) -> None:
    chunk = {"choices": [{"delta": {"content": "a", "tool_calls": nothing, "function_call": None}}]}
    assert play(chunk, DONE).events[:-1] == [TextDelta("a")]


@pytest.mark.parametrize(
    "fragment",
    [
        pytest.param(None, id="null"),
        pytest.param("f", id="string"),
        pytest.param({"index": -1}, id="negative index"),
        pytest.param({"index": "0"}, id="index as string"),
        pytest.param({"index": True}, id="index as boolean"),
        pytest.param({"function": "f"}, id="function as string"),
        pytest.param({"function": {"name": 1}}, id="name as number"),
        pytest.param({"function": {"name": "x" * 1025}}, id="endless name"),
        pytest.param({"function": {"name": "f", "arguments": 1}}, id="arguments as number"),
        pytest.param({"function": {"name": "f", "arguments": False}}, id="arguments as boolean"),
        pytest.param({"custom": {"name": "f", "input": {}}}, id="custom input as object"),
    ],
)
def test_a_fragment_of_another_shape_is_malformed(play: Play, fragment: Any) -> None:
    assert isinstance(play(calls(fragment)).failure, UpstreamProtocolError)


def test_a_long_name_is_taken(play: Play) -> None:
    assert play(calls(part(0, "a", "f" * 1024, "{}")), DONE).calls == [("a", "f" * 1024, "{}")]


def test_tool_calls_of_another_type_are_malformed(play: Play) -> None:
    assert isinstance(play({"choices": [{"delta": {"tool_calls": {"index": 0}}}]}).failure, UpstreamProtocolError)


def test_128_calls_are_taken_and_one_more_is_malformed(play: Play) -> None:
    """Official clients refuse an index above 127."""
    chunks = [calls(part(number, f"c{number}", "f", "{}")) for number in range(129)]
    assert len(play(*chunks[:128], DONE).calls) == 128
    outcome = play(*chunks, DONE)
    assert (len(outcome.calls), type(outcome.failure)) == (128, UpstreamProtocolError)
