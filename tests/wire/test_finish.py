"""Finish reasons: every word, and what tool calls make of them."""

import pytest

from proxy.errors import UpstreamTruncated
from proxy.wire.finish import FAILED, FINISH_WORDS, UNKNOWN_MEANS, names_no_finish, read_finish, settle_finish

WORDS = {
    "stop": "stop end_turn stop_sequence eos eos_token completed complete finished",
    "length": "length max_tokens max_output_tokens model_length token_limit incomplete truncated",
    "content_filter": "content_filter safety sensitive moderation blocked recitation refusal",
    "tool_calls": "tool_calls tool_use function_call",
    FAILED: ("error failed abort aborted cancelled network_error insufficient_system_resource malformed_function_call"),
}


@pytest.mark.parametrize(("word", "meaning"), [(word, to) for to, words in WORDS.items() for word in words.split()])
def test_every_word_has_its_meaning_in_any_case(word: str, meaning: str) -> None:
    assert {read_finish(word), read_finish(word.upper()), read_finish(f" {word.title()} ")} == {meaning}


def test_no_word_is_known_beyond_the_table() -> None:
    assert set(FINISH_WORDS) == {word for words in WORDS.values() for word in words.split()}


def test_an_unknown_word_is_told_apart_and_read_as_length() -> None:
    assert (read_finish("because"), UNKNOWN_MEANS) == (None, "length")


@pytest.mark.parametrize("word", ["", " ", "null", "NULL", "None"])
def test_the_empty_words_mean_that_there_is_no_finish_yet(word: str) -> None:
    assert names_no_finish(word)


@pytest.mark.parametrize("word", ["stop", "nothing", "error"])
def test_other_words_do_not(word: str) -> None:
    assert not names_no_finish(word)


@pytest.mark.parametrize(
    ("reason", "calls_whole", "calls_cut", "told"),
    [
        ("stop", False, False, "stop"),
        ("stop", True, False, "tool_calls"),
        ("stop", False, True, "length"),
        ("stop", True, True, "length"),
        (None, False, False, "stop"),
        (None, True, False, "tool_calls"),
        ("tool_calls", False, False, "tool_calls"),
        ("tool_calls", True, False, "tool_calls"),
        ("tool_calls", False, True, "length"),
        ("tool_calls", True, True, "length"),
        ("length", False, False, "length"),
        ("length", True, False, "length"),
        ("length", False, True, "length"),
        ("length", True, True, "length"),
        ("content_filter", False, False, "content_filter"),
        ("content_filter", True, False, "content_filter"),
        ("content_filter", False, True, "content_filter"),
        ("content_filter", True, True, "content_filter"),
    ],
)
def test_calls_override_stop_alone_and_a_cut_call_is_never_told_as_whole(
    reason: str | None, told: str, *, calls_whole: bool, calls_cut: bool
) -> None:
    assert settle_finish(reason, calls_whole=calls_whole, calls_cut=calls_cut) == told


@pytest.mark.parametrize("calls_whole", [True, False])
def test_a_cut_call_without_any_finish_reason_is_a_truncated_answer(*, calls_whole: bool) -> None:
    with pytest.raises(UpstreamTruncated):
        settle_finish(None, calls_whole=calls_whole, calls_cut=True)
