"""The old text form of a request."""

from typing import Any

import pytest

from proxy.errors import RequestRejected
from proxy.wire.request import ModelRules, check_chat, completions_to_chat

Json = dict[str, Any]


@pytest.mark.parametrize("prompt", ["Say hi.", ["Say hi."]])
def test_a_prompt_becomes_one_user_message(prompt: Any, elsewhere: ModelRules) -> None:
    body = completions_to_chat({"model": "m", "prompt": prompt, "max_tokens": 5, "stream": True, "new": 1})

    assert body == {
        "model": "m",
        "max_tokens": 5,
        "stream": True,
        "new": 1,
        "messages": [{"role": "user", "content": "Say hi."}],
    }
    assert check_chat(body, elsewhere).last_user_text == "Say hi."


@pytest.mark.parametrize("prompt", [[], ["a", "b"], [1, 2], [[1, 2]], [1], 5, True, {}, ["a", 5], [None]])
def test_any_other_prompt_is_unsupported(prompt: Any) -> None:
    with pytest.raises(RequestRejected) as caught:
        completions_to_chat({"model": "m", "prompt": prompt})

    assert (caught.value.told_code, caught.value.param) == ("unsupported_value", "prompt")


WITHOUT: list[tuple[str, Any]] = [
    ("echo", True),
    ("suffix", "the end"),
    ("suffix", ""),
    ("best_of", 2),
    ("logprobs", 0),
    ("logprobs", 5),
    ("logprobs", True),
    ("tools", [{"type": "function", "function": {"name": "f"}}]),
    ("functions", [{"name": "f"}]),
    ("messages", [{"role": "user", "content": "x"}]),
]


@pytest.mark.parametrize(("name", "value"), WITHOUT)
def test_what_chat_has_no_counterpart_of_is_refused(name: str, value: Any) -> None:
    with pytest.raises(RequestRejected) as caught:
        completions_to_chat({"model": "m", "prompt": "x", name: value})

    assert (caught.value.told_code, caught.value.param) == ("unsupported_parameter", name)


@pytest.mark.parametrize(
    "nothing", [{"echo": False}, {"suffix": None}, {"best_of": 1}, {"best_of": None}, {"logprobs": None}, {"tools": []}]
)
def test_what_asks_for_nothing_is_left_out(nothing: Json) -> None:
    assert completions_to_chat({"model": "m", "prompt": "x", **nothing}) == completions_to_chat(
        {"model": "m", "prompt": "x"}
    )


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "missing_required_parameter", "model"),
        ({"model": 5, "prompt": 5}, "invalid_type", "model"),
        ({"model": "m"}, "missing_required_parameter", "prompt"),
        ({"model": "m", "prompt": None, "echo": True}, "missing_required_parameter", "prompt"),
        ({"model": "m", "prompt": "x", "best_of": "2"}, "invalid_type", "best_of"),
        ({"model": "m", "prompt": "x", "best_of": 0}, "integer_below_min_value", "best_of"),
    ],
)
def test_the_model_is_checked_first_and_the_prompt_second(body: Json, code: str, param: str) -> None:
    with pytest.raises(RequestRejected) as caught:
        completions_to_chat(body)

    assert (caught.value.told_code, caught.value.param) == (code, param)
