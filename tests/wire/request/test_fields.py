"""The fields beside model, messages and tools."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from proxy.errors import RequestRejected
from proxy.wire.request import ChatRequest, ModelRules, check_chat, model_of

Chat = Callable[..., ChatRequest]
Refusal = Callable[..., RequestRejected]

UNKNOWN = ("store", "audio", "prediction", "brand_new_key")
VALID: list[tuple[str, list[Any]]] = [
    ("stream", [True, False]),
    ("parallel_tool_calls", [True, False]),
    ("n", [1, 128, 2.0]),
    ("max_tokens", [1, 100.0, 10**30]),
    ("max_completion_tokens", [1, 10**30]),
    ("temperature", [0, 2, 0.7, 2.0]),
    ("top_p", [0, 1, 0.5]),
    ("frequency_penalty", [-2, 2, 0.0]),
    ("presence_penalty", [-2, 2, 0.0]),
    ("stop", ["", "END", ["a"], ["a", "b", "c", "d"]]),
    (
        "response_format",
        [
            {"type": "text"},
            {"type": "json_object"},
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}},
        ],
    ),
    ("logprobs", [True, False]),
    ("top_logprobs", [0]),
    ("seed", [0, -1, 2**63 - 1, -(2**63), 5.0]),
    ("logit_bias", [{}, {"1": 100, "2": -100, "x y": 0.5}]),
    ("modalities", [[], ["text"], ["text", "audio"]]),
    ("reasoning_effort", ["none", "whatever"]),
    ("verbosity", ["low", ""]),
    ("service_tier", ["auto", "x"]),
    ("user", ["", "u" * 1024]),
    ("safety_identifier", ["", "u" * 1024]),
    ("prompt_cache_key", ["", "é" * 1024]),
    ("metadata", [{"a": "b"}, {"a": [1]}]),
    ("store", [True, "anything", 5, None]),
    ("audio", [{"voice": "x"}]),
    ("prediction", [0]),
    ("brand_new_key", [{"deep": [1, {"x": None}]}, None]),
]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in VALID for value in values])
def test_a_field_in_order_is_kept_for_the_upstream(name: str, value: Any, chat: Chat) -> None:
    request = chat(**{name: value})
    limit = request.max_tokens if name.startswith("max_") else request.body[name]

    assert limit == value


@pytest.mark.parametrize("name", [name for name, _ in VALID if name not in UNKNOWN])
def test_null_is_absence(name: str, chat: Chat, elsewhere: ModelRules) -> None:
    """An explicit null on an optional field is not forwarded, and nothing was asked that could be ignored."""
    assert chat(**{name: None}) == chat()
    assert chat(elsewhere, **{name: None}) == chat(elsewhere)


@pytest.mark.parametrize("name", ["n", "seed", "top_logprobs"])
def test_an_integer_written_with_a_fraction_of_nothing_becomes_one(name: str, chat: Chat) -> None:
    assert type(chat(**{name: 0.0 if name == "top_logprobs" else 1.0}).body[name]) is int


def test_the_defaults_are_those_of_the_wire(chat: Chat) -> None:
    request = chat()

    assert (request.stream, request.include_usage, request.n) == (False, False, 1)
    assert (request.max_tokens, request.temperature, request.top_p, request.stop) == (None, None, None, ())
    assert (request.response_format, request.json_schema, request.reasoning_effort) == ("text", None, None)
    assert (request.session_id, request.user, request.ignored_params) == (None, None, ())
    assert (request.tools, request.tool_names, request.legacy_functions) == ([], frozenset(), False)
    assert request.parallel_tool_calls


def test_what_was_asked_is_read(chat: Chat) -> None:
    schema = {"name": "n", "schema": {"type": "object"}, "strict": True}
    request = chat(
        stream=True,
        stream_options={"include_usage": True, "new": 1},
        parallel_tool_calls=False,
        n=2,
        max_completion_tokens=5,
        temperature=1,
        top_p=0.5,
        stop="END",
        response_format={"type": "json_schema", "json_schema": schema},
        reasoning_effort="high",
        user="u",
    )

    assert (request.model, request.stream, request.include_usage, request.n) == ("demo", True, True, 2)
    assert (request.max_tokens, request.temperature, request.top_p, request.stop) == (5, 1, 0.5, ("END",))
    assert (request.response_format, request.json_schema) == ("json_schema", schema)
    assert (request.reasoning_effort, request.user, request.parallel_tool_calls) == ("high", "u", False)
    assert chat(stop=["a", "b"]).stop == ("a", "b")
    assert chat(stop="").stop == ()


@pytest.mark.parametrize("options", [{}, {"include_usage": None}, {"include_usage": False}])
def test_stream_options_need_not_ask_for_usage(options: dict[str, Any], chat: Chat) -> None:
    assert not chat(stream=True, stream_options=options).include_usage


def test_both_token_limits_may_be_given_if_they_agree(chat: Chat, refusal: Refusal) -> None:
    assert chat(max_tokens=7, max_completion_tokens=7.0).max_tokens == 7
    assert refusal(max_tokens=7, max_completion_tokens=8).message == (
        "Invalid 'max_completion_tokens': expected the same as 'max_tokens', got 8."
    )


def test_top_logprobs_need_logprobs(chat: Chat, refusal: Refusal) -> None:
    assert chat(logprobs=True, top_logprobs=20).body["top_logprobs"] == 20
    assert refusal(top_logprobs=1).param == "top_logprobs"


@pytest.mark.parametrize("session_id", ["new", "a", "A-Z.a_z:0-9", "i" * 128])
def test_a_session_id_is_read_from_body_or_metadata_and_never_forwarded(session_id: str, chat: Chat) -> None:
    """The body's own field beats its metadata; metadata that held nothing else is dropped with it."""
    named = chat(session_id=session_id, metadata={"session_id": "other", "a": "b"})
    inside = chat(metadata={"session_id": session_id})

    assert (named.session_id, named.body["metadata"], "session_id" in named.body) == (session_id, {"a": "b"}, False)
    assert (inside.session_id, "metadata" in inside.body) == (session_id, False)
    assert chat(metadata={"session_id": None, "a": 1}).body["metadata"] == {"a": 1}


