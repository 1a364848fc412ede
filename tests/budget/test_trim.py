"""What is left out of a request that is too long, and what never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.budget import fit, rendering_of
from proxy.budget.trim import (
    SHORTEST_CHARS,
    SUMMARY_LINE_CHARS,
    droppable_turns,
    first_that,
    shorten,
    summary_of,
    without_turns,
)
from proxy.config import load
from proxy.config.budget import Allowance
from proxy.errors import ContextLengthExceeded
from proxy.ports import Plan
from proxy.sessions.keys import tail_of
from proxy.wire.request import ModelRules, check_chat
from proxy.wire.shorten import shortened


def user(text):
    return {"role": "user", "content": text}


def assistant(text, *call_ids):
    calls = [{"id": each, "type": "function", "function": {"name": "f", "arguments": "{}"}} for each in call_ids]
    return {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {})}


def result(call_id, text):
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def system(text):
    return {"role": "system", "content": text}


texts = st.text(alphabet="ab 1中\n", max_size=400)


@st.composite
def turns(draw):
    """A user message, then answers, some with calls and all their results."""
    made = [user(draw(texts))]
    for _ in range(draw(st.integers(0, 3))):
        ids = [f"call_{draw(st.integers(0, 10**9))}_{n}" for n in range(draw(st.integers(0, 3)))]
        ids = list(dict.fromkeys(ids))
        made.append(assistant(draw(texts), *ids))
        made += [result(each, draw(texts)) for each in ids]
    return made


@st.composite
def conversations(draw):
    head = [system(draw(texts))] if draw(st.booleans()) else []
    talk = [message for turn in draw(st.lists(turns(), min_size=1, max_size=6)) for message in turn]
    if talk[-1]["role"] != "tool":
        talk.append(user(draw(texts)))
    return [*head, *talk]


def request_of(messages):
    return check_chat({"model": "m", "messages": messages}, ModelRules(openai=True))


def pairs_are_whole(messages):
    """No result without its call, no call without all its results."""
    open_ids: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] in open_ids
            open_ids.discard(message["tool_call_id"])
        else:
            assert not open_ids
            open_ids = {call["id"] for call in message.get("tool_calls", ())}
    assert not open_ids


@given(conversations(), st.integers(1, 1500), st.integers(0, 8), st.booleans())
def test_after_trimming_pairs_are_whole_and_the_rest_is_as_promised(messages, available, keep, summary):
    allowed = Allowance(
        window_tokens=10_000,
        max_input_tokens=available,
        max_output_tokens=1,
        trim="oldest",
        keep_messages=keep,
        summary=summary,
    )
    request, tail = request_of(messages), tail_of(messages)
    try:
        done = fit(request, Plan(None, tail), allowed, rendering_of, always=True)
    except ContextLengthExceeded:
        return

    kept = done.request.messages
    assert done.input_tokens <= available
    pairs_are_whole(kept)
    assert next(each for each in kept if each["role"] != "system")["role"] == "user"
    assert [each for each in messages if each["role"] == "system"] == [
        each for each in kept if each["role"] == "system"
    ]
    assert [each["role"] for each in kept[done.plan.tail :]] == [each["role"] for each in messages[tail:]]
    last = next(each for each in reversed(messages) if each["role"] == "user")
    assert next(each for each in reversed(kept) if each["role"] == "user") == last
    assert len(messages) - len(kept) == done.trimmed
    assert len(kept) >= min(keep, len(messages))
    assert request.messages == messages, "the caller's own are untouched"


@given(st.text(max_size=500), st.integers(SHORTEST_CHARS, 400))
def test_a_shortened_text_has_its_head_its_tail_and_says_how_much_is_missing(text, keep):
    short = shortened(text, keep)
    if short == text:
        return
    head, mark, tail = short.partition("\n[… ")
    missing, _, tail = tail.partition(" characters left out …]\n")

    assert mark
    assert len(head) == int(keep * 0.6)
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + len(tail) + int(missing) == len(text)
    assert len(short) < len(text)


def test_the_last_messages_are_kept_to_whole_turns():
    talk = [user("1"), assistant("1"), user("2"), assistant("2", "c"), result("c", "r"), assistant("2"), user("3")]

    assert droppable_turns(talk, 0) == [1, 2]
    assert droppable_turns(talk, 2) == [1]
    assert droppable_turns(talk, 5) == [1]
    assert droppable_turns(talk, 6) == []


def test_what_stands_before_the_first_user_message_goes_first():
    talk = [assistant("Welcome."), user("1"), assistant("1"), user("2")]

    assert droppable_turns(talk, 0) == [0, 1]
    assert without_turns(talk, [0])[0] == talk[1:]


def test_results_are_shortened_before_texts_and_the_oldest_first():
    talk = [
        user("u" * 900),
        assistant("a" * 900, "c", "d"),
        result("c", "c" * 900),
        result("d", "d" * 900),
        user("last" * 300),
    ]

    def total(messages):
        return sum(len(each["content"]) for each in messages)

    seen = []
    for limit in (4700, 3600, 3000, 2200, 1500):
        made = shorten(talk, 0, lambda messages, limit=limit: total(messages) <= limit)
        seen.append([place for place, (old, new) in enumerate(zip(talk, made, strict=True)) if old != new])
        assert made[4] == talk[4], "the question itself stays"
    assert seen == [[2], [2, 3], [0, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]]


def test_only_what_is_told_is_shortened():
    talk = [user("u" * 900), assistant("a" * 900), user("x" * 900), user("last")]
    made = shorten(talk, 2, lambda _messages: False)

    assert made[:2] == talk[:2]
    assert len(made[2]["content"]) < 200


def test_parts_that_are_no_text_stay():
    image = {"type": "image_url", "image_url": {"url": "data:,x"}}
    talk = [{"role": "user", "content": [{"type": "text", "text": "u" * 900}, image]}, user("last")]
    made = shorten(talk, 0, lambda _messages: False)

    assert made[0]["content"][1] == image


def test_a_summary_tells_the_last_that_was_dropped():
    dropped = [user("first"), assistant("x" * 500), user("  a\n b  "), assistant("")]
    summary = summary_of(dropped, max_chars=600, max_lines=2)

    assert summary.splitlines() == [f"Assistant: {'x' * SUMMARY_LINE_CHARS}", "User: a b"]
    assert summary_of(dropped, max_chars=20, max_lines=10) == "User: a b"


@pytest.mark.parametrize("first", range(9))
def test_the_first_number_that_holds(first):
    assert first_that(8, lambda number: number >= first) == first


def test_limits_come_from_the_model_and_from_tables():
    tree = {
        "auth": {"mode": "none"},
        "budget": {"trim": "oldest", "keep_messages": 2, "default_output_tokens": 50},
        "upstreams": [{"name": "u", "base_url": "http://h"}],
        "models": [
            {"id": "a", "upstream": "u", "context_window_tokens": 1000, "budget": {"keep_messages": 9}},
            {"id": "mix/*", "upstream": "u", "max_output_tokens": 20},
        ],
    }
    settings = load(None, {}, tree)
    first, second = (settings.allowance_for(model) for model in settings.models)

    assert (first.window_tokens, first.max_input_tokens, first.max_output_tokens) == (1000, 800, 999)
    assert (first.trim, first.keep_messages, first.output_tokens(None, always=True)) == ("oldest", 9, 50)
    assert (second.window_tokens, second.max_input_tokens) == (200_000, 160_000)
    assert second.output_tokens(None, always=True) == second.output_tokens(500, always=True) == 20
    assert second.available_tokens(20) == 160_000
    assert first.available_tokens(500) == 500
    assert first.available_tokens(5000) == 1
