"""Estimating usage where the upstream did not count."""

import pytest

from proxy.wire.answer import Answer, estimate_tokens, estimate_usage
from proxy.wire.events import ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta, Usage


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("你好", 2), ("你a", 2), ("é" * 3 + "abcdefgh", 5), ("\ud800", 1)],
)
def test_four_ascii_characters_or_one_other_are_a_token(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


def test_everything_that_the_model_wrote_is_counted() -> None:
    answer = Answer()
    answer.fold(
        [
            ReasoningDelta("r" * 4),
            TextDelta("ab"),
            TextDelta("cd"),
            RefusalDelta("n" * 4),
            ToolCallDelta(0, "not counted", "name", ""),
            ToolCallDelta(0, None, None, '{"a":1}'),
            TextDelta("x" * 8, 1),
        ]
    )

    assert estimate_usage(answer, prompt_tokens=10) == Usage(10, 8, 18, estimated=True)


def test_an_empty_answer_is_no_tokens() -> None:
    assert estimate_usage(Answer(), 3) == Usage(3, 0, 3, estimated=True)
