"""Chunks as servers write them: each sloppiness is put right, or refused, and never guessed at."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import UpstreamEmptyAnswer, UpstreamProtocolError
from proxy.wire.events import Finished, Opened, ReasoningDelta, RefusalDelta, TextDelta, Usage

Play = Callable[..., Any]

USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
DONE = "[DONE]"


def said(text: Any, **choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None, **choice}]}


def delta(**keys: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": keys, "finish_reason": None}]}


def finish(reason: Any, **chunk: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], **chunk}


def usage(counts: Any) -> dict[str, Any]:
    return {"choices": [], "usage": counts}


def test_a_plain_answer_becomes_its_events(play: Play) -> None:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    outcome = play(
        head | delta(role="assistant", content=""),
        head | said("Hel"),
        head | said("lo"),
        head | finish("stop"),
        head | usage(USAGE),
        DONE,
    )
    assert outcome.events == [
        Opened({"id": "chatcmpl-1"}),
        TextDelta("Hel"),
        TextDelta("lo"),
        Usage(9, 2, 11),
        Finished("stop"),
    ]
    assert (outcome.complete, outcome.failure, outcome.anomalies) == (True, None, {})


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([said("a"), said("b")], id="missing"),
        pytest.param([delta(role="assistant"), delta(role="assistant"), said("a"), said("b")], id="repeated"),
        pytest.param([delta(role="assistant", content="a"), delta(role="tool", content="b")], id="in every chunk"),
    ],
)
def test_role_makes_no_event(play: Play, chunks: list[Any]) -> None:
    assert play(*chunks, DONE).events == [TextDelta("a"), TextDelta("b"), Finished("stop")]


@pytest.mark.parametrize("choice", [{"delta": {"content": "a"}}, {"index": None, "delta": {"content": "a"}}])
def test_a_missing_choice_index_is_0(play: Play, choice: Any) -> None:
    assert play({"choices": [choice]}, DONE).events == [TextDelta("a"), Finished("stop")]


@pytest.mark.parametrize("index", [1, -1, "0", 0.0, True, [], {}])
def test_a_choice_index_that_was_not_asked_for_is_malformed(play: Play, index: Any) -> None:
    outcome = play(said("a"), said("b", index=index), said("c"))
    assert isinstance(outcome.failure, UpstreamProtocolError)
    assert outcome.events == [TextDelta("a")]


def test_several_choices_come_interleaved_and_end_in_order(play: Play) -> None:
    outcome = play(
        {"choices": [{"index": 1, "delta": {"content": "x"}}, {"index": 0, "delta": {"content": "a"}}]},
        {"choices": [{"index": 1, "delta": {}, "finish_reason": "length"}]},
        {"choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]},
        n=2,
    )
    assert outcome.events == [
        TextDelta("x", 1),
        TextDelta("a", 0),
        TextDelta("b", 0),
        Finished("stop", 0),
        Finished("length", 1),
    ]


def test_ids_and_the_like_may_be_missing_or_change(play: Play) -> None:
    """They are ours to write; only the first id is told, for the log."""
    outcome = play(
        {"id": "", "model": 7, **said("a")},
        {"id": "x", "object": "chat.completion", "created": "now", **said("b")},
        {"id": "y", "model": "other", **said("c")},
        DONE,
    )
    assert outcome.ids == [{"id": "x"}]
    assert outcome.text == "abc"


@pytest.mark.parametrize(
    "chunk", [{}, {"choices": None}, {"choices": []}, {"prompt_filter_results": [], "choices": []}]
)
def test_a_chunk_without_choices_is_ignored(play: Play, chunk: Any) -> None:
    assert play(chunk, said("a"), chunk, finish("stop"), chunk, DONE).events == [TextDelta("a"), Finished("stop")]


@pytest.mark.parametrize("last", [DONE, b""])
@pytest.mark.parametrize("chunk", [{}, {"choices": None}, {"choices": [], "id": "x"}, usage(USAGE)])
def test_nothing_else_in_the_whole_stream_is_an_empty_answer(play: Play, chunk: Any, last: Any) -> None:
    outcome = play(chunk, chunk, last)
    assert isinstance(outcome.failure, UpstreamEmptyAnswer)
    assert not outcome.complete


@pytest.mark.parametrize("choices", [{}, "a", 1, [None], ["a"], [[]]])
def test_choices_of_another_type_are_malformed(play: Play, choices: Any) -> None:
    assert isinstance(play({"choices": choices}).failure, UpstreamProtocolError)


@pytest.mark.parametrize(
    "choice",
    [
        {"delta": None, "finish_reason": "stop"},
        {"finish_reason": "stop"},
        {"delta": {}, "finish_reason": "stop"},
        {"delta": None, "message": None, "text": None, "finish_reason": "stop"},
    ],
)
def test_a_null_delta_is_an_empty_one(play: Play, choice: Any) -> None:
    assert play({"choices": [choice]}).events == [Finished("stop")]


@pytest.mark.parametrize(
    "choice", [{"message": {"role": "assistant", "content": "a"}}, {"text": "a"}, {"delta": None, "text": "a"}]
)
def test_message_or_text_in_place_of_the_delta_is_read_as_one(play: Play, choice: Any) -> None:
    assert play({"choices": [choice]}, DONE).text == "a"
    assert play(said("b"), {"choices": [{"index": 0} | choice]}, DONE).text == "ba"


def test_a_delta_wins_over_what_stands_beside_it(play: Play) -> None:
    outcome = play({"choices": [{"delta": {"content": "a"}, "message": {"content": "b"}, "text": "c"}]}, DONE)
    assert (outcome.text, outcome.extras) == ("a", [None])


@pytest.mark.parametrize("choice", [{"delta": "a"}, {"delta": []}, {"message": "a"}, {"text": 1}])
def test_a_delta_of_another_type_is_malformed(play: Play, choice: Any) -> None:
    assert isinstance(play({"choices": [choice]}).failure, UpstreamProtocolError)


def test_an_array_of_parts_is_joined(play: Play) -> None:
    parts = [{"type": "text", "text": "a"}, "b", {"type": "text", "text": ""}, {"type": "output_text", "text": "c"}]
    assert play(said(parts), DONE).events == [TextDelta("abc"), Finished("stop")]


def test_thinking_parts_are_reasoning_and_parts_without_text_are_counted(play: Play) -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "image_url"}, {"text": "a"}]
    outcome = play(said(parts), DONE)
    assert outcome.events == [ReasoningDelta("hm"), TextDelta("a"), Finished("stop")]
    assert outcome.anomalies == {"part_ignored": 1}


@pytest.mark.parametrize("content", [None, "", [], [""], [{"text": None}]])
def test_null_and_empty_content_are_nothing(play: Play, content: Any) -> None:
    assert play(said(content), said("a"), DONE).events == [TextDelta("a"), Finished("stop")]


@pytest.mark.parametrize(
    "content", [1, 0, True, False, {}, {"text": "a"}, [1], [["a"]], [{"text": 1}], [{"thinking": 1}]]
)
def test_content_of_another_type_is_malformed(play: Play, content: Any) -> None:
    assert isinstance(play(said("a"), said(content)).failure, UpstreamProtocolError)
    assert isinstance(play(said("a"), delta(content=content, reasoning_content="b")).failure, UpstreamProtocolError)


def test_content_and_finish_in_one_chunk_are_a_delta_then_a_finish(play: Play) -> None:
    assert play(said("a", finish_reason="length")).events == [TextDelta("a"), Finished("length")]


@pytest.mark.parametrize("reason", ["", "null", None, " NULL "])
def test_an_empty_finish_reason_is_none(play: Play, reason: Any) -> None:
    assert play(said("a", finish_reason=reason), said("b", finish_reason=reason), DONE).finish == ["stop"]


@pytest.mark.parametrize("reason", [1, True, {}, ["stop"]])
def test_a_finish_reason_of_another_type_is_malformed(play: Play, reason: Any) -> None:
    assert isinstance(play(said("a", finish_reason=reason)).failure, UpstreamProtocolError)


@pytest.mark.parametrize(
    ("word", "told"), [("end_turn", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter")]
)
def test_finish_words_are_read_by_the_table(play: Play, word: str, told: str) -> None:
    assert play(said("a"), finish(word)).finish == [told]


def test_an_unknown_finish_word_is_length_and_counted(play: Play) -> None:
    outcome = play(said("a"), finish("because"))
    assert (outcome.finish, outcome.anomalies) == (["length"], {"unknown_finish": 1})


def test_finish_in_every_chunk_is_told_once_and_the_last_one_wins(play: Play) -> None:
    chunks = [said(text, finish_reason="stop") | {"usage": USAGE} for text in "abc"]
    outcome = play(*chunks, finish("length"), DONE)
    assert (outcome.text, outcome.finish) == ("abc", ["length"])
    assert outcome.anomalies == {"finish_repeated": 3, "content_after_finish": 2}


def test_content_after_a_finish_is_told_before_it_and_counted(play: Play) -> None:
    outcome = play(said("a"), finish("stop"), said("b"), DONE)
    assert outcome.events == [TextDelta("a"), TextDelta("b"), Finished("stop")]
    assert outcome.anomalies == {"content_after_finish": 1}


def test_what_follows_the_end_is_dropped_and_counted(play: Play) -> None:
    outcome = play(finish("stop"), usage(USAGE), said("late"), '{"error":{"message":"late"}}', DONE, said("ignored"))
    assert outcome.events == [Usage(9, 2, 11), Finished("stop")]
    assert outcome.anomalies == {"after_end": 2, "empty": 1}


def test_a_finish_without_text_or_calls_is_the_empty_answer_and_counted(play: Play) -> None:
    outcome = play(delta(role="assistant", content=""), finish("stop"), DONE)
    assert (outcome.events, outcome.anomalies) == ([Finished("stop")], {"empty": 1})
    assert play(said("\n"), finish("stop"), DONE, think_tags=True).anomalies == {}
    assert play(finish("stop"), DONE, think_tags=True).anomalies == {"empty": 1}


@pytest.mark.parametrize(
    "keys",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning": "hm", "reasoning_content": "hm"},
        {"reasoning": "hm", "reasoning_content": None, "content": None},
        {"reasoning_content": "", "reasoning": "hm", "content": ""},
        {"reasoning_content": [{"text": "hm"}]},
    ],
)
def test_reasoning_is_read_under_both_names_and_once(play: Play, keys: Any) -> None:
    outcome = play(delta(role="assistant"), delta(**keys), said("a"), DONE)
    assert outcome.events == [ReasoningDelta("hm"), TextDelta("a"), Finished("stop")]


def test_reasoning_comes_before_the_text_of_the_same_chunk(play: Play) -> None:
    events = play(delta(content="a", reasoning="hm"), DONE).events
    assert events == [ReasoningDelta("hm"), TextDelta("a"), Finished("stop")]


def test_an_object_in_place_of_reasoning_does_not_cost_the_answer(play: Play) -> None:
    outcome = play(delta(content="a", reasoning={"effort": "low"}), DONE)
    assert (outcome.text, outcome.anomalies) == ("a", {"part_ignored": 1})


def test_a_refusal_is_told_as_one(play: Play) -> None:
    outcome = play(delta(content=None, refusal="No"), delta(refusal="."), finish("stop"))
    assert outcome.events == [RefusalDelta("No"), RefusalDelta("."), Finished("stop")]


@pytest.mark.parametrize("field", ["content", "reasoning_content", "refusal"])
def test_snapshots_tell_what_extends_the_last_one(play: Play, field: str) -> None:
    chunks = [delta(**{field: text}) for text in ("a", "ab", "ab", "", "abaab")]
    outcome = play(*chunks, DONE, text="snapshot")
    assert outcome.text + outcome.reasoning + outcome.refusal == "abaab"
    assert len(outcome.events) == 4


@pytest.mark.parametrize("text", ["a", "b", "xab"])
def test_a_snapshot_that_is_no_extension_is_malformed(play: Play, text: str) -> None:
    outcome = play(said("ab"), said(text), text="snapshot")
    assert isinstance(outcome.failure, UpstreamProtocolError)
    assert outcome.events == [TextDelta("ab")]


def test_repeated_text_is_never_taken_for_a_snapshot(play: Play) -> None:
    """`ha`, `ha`, `haha` is how models laugh."""
    assert play(said("ha"), said("ha"), said("haha"), DONE).text == "hahahaha"


def test_think_tags_are_reasoning_only_where_configured(play: Play) -> None:
    chunks = [said(text) for text in ("<th", "ink>h", "m</thi", "nk>\n\n", "a <think>")]
    outcome = play(*chunks, DONE, think_tags=True)
    assert (outcome.reasoning, outcome.text) == ("hm", "a <think>")
    assert play(*chunks, DONE).text == "<think>hm</think>\n\na <think>"


def test_what_was_held_as_a_possible_tag_is_told_at_the_end_and_before_a_call(play: Play) -> None:
    assert play(said("<thin"), DONE, think_tags=True).events == [TextDelta("<thin"), Finished("stop")]
    assert play(said("<think>x</"), DONE, think_tags=True).reasoning == "x</"
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}
    events = play(said("<t"), delta(tool_calls=[call]), DONE, think_tags=True).events
    assert [type(event).__name__ for event in events] == ["TextDelta", "ToolCallDelta", "Finished"]
