"""What may be sent where a request may go to several upstreams, and histories that end with nothing to answer."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import RequestRejected
from proxy.wire.request import ChatRequest, ModelRules, common_rules

OPENAI = ModelRules(openai=True, require_user=False)
IMAGES = ModelRules(
    content_parts=frozenset({"image_url", "file"}), honoured=frozenset({"seed", "top_p"}), refused=frozenset({"a"})
)
FILES = ModelRules(
    content_parts=frozenset({"file"}),
    honoured=frozenset({"seed"}),
    refused=frozenset({"b"}),
    id_fields=frozenset({"x"}),
    needs_new_text=True,
)


def test_one_upstream_has_its_own_rules() -> None:
    assert common_rules([IMAGES], require_user=False) == ModelRules(
        require_user=False,
        content_parts=IMAGES.content_parts,
        honoured=IMAGES.honoured,
        refused=IMAGES.refused,
    )


@pytest.mark.parametrize("others", [[], [OPENAI]])
def test_several_take_what_each_of_them_takes(others: list[ModelRules]) -> None:
    assert common_rules([IMAGES, *others, FILES], require_user=True) == ModelRules(
        content_parts=frozenset({"file"}),
        honoured=frozenset({"seed"}),
        refused=frozenset({"a", "b"}),
        id_fields=frozenset({"x"}),
        needs_new_text=True,
    )


def test_several_that_pass_everything_on_pass_everything_on() -> None:
    assert common_rules([OPENAI, OPENAI], require_user=False) == OPENAI


USER, ASSISTANT = {"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Yes?"}
SILENT = {"role": "user", "content": [{"type": "text", "text": " "}]}
PART = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}
CALLS = {
    "role": "assistant",
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "c", "content": ""}
SYSTEM = {"role": "system", "content": "Go on."}


@pytest.mark.parametrize(
    ("messages", "passes"),
    [
        ([USER], True),
        ([USER, ASSISTANT], False),
        ([USER, ASSISTANT, SILENT], False),
        ([SILENT], False),
        ([SYSTEM, SILENT], False),
        ([USER, SYSTEM], True),
        ([USER, ASSISTANT, SYSTEM], True),
        ([USER, ASSISTANT, SYSTEM, SILENT], True),
        ([USER, CALLS, RESULT], True),
        ([USER, ASSISTANT, PART], True),
        ([PART], True),
    ],
)
def test_where_only_news_are_told_there_must_be_some(
    chat: Callable[..., ChatRequest], messages: list[Any], *, passes: bool
) -> None:
    rules = ModelRules(needs_new_text=True, any_part=True)
    if passes:
        assert chat(rules, messages=messages).messages
        return
    with pytest.raises(RequestRejected) as refused:
        chat(rules, messages=messages)
    assert (refused.value.told_code, refused.value.param) == ("invalid_value", "messages")
    assert chat(ModelRules(any_part=True), messages=messages).messages
