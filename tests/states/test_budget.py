"""A budget in a walk: what is refused, what is trimmed, and what the caller and the log are told of it."""

import pytest

from proxy.observe.request_line import request_fields
from proxy.testing.play import Play
from proxy.testing.script import Upstream
from proxy.testing.sessions import FakeSessionStore
from proxy.testing.walk import path


class Fresh(FakeSessionStore):
    """Every conversation is told anew."""

    async def take(self, *args, **kwargs):
        conversation = await super().take(*args, **kwargs)
        conversation.forget()
        return conversation


HELLO = Upstream.answers("Hello.")
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "first " * 100},
    {"role": "assistant", "content": "one " * 100},
    {"role": "user", "content": "second " * 100},
    {"role": "assistant", "content": "two " * 100},
    {"role": "user", "content": "And now?"},
]
TIGHT = {"max_input_tokens": 150}
TRIMMED = {**TIGHT, "budget": {"trim": "oldest", "keep_messages": 1}}


def told_headers(x):
    return x.exchange.client.headers


async def test_over_the_budget_nothing_is_sent(play: Play):
    x = await play(HELLO, body={"messages": TALK}, model=TIGHT)

    assert path(x) == "validate auth session invalid_request"
    assert (x.status, x.code, x.turns) == (400, "context_length_exceeded", [])
    assert "available input budget (" in x.error["message"]
    assert "> 150)" in x.error["message"]


async def test_with_trimming_the_oldest_turns_are_left_out_and_that_is_told(play: Play):
    x = await play(HELLO, body={"messages": TALK}, model=TRIMMED, sessions=Fresh)
    (turn,) = x.turns

    assert [each["content"] for each in turn.request.messages] == ["Be brief.", "And now?"]
    assert turn.request.body["messages"] == turn.request.messages
    assert told_headers(x)["x-trimmed-messages"] == "4"
    assert x.exchange.request.messages == TALK
    fields = request_fields(x.exchange)
    assert (fields["trimmed"], fields["available_tokens"], fields["summary"]) == (4, 150, False)
    assert fields["input_tokens"] <= 150


async def test_a_summary_stands_after_the_operators_words(play: Play):
    budget = {"trim": "oldest", "keep_messages": 1, "summary": True, "summary_max_chars": 100}
    x = await play(HELLO, body={"messages": [
        TALK[0], {"role": "user", "content": "first " * 90}, {"role": "assistant", "content": "Yes."}, TALK[-1]
    ]}, model={"max_input_tokens": 80, "budget": budget}, sessions=Fresh)  # fmt: skip
    (turn,) = x.turns

    assert [each["role"] for each in turn.request.messages] == ["system", "system", "user"]
    assert turn.request.messages[1]["content"] == "[Summary of earlier turns]\nAssistant: Yes."


async def test_a_limit_of_output_is_lowered_without_an_error(play: Play):
    x = await play(HELLO, body={"max_tokens": 500}, model={"max_output_tokens": 100})

    assert x.status == 200
    assert x.turns[0].max_output_tokens == 100
    assert request_fields(x.exchange)["output_clamped"] is True


async def test_a_candidate_that_can_take_it_is_asked_first(play: Play):
    x = await play(HELLO, body={"messages": TALK}, model=TIGHT, fallbacks=[Upstream.answers("Spare.")])

    assert (x.text, x.attempts) == ("Spare.", ["spare-1:answered"])


@pytest.mark.parametrize("model", [{}, {"max_input_tokens": 100_000}])
async def test_what_surely_fits_is_told_as_it_came(play: Play, model):
    x = await play(HELLO, body={"messages": TALK}, model=model)

    assert x.turns[0].request is x.exchange.request
    assert "x-trimmed-messages" not in told_headers(x)
