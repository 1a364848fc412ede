"""Every dialect in the table keeps every law; the laws themselves are in `laws`."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dialects import DialectOptions, Toolset
from tests.dialects import laws
from tests.dialects.worlds import (
    PROSE,
    TEXT_DIALECTS,
    TOOLSET,
    TRICKY,
    Call,
    cut,
    dumped,
    fragments,
    merged,
    run,
    small_steps,
    strings,
    text_of_call,
    tool,
    worlds,
)

cuts = st.lists(st.integers(0, 400), max_size=12)
finishes = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])
HOW_MANY = pytest.mark.parametrize(
    "examples", [pytest.param(60, id="some"), pytest.param(10_000, id="many", marks=pytest.mark.deep)]
)
every_dialect = pytest.mark.parametrize("dialect", TEXT_DIALECTS)
OTHERS = Toolset((tool("elsewhere", title="string"), tool("nowhere")))


def law(*strategies: st.SearchStrategy[object]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Try it on some examples, and under the mark `deep` on very many; for every dialect."""

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        def tried(dialect: str, examples: int) -> None:
            trial = given(st.tuples(*strategies))(lambda drawn: check(dialect, *drawn))
            settings(max_examples=examples, deadline=None)(trial)()

        tried.__doc__ = check.__doc__
        return every_dialect(HOW_MANY(tried))

    return decorate


@law(fragments, cuts, finishes)
def test_a_split_means_nothing(dialect, text, at, finish):
    laws.split_means_nothing(dialect, TOOLSET, text, at, finish)


@law(fragments, cuts, cuts)
def test_bytes_may_be_cut_anywhere(dialect, text, at, byte_cuts):
    laws.bytes_may_be_cut_anywhere(dialect, TOOLSET, text, at, byte_cuts)


@law(worlds(), cuts)
def test_a_split_of_calls_means_nothing(dialect, world, at):
    toolset, calls = world
    text = "".join(text_of_call(dialect, name, dumped(arguments)) for name, arguments in calls)
    laws.split_means_nothing(dialect, toolset, text, at, "stop")


@law(fragments, cuts, finishes)
def test_no_character_is_lost(dialect, text, at, finish):
    laws.nothing_is_lost(dialect, TOOLSET, text, at, finish)


@law(worlds(), st.lists(PROSE, min_size=4, max_size=4), cuts)
def test_text_around_calls_stays(dialect, world, texts, at):
    toolset, calls = world
    laws.text_around_calls_stays(dialect, toolset, calls, texts, at)


@law(st.lists(st.one_of(PROSE, st.sampled_from([" ", "\n", ". "])), min_size=1))
def test_plain_text_flows(dialect, pieces):
    laws.plain_text_flows(dialect, TOOLSET, pieces)


@law(fragments)
def test_nothing_is_held_beyond_the_end(dialect, text):
    laws.nothing_is_held_beyond_the_end(dialect, TOOLSET, text)


@law(worlds(), cuts)
def test_undeclared_tools_are_text(dialect, world, at):
    laws.undeclared_tools_are_text(dialect, world[1], OTHERS, at)


@law(worlds(calls=1), st.integers(0, 300), finishes, cuts)
def test_no_half_call_is_told_as_whole(dialect, world, end, finish, at):
    toolset, [call] = world
    laws.no_half_call(dialect, toolset, call, end=end, finish=finish, at=at)


@law(fragments, cuts)
def test_calls_are_objects_for_declared_tools(dialect, text, at):
    laws.arguments_are_objects_of_declared_tools(dialect, TOOLSET, text, at)


@law(worlds(), cuts)
def test_what_is_written_is_read_back(dialect, world, at):
    toolset, calls = world
    laws.round_trip(dialect, toolset, calls, at)


options = st.builds(
    DialectOptions,
    reasoning_tags=st.booleans(),
    reasoning_preopened=st.booleans(),
    fences=st.sampled_from(["", "whole", "text", "calls"]),
    entities=st.sampled_from(["", "raw", "xml"]),
    max_call_bytes=st.sampled_from([16, 64, 4096]),
    final=st.booleans(),
)


