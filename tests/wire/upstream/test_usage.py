"""Token counts: the last whole ones are told, and what counts nothing is no count."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.wire.events import Usage

Play = Callable[..., Any]

DONE = "[DONE]"
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
LAST = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def said(text: Any, **choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None, **choice}]}


def delta(**keys: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": keys, "finish_reason": None}]}


def finish(reason: Any, **chunk: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], **chunk}


def usage(counts: Any) -> dict[str, Any]:
    return {"choices": [], "usage": counts}


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([said("a") | {"usage": USAGE}, said("b") | {"usage": LAST}, finish("stop")], id="per chunk"),
        pytest.param([said("a"), finish("stop", usage=LAST)], id="in the finish chunk"),
        pytest.param([said("a"), finish("stop"), delta() | {"usage": LAST}], id="with an empty delta"),
        pytest.param([said("a"), finish("stop"), usage(LAST)], id="after the finish"),
        pytest.param([said("a"), usage(LAST), finish("stop")], id="before the finish"),
        pytest.param([said("a") | {"usage": USAGE}, finish("stop", usage=USAGE), usage(LAST)], id="everywhere"),
        pytest.param([said("a"), finish("stop", usage=LAST), usage({"prompt_tokens": 9})], id="then a part of one"),
        pytest.param([said("a"), finish("stop", usage=LAST), usage(None)], id="then null"),
        pytest.param([said("a"), {"choices": [{"finish_reason": "stop", "usage": LAST}]}], id="in the choice"),
    ],
)
def test_of_usage_the_last_whole_one_is_told(play: Play, chunks: list[Any]) -> None:
    assert play(*chunks, DONE).usage == [(9, 3, 12)]


def test_other_names_for_token_counts_are_mapped_and_a_missing_total_is_the_sum(play: Play) -> None:
    counts = {"input_tokens": 4, "output_tokens": 3.0, "input_tokens_details": {"cached_tokens": 1, "x": None}}
    assert play(said("a"), finish("stop"), usage(counts)).events[-2] == Usage(4, 3, 7, {"cached_tokens": 1}, None)


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, id="zeros though text came"),
        pytest.param({"prompt_tokens": -1, "completion_tokens": 2}, id="negative"),
        pytest.param({"prompt_tokens": "9", "completion_tokens": "2"}, id="not numeric"),
        pytest.param({"prompt_tokens": True, "completion_tokens": True}, id="booleans"),
        pytest.param({"prompt_tokens": 9}, id="half"),
        pytest.param({}, id="empty"),
        pytest.param([], id="an array"),
    ],
)
def test_unusable_usage_is_absent(play: Play, counts: Any) -> None:
    assert play(said("a") | {"usage": counts}, finish("stop"), usage(counts), DONE).usage == []


def test_zeros_before_the_first_text_are_no_usage_of_it(play: Play) -> None:
    zeros = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}
    assert play(delta(role="assistant") | {"usage": zeros}, said("a"), finish("stop"), DONE).usage == []


def test_zero_completion_tokens_are_the_count_of_an_empty_answer(play: Play) -> None:
    zeros = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}
    assert play(finish("stop"), usage(zeros), DONE).usage == [(9, 0, 9)]