def test_addresses_meant_for_the_gateway_are_not_forwarded(chat: Chat) -> None:
    assert chat(upstream_base_url="https://a.example", upstream_api_base="https://b.example").body == chat().body


def test_ids_of_a_kind_are_checked_and_stay_here(chat: Chat, elsewhere: ModelRules) -> None:
    rules = replace(elsewhere, id_fields=frozenset({"exchange_id"}))
    request = chat(rules, exchange_id="exch-1")

    assert ("exchange_id" in request.body, request.ignored_params) == (False, ())
    assert chat(rules, exchange_id=None).body == chat(rules).body
    with pytest.raises(RequestRejected) as caught:
        chat(rules, exchange_id="a b")
    assert (caught.value.told_code, caught.value.param) == ("invalid_value", "exchange_id")


def test_other_kinds_name_what_they_ignore_in_the_order_sent(chat: Chat, elsewhere: ModelRules) -> None:
    """Not named: what every kind honours, what asks for nothing, and null."""
    request = chat(
        replace(elsewhere, honoured=frozenset({"max_tokens", "top_p", "persona_id"})),
        brand_new_key=1,
        temperature=1,
        top_p=1,
        max_tokens=5,
        stop="x",
        n=1,
        logprobs=False,
        top_logprobs=0,
        modalities=["text"],
        stream=True,
        stream_options={},
        parallel_tool_calls=False,
        response_format={"type": "text"},
        metadata={"session_id": "s"},
        session_id="s",
        persona_id="p",
        seed=None,
        nothing=None,
        user="u",
        tools=[],
        store=False,
    )

    assert request.ignored_params == ("brand_new_key", "temperature", "user", "store")


