# ruff: noqa: RUF001 - texts in many scripts
"""Tokens by weight and by count; what is measured is the larger of the renderings."""

import pytest

from proxy.budget import estimate_tokens_of, o200k
from proxy.budget.estimate import weigh
from proxy.ports import Rendering

SAMPLES = {
    "English": "The quick brown fox jumps over the lazy dog, and nobody in the village could say why it did so.",
    "Chinese": "今天天气很好，我们一起去公园散步，然后在湖边吃午饭，下午再回家休息。",
    "Japanese": "今日はとても天気が良いので、公園を散歩してから湖のそばで昼ご飯を食べましょう。",
    "Korean": "오늘은 날씨가 아주 좋아서 공원을 산책한 다음 호숫가에서 점심을 먹기로 했습니다.",
    "Russian": "Сегодня очень хорошая погода, поэтому мы пойдём гулять в парк, а потом пообедаем у озера.",
    "Arabic": "الطقس جميل جدا اليوم لذلك سنتمشى في الحديقة ثم نتناول الغداء بجانب البحيرة.",
    "code": "def add(first: int, second: int) -> int:\n    return first + second\n\n\nprint(add(1, 2))\n",
    "JSON": '{"name": "read_file", "arguments": {"path": "/srv/data.txt", "lines": [1, 20]}, "id": 17}',
}


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("abcd", 1), ("a b ", 1), ("1234", 2), ("\n", 0.5), ("é", 0.5), ("й" * 4, 2), ("中文", 2), ("😀", 2),
     ("a1é中😀", 0.25 + 0.5 + 0.5 + 1 + 2), ("\ud800", 1)],
)  # fmt: skip
def test_a_text_weighs_what_its_characters_do(text, tokens):
    assert weigh([text]) == tokens


@pytest.mark.parametrize("sample", SAMPLES)
def test_weights_are_near_an_exact_count(sample):
    ratio = weigh([SAMPLES[sample]]) / o200k()([SAMPLES[sample]])

    assert 0.75 <= ratio <= 1.9


def test_special_words_of_a_vocabulary_are_text():
    assert o200k()(["<|endoftext|>"]) > 1


def test_entries_cost_and_the_whole_is_rounded_up():
    assert estimate_tokens_of([Rendering(["abcde"], 1)], weigh) == 6
    assert estimate_tokens_of([], weigh) == 0


def test_the_larger_rendering_counts_and_not_the_sum():
    """A site that gets a turn in two fields reads one of them."""
    renderings = [Rendering(["a" * 400]), Rendering(["a" * 396], 2)]

    assert estimate_tokens_of(renderings, weigh) == 107
