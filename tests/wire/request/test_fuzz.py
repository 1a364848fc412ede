"""Whatever comes in: a checked request or one typed refusal, and never anything else."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.errors import REQUEST_CODES, RequestRejected
from proxy.testing.malformed import rich_body
from proxy.wire.request import (
    ChatRequest,
    ModelRules,
    check_chat,
    completions_to_chat,
    decode_body,
    prefilled,
    text_of,
    upstream_body,
)

SECRET = "the caller's own words, which are nobody's business, and go on for longer than any value is ever shown"
RULES = [
    ModelRules(),
    ModelRules(openai=True, require_user=False),
    ModelRules(any_part=True, refused=frozenset({"user"}), id_fields=frozenset({"exchange_id"})),
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        [SECRET, "\ud83d", "", "user", "tool", "assistant", "function", "call_1", "now", "auto", "text", "custom"]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "name", "function", "tool_calls", "text", "url", "a"])
            | st.text(max_size=6),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    children = list(node.items()) if type(node) is dict else list(enumerate(node)) if type(node) is list else []
    return [place for key, child in children for place in ((node, key), *places(child))]


@st.composite
def mutated_bodies(draw: st.DrawFn) -> Any:
    """A valid rich body with one to three things in it replaced, left out, doubled or added."""
    body = rich_body("demo") | {"functions": None, "exchange_id": "e-1"}
    for _ in range(draw(st.integers(1, 3))):
        node, key = draw(st.sampled_from(places(body)))
        match draw(st.sampled_from(["replace", "replace", "remove", "double", "add"])):
            case "replace":
                node[key] = draw(values)
            case "remove":
                del node[key]
            case "double" if type(node) is list:
                node.insert(key, copy.deepcopy(node[key]))
            case "double":
                node[draw(st.sampled_from([*node, "function_call", "functions", "prompt"]))] = copy.deepcopy(node[key])
            case _ if type(node) is list:
                node.insert(key, draw(values))
            case _:
                node[draw(st.text(max_size=8))] = draw(values)
    return body


def assert_lawful(error: RequestRejected) -> None:
    assert error.told_status == 400
    assert error.told_code in REQUEST_CODES
    assert error.param is not None or error.told_code in ("invalid_json", "invalid_type")
    assert len(error.message) <= 400
    assert error.message.isprintable()
    assert SECRET[:64] not in error.message


def assert_usable(request: ChatRequest) -> None:
    """What was let through can be read, sent, resumed, and passes a second check unchanged."""
    assert all(type(text_of(message)) is str for message in request.messages)
    assert type(request.last_user_text) is str
    body = decode_body(upstream_body(request, upstream_model="m", stream=request.stream))
    assert upstream_body(prefilled(request, "x"), upstream_model="m", stream=True)
    again = check_chat(body, RULES[1])
    assert (again.messages, again.tools, again.tool_choice) == (request.messages, request.tools, request.tool_choice)
    assert again.body == {name: value for name, value in body.items() if name != "max_completion_tokens"}


def check(raw: bytes) -> None:
    for rules in RULES:
        try:
            request = check_chat(decode_body(raw), rules)
        except RequestRejected as error:
            assert_lawful(error)
        else:
            if rules.openai:
                assert_usable(request)


quick = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
deep = settings(max_examples=30_000, deadline=None, suppress_health_check=list(HealthCheck))


@quick
@given(mutated_bodies())
def test_a_mutated_request_is_checked_or_refused_lawfully(body: Any) -> None:
    check(json.dumps(body).encode())


@quick
@given(values)
def test_any_json_is_checked_or_refused_lawfully(value: Any) -> None:
    check(json.dumps(value).encode())


@quick
@given(st.binary(max_size=60), st.integers(0), st.integers(0, 60))
def test_any_damage_to_the_bytes_is_lawful_too(damage: bytes, at: int, gone: int) -> None:
    raw = json.dumps(rich_body("demo")).encode()
    at %= len(raw)

    check(raw[:at] + damage + raw[at + gone :])


@quick
@given(st.dictionaries(st.sampled_from(["prompt", "echo", "best_of", "suffix", "tools", "n", "stream"]), values))
def test_any_completions_body_is_mapped_or_refused_lawfully(members: dict[str, Any]) -> None:
    try:
        check_chat(completions_to_chat(decode_body(json.dumps({"model": "m", **members}).encode())), RULES[0])
    except RequestRejected as error:
        assert_lawful(error)


@pytest.mark.deep
@deep
@given(mutated_bodies())
def test_many_mutated_requests_are_checked_or_refused_lawfully(body: Any) -> None:
    check(json.dumps(body).encode())


@pytest.mark.deep
@deep
@given(st.binary(max_size=60), st.integers(0), st.integers(0, 60))
def test_much_damage_to_the_bytes_is_lawful_too(damage: bytes, at: int, gone: int) -> None:
    raw = json.dumps(rich_body("demo")).encode()
    at %= len(raw)

    check(raw[:at] + damage + raw[at + gone :])
