"""What the tests of requests share."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import RequestRejected
from proxy.wire.request import ChatRequest, ModelRules, check_chat

Json = dict[str, Any]


@pytest.fixture
def openai() -> ModelRules:
    """A model of an upstream that speaks Chat Completions itself."""
    return ModelRules(openai=True, require_user=False)


@pytest.fixture
def elsewhere() -> ModelRules:
    """A model of any other upstream, which takes text only."""
    return ModelRules()


@pytest.fixture
def chat(openai: ModelRules) -> Callable[..., ChatRequest]:
    """Check a body that has these members besides model and messages."""

    def checked(rules: ModelRules = openai, **members: Any) -> ChatRequest:
        return check_chat({"model": "demo", "messages": [{"role": "user", "content": "Hi."}], **members}, rules)

    return checked


@pytest.fixture
def refusal(chat: Callable[..., ChatRequest]) -> Callable[..., RequestRejected]:
    """The error of a body that has these members besides model and messages."""

    def refused(*args: ModelRules, **members: Any) -> RequestRejected:
        with pytest.raises(RequestRejected) as caught:
            chat(*args, **members)
        return caught.value

    return refused