@law(fragments, cuts, options)
def test_no_events_make_a_decoder_raise(dialect, text, at, how):
    laws.any_events_will_do(dialect, TOOLSET, text, at, how)


@law(fragments, cuts, options, finishes)
def test_a_split_means_nothing_whatever_is_configured(dialect, text, at, how, finish):
    """A limit that is met, a fence, a tag: each where it stands in the text, not where a piece ends."""
    whole = merged(run(dialect, TOOLSET, [text], finish, how))

    assert merged(run(dialect, TOOLSET, cut(text, at), finish, how)) == whole


@law(worlds())
def test_the_words_about_tools_are_always_the_same(dialect, world):
    laws.block_is_stable(dialect, world[0])


@law(st.one_of(strings, st.sampled_from(["[]", "3", "", "{", '{"a":1'])))
def test_a_history_may_hold_any_arguments(dialect, arguments):
    laws.arguments_that_are_no_object_can_be_told(dialect, "note", arguments)


@every_dialect
@pytest.mark.parametrize("value", TRICKY)
def test_a_tricky_string_comes_back_from_every_split(dialect, value):
    call: Call = ("note", {"title": value, "body": f"a{value}b"})
    text = text_of_call(dialect, call[0], dumped(call[1]))
    laws.round_trip(dialect, TOOLSET, [call, call], [])
    for pieces in small_steps(text):
        assert merged(run(dialect, TOOLSET, pieces)) == merged(run(dialect, TOOLSET, [text]))


@every_dialect
@pytest.mark.parametrize("value", TRICKY)
def test_a_tricky_string_inside_a_list_comes_back(dialect, value):
    """Markup may stand in JSON, too."""
    call: Call = ("pick", {"n": 3, "ids": [value, {value: f"a{value}"}]})
    laws.round_trip(dialect, TOOLSET, [call, call], [])


# --- law 9

HOSTILE = (
    "{",
    "[",
    "<",
    "`",
    " ",
    "\n",
    '{"',
    '{"a":',
    "[{",
    "```\n",
    "~~~",
    "<think>",
    "tool_call:",
    "{'",
    "</",
    '"',
    "\\",
)


def hostile_texts(dialect: str) -> list[str]:
    """Beginnings of calls, to be repeated."""
    call = text_of_call(dialect, "note", '{"title":"a","body":"b"}')
    return [*HOSTILE, *{call[:end] for end in range(3, len(call), 5)}, call[:-1], call]


@every_dialect
def test_time_grows_with_the_text(dialect):
    for piece in hostile_texts(dialect):
        laws.time_is_linear(dialect, TOOLSET, lambda size, piece=piece: piece * (size // len(piece)), 1000, 2_000)


@every_dialect
def test_time_grows_with_a_call_that_comes_in_small_pieces(dialect):
    def long_call(size: int) -> str:
        return text_of_call(dialect, "note", dumped({"body": "word <b> {x} \n" * (size // 14)}))

    laws.time_is_linear(dialect, TOOLSET, long_call, 20, 8_000)


@every_dialect
@pytest.mark.parametrize("how", ["a call", "white space", "brackets"])
def test_memory_is_bounded(dialect, how):
    size = 100_000
    text = {
        "a call": text_of_call(dialect, "note", dumped({"body": "word " * (size // 5)}))[:-4],
        "white space": " " * size,
        "brackets": "[{" * (size // 2),
    }[how]
    laws.memory_is_bounded(dialect, TOOLSET, text, 4096)


@pytest.mark.deep
@every_dialect
def test_eight_mebibytes_of_hostile_text_take_eight_times_one(dialect):
    """Besides, they take two seconds for what is likely to come: brackets, tags, deep nesting."""
    size = 1024 * 1024
    for piece in ("{", "[", "<", '{"a":', "[{", "\n", *hostile_texts(dialect)[-3:]):
        laws.time_is_linear(dialect, TOOLSET, lambda size, piece=piece: piece * (size // len(piece)), 65_536, size)