def test_a_best_effort_format_is_named_as_ignored(chat: Chat, elsewhere: ModelRules) -> None:
    assert chat(elsewhere, response_format={"type": "json_object"}).ignored_params == ("response_format",)


def test_tools_and_functions_are_never_ignored(chat: Chat, elsewhere: ModelRules) -> None:
    tools = [{"type": "function", "function": {"name": "now"}}]

    assert chat(elsewhere, tools=tools, tool_choice="auto").ignored_params == ()
    assert chat(elsewhere, functions=[{"name": "now"}], function_call="auto").ignored_params == ()


def test_kind_openai_ignores_and_refuses_nothing(chat: Chat) -> None:
    rules = ModelRules(openai=True, refused=frozenset({"temperature", "brand_new_key"}))

    assert chat(rules, temperature=1, user="u", brand_new_key=1).ignored_params == ()


def test_null_is_never_refused(chat: Chat) -> None:
    rules = ModelRules(refused=frozenset({"temperature", "prediction"}))

    assert chat(rules, temperature=None, prediction=None).ignored_params == ()


def test_a_request_can_not_be_changed(chat: Chat) -> None:
    with pytest.raises(FrozenInstanceError):
        chat().model = "another"  # type: ignore[misc]  # what must fail


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"n": 2}, "unsupported_value"),
        ({"logprobs": True}, "unsupported_value"),
        ({"modalities": ["audio"]}, "unsupported_value"),
        ({"temperature": 1}, "unsupported_parameter"),
        ({"prediction": {}}, "unsupported_parameter"),
    ],
)
def test_other_kinds_refuse_what_would_change_the_answer(
    members: dict[str, Any], code: str, chat: Chat, refusal: Refusal
) -> None:
    """A kind may also turn what others ignore into a refusal; kind openai has it all passed on."""
    rules = ModelRules(refused=frozenset({"temperature", "prediction"}))
    error = refusal(rules, **members)

    [(name, value)] = members.items()
    assert (error.told_code, error.param) == (code, name)
    assert chat(**members).body[name] == value


def test_a_refused_field_is_told_in_its_place() -> None:
    """The order of the fields holds for refusals too, those by the kind included; unknown fields come last."""
    rules = ModelRules(refused=frozenset({"temperature", "prediction"}))
    body: dict[str, Any] = {"prediction": 1, "stop": 5, "temperature": 1, "n": 2}
    body |= {"model": "m", "messages": [{"role": "user", "content": ""}]}
    told = []
    while len(body) > 2:
        with pytest.raises(RequestRejected) as caught:
            check_chat(body, rules)
        told.append(str(caught.value.param))
        del body[told[-1]]

    assert told == ["n", "temperature", "stop", "prediction"]


@pytest.mark.parametrize("model", ["m", "m" * 256, "mix/demo:large@1"])
def test_a_model_is_any_short_string(model: str) -> None:
    assert model_of({"model": model}) == model


ORDER = [
    "model",
    "messages",
    "tools",
    "functions",
    "tool_choice",
    "function_call",
    "stream",
    "stream_options",
    "parallel_tool_calls",
    "n",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "response_format",
    "logprobs",
    "top_logprobs",
    "seed",
    "logit_bias",
    "modalities",
    "reasoning_effort",
    "verbosity",
    "service_tier",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "metadata",
    "session_id",
]


def test_the_first_failure_in_the_order_of_the_contract_wins(openai: ModelRules) -> None:
    """With every field wrong, mending the one that is told brings the next, whatever the order in the body."""
    broken: dict[str, Any] = dict.fromkeys(reversed(ORDER), False)
    broken |= {"stream": 0, "parallel_tool_calls": 0, "logprobs": 0}
    told: list[str] = []
    mended = {"model": "m", "messages": [{"role": "user", "content": ""}]}
    while True:
        try:
            check_chat(broken, openai)
        except RequestRejected as error:
            told.append(str(error.param))
            broken[told[-1]] = mended.get(told[-1])
        else:
            break

    assert told == ORDER
