"""Emulation: stop strings and single calls, wherever the upstream cuts its text."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.emulation import Emulation, overlap
from proxy.dialects.native import NativeDecoder
from proxy.wire.events import Finished, ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta, Usage


def emulation(*stop: str, single_call: bool = False) -> Emulation:
    return Emulation(NativeDecoder(), stop=stop, single_call=single_call)


def run(decoder: Emulation, events: Sequence[StreamEvent]) -> list[StreamEvent]:
    out: list[StreamEvent] = []
    for event in events:
        out += decoder.feed([event])
    return [*out, *decoder.end()]


def text_of(events: Sequence[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def cut_by_hand(text: str, stop: Sequence[str]) -> str:
    """The stop string that is whole first ends the text; of two that are whole at once, the longer."""
    for end in range(1, len(text) + 1):
        starts = [end - len(each) for each in stop if text[:end].endswith(each)]
        if starts:
            return text[: min(starts)]
    return text


letters = st.text("aBc-é", max_size=30)
stops = st.lists(st.text("aBc-é", min_size=1, max_size=5), min_size=1, max_size=4)


@given(text=letters, stop=stops, cuts=st.sets(st.integers(0, 30), max_size=12))
def test_text_ends_before_the_first_stop_string_wherever_it_is_cut(text: str, stop: list[str], cuts: set[int]) -> None:
    """The pieces that the upstream makes of its text mean nothing."""
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(edges)]
    decoder = emulation(*stop)
    out = run(decoder, [TextDelta(piece) for piece in pieces if piece])

    assert text_of(out) == cut_by_hand(text, stop)
    assert decoder.cut == (cut_by_hand(text, stop) != text)
    assert all(event.text for event in out if isinstance(event, TextDelta)), "no empty deltas"


@given(text=letters, stop=stops)
def test_what_has_left_can_never_become_part_of_a_stop_string(text: str, stop: list[str]) -> None:
    decoder = emulation(*stop)
    left = ""
    for position, letter in enumerate(text):
        left += text_of(decoder.feed([TextDelta(letter)]))
        if decoder.cut:
            break
        for each in stop:
            for size in range(1, len(each)):
                may_come = text[: position + 1].endswith(each[:size])
                assert not may_come or len(left) <= position + 1 - size


@given(text=letters, stop=stops)
def test_no_more_is_held_back_than_may_become_one(text: str, stop: list[str]) -> None:
    decoder = emulation(*stop)
    left = text_of(decoder.feed([TextDelta(text)])) if text else ""
    held = len(text) - len(left)

    assert decoder.cut or held < max(len(each) for each in stop)


@given(text=letters, stop=stops)
def test_an_overlap_is_the_longest_end_that_begins_a_stop_string(text: str, stop: list[str]) -> None:
    for each in stop:
        sizes = [size for size in range(1, len(each)) if text.endswith(each[:size])]
        assert overlap(text, each) == max(sizes, default=0)


def test_the_cut_is_a_finish() -> None:
    decoder = emulation("END")
    out = decoder.feed([TextDelta("One END two"), TextDelta("three")])

    assert out == [TextDelta("One "), Finished("stop")]
    assert decoder.feed([TextDelta("four")]) == []
    assert decoder.end() == []


def test_text_that_is_nothing_but_a_stop_string_leaves_no_delta() -> None:
    assert run(emulation("END"), [TextDelta("EN"), TextDelta("D")]) == [Finished("stop")]


def test_a_finish_lets_go_of_what_was_held() -> None:
    out = run(emulation("END"), [TextDelta("One EN"), Usage(1, 2, 3), Finished("length")])

    assert out == [TextDelta("One "), Usage(1, 2, 3), TextDelta("EN"), Finished("length")]


def test_a_call_lets_go_of_what_was_held() -> None:
    """It comes after that text, and text can't stop an answer that went on."""
    call = ToolCallDelta(0, "call_1", "now", "{}")
    out = run(emulation("END"), [TextDelta("One EN"), call])

    assert out == [TextDelta("One "), TextDelta("EN"), call]


def test_reasoning_is_not_looked_at() -> None:
    out = run(emulation("END"), [ReasoningDelta("END"), TextDelta("yes")])

    assert out == [ReasoningDelta("END"), TextDelta("yes")]


def test_arguments_are_not_looked_at() -> None:
    call = ToolCallDelta(0, "call_1", "now", '"END"')

    assert run(emulation("END"), [call]) == [call]


@pytest.mark.parametrize("follows", [TextDelta("Well?"), ToolCallDelta(1, "call_2", "place", "")])
def test_nothing_follows_a_single_call(follows: StreamEvent) -> None:
    call = ToolCallDelta(0, "call_1", "now", "{}")
    decoder = emulation(single_call=True)
    out = run(decoder, [TextDelta("One moment. "), call, ToolCallDelta(0, None, None, " "), follows])

    assert out == [TextDelta("One moment. "), call, ToolCallDelta(0, None, None, " "), Finished("tool_calls")]
    assert decoder.cut


def test_a_single_call_that_nothing_follows_ends_by_itself() -> None:
    call = ToolCallDelta(0, "call_1", "now", "{}")
    decoder = emulation(single_call=True)

    assert run(decoder, [call, Finished("tool_calls")]) == [call, Finished("tool_calls")]
    assert not decoder.cut


CALL = ToolCallDelta(0, "c", "f", "{}")


@pytest.mark.parametrize(
    ("decoder", "events", "blank"),
    [
        (emulation("\n\n"), [TextDelta("One.\n\n")], True),
        (emulation("\n\n"), [TextDelta("One.\n\n"), TextDelta(" \n"), Finished("stop")], True),
        (emulation("\n\n"), [TextDelta("One.\n\n Two")], False),
        (emulation("\n\n"), [TextDelta("One.\n\n"), TextDelta("Two")], False),
        (emulation("\n\n"), [TextDelta("One.\n\n"), CALL], False),
        (emulation("END"), [TextDelta("One.END")], False),
        (emulation(single_call=True), [CALL, TextDelta(" \n"), Finished("stop")], True),
        (emulation(single_call=True), [CALL, TextDelta("And")], False),
        (emulation(single_call=True), [CALL, CALL._replace(index=1)], False),
    ],
)
def test_whether_anything_of_weight_was_cut_off_is_known(
    decoder: Emulation, events: list[StreamEvent], *, blank: bool
) -> None:
    """An upstream that keeps the conversation keeps more than was told, if so."""
    run(decoder, events)

    assert (decoder.cut, decoder.cut_blank) == (True, blank)


def test_nothing_comes_of_what_is_fed_after_the_cut() -> None:
    decoder = emulation("END")
    decoder.feed([TextDelta("OneEND")])

    assert decoder.feed([TextDelta("Two"), CALL, Finished("stop")]) == []
