"""From a request to what codex is asked, and from its words to errors."""

from dataclasses import replace

import pytest

from proxy.config import ConfigError, load
from proxy.errors import (
    InsufficientQuota,
    InternalError,
    RequestRejected,
    UpstreamAuthFailed,
    UpstreamContentFiltered,
    UpstreamContextLength,
    UpstreamDisconnected,
    UpstreamFailed,
    UpstreamModelNotFound,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamRejected,
    UpstreamUnreachable,
)
from proxy.upstreams.codex.asking import ask_of
from proxy.upstreams.codex.faults import fault_of_turn
from proxy.upstreams.codex.names import ToolNames, alias_of
from proxy.wire.request import check_chat
from tests.upstreams.codex.conftest import assistant, declared, tool, turn_of, user

ENTRY = {"name": "cx", "kind": "codex", "base_url": "http://127.0.0.1:9/v1"}


def settings(model=None, **entry):
    config = {
        "auth": {"mode": "none"},
        "upstreams": [{**ENTRY, **entry}],
        "models": [{"id": "m", "upstream": "cx", **(model or {})}],
    }
    return load(None, {}, config)


def asked(messages="hi", **options):
    """What is asked for a request."""
    entry = settings().upstreams[0]
    changes = {name: options.pop(name) for name in ("tools_as_text", "tool_block") if name in options}
    return ask_of(replace(turn_of(entry.rules, messages, **options), **changes), entry)


# --- effort


@pytest.mark.parametrize(
    ("options", "effort"),
    [
        ({}, None),
        ({"effort": "high"}, "high"),
        ({"effort": "high", "reasoning_effort": "low"}, "low"),
        ({"effort": "high", "reasoning": {"effort": "minimal"}}, "minimal"),
    ],
    ids=str,
)
def test_the_callers_effort_beats_that_of_the_entry(options, effort):
    assert asked(**options).effort == effort


@pytest.mark.parametrize(
    ("options", "param"),
    [({"reasoning_effort": "utmost"}, "reasoning_effort"), ({"reasoning": {"effort": "utmost"}}, "reasoning.effort")],
)
def test_an_effort_that_nobody_knows_is_refused_since_codex_would_pass_it_on(options, param):
    with pytest.raises(UpstreamRefused) as refused:
        asked(**options)

    assert (refused.value.told_status, refused.value.told_code, refused.value.param) == (400, "invalid_value", param)


def test_variants_of_an_effort_are_models_of_their_own():
    entries = settings({"effort_variants": ["low", "high"], "effort": "medium", "aliases": ["n"]}).models

    assert [(each.id, each.effort, each.sent_as(each.id), each.aliases) for each in entries] == [
        ("m", "medium", "m", ("n",)),
        ("m-low", "low", "m", ()),
        ("m-high", "high", "m", ()),
    ]


# --- tools, formats, and the end of the history


@pytest.mark.parametrize(
    ("choice", "names", "wish"),
    [
        ("auto", ["a", "b"], ""),
        ("none", [], ""),
        ("required", ["a", "b"], "You must call at least one of the tools that are available to you."),
        ({"type": "function", "function": {"name": "b"}}, ["b"], "You must call the tool b."),
    ],
    ids=str,
)
def test_a_choice_of_tools_is_told_by_what_is_declared_and_in_words(choice, names, wish):
    ask = asked(tools=declared("a", "b"), tool_choice=choice)

    assert [each["name"] for each in ask.tools] == names
    assert ask.instructions == wish


def test_a_tool_without_description_or_parameters_has_empty_ones():
    [told] = asked(tools=[{"type": "function", "function": {"name": "a"}}]).tools

    assert told == {
        "type": "function",
        "name": "a",
        "description": "",
        "inputSchema": {"type": "object", "properties": {}},
    }


@pytest.mark.parametrize(
    ("strict", "schema_told"), [(True, True), (False, False), (None, False)], ids=["strict", "not strict", "unset"]
)
def test_a_strict_schema_is_asked_for_and_any_other_in_words(strict, schema_told):
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": strict}}
    ask = asked(response_format=wanted)

    assert (ask.output_schema == schema) is schema_told
    assert ('"a"' in ask.instructions) is not schema_told


def test_an_answer_can_not_be_begun_by_the_caller():
    with pytest.raises(UpstreamRefused) as refused:
        asked([user("hi"), assistant("I say")])

    assert refused.value.param == "messages"


def test_tools_that_are_told_as_text_are_not_declared():
    history = [user("hi"), assistant("CALL"), user("x")]
    ask = asked(history, tools=declared("a"), tools_as_text=True, tool_block="TOOLS")

    assert ask.tools == []
    assert ask.instructions == "TOOLS"


def test_results_that_are_told_as_text_are_said_by_the_user():
    history = [user("hi"), assistant("", ("c1", "a", "{}")), tool("c1", "Ada")]

    assert asked(history, tools_as_text=True).messages[-1] == user("Ada")


@pytest.mark.parametrize("name", ["mcp__fs__read", "a.b", "x" * 65, "ns:name", "mcp__"])
def test_a_name_that_codex_refuses_has_an_alias_that_it_takes(name):
    alias = alias_of(name)

    assert alias.startswith("x_")
    assert len(alias) <= 64
    assert alias.replace("_", "").replace("-", "").isalnum()
    assert alias_of(name) == alias
    assert ToolNames([name]).own(alias) == name


def test_other_names_stay_and_aliases_do_not_collide():
    assert alias_of("get_weather-2") == "get_weather-2"
    assert alias_of("a.b") != alias_of("a:b")


# --- parameters


@pytest.mark.parametrize("field", [{"n": 2}, {"logprobs": True}, {"modalities": ["audio"]}], ids=str)
def test_what_codex_can_not_do_is_refused(field):
    with pytest.raises(RequestRejected):
        check_chat({"model": "m", "messages": [user("hi")], **field}, settings().upstreams[0].rules)


def test_what_it_does_nothing_with_is_named():
    fields = {"temperature": 1, "seed": 1, "max_tokens": 5, "reasoning_effort": "low", "user": "u", "store": True}
    request = check_chat({"model": "m", "messages": [user("hi")], **fields}, settings().upstreams[0].rules)

    assert set(request.ignored_params) == {"temperature", "seed", "max_tokens", "user", "store"}


def test_what_is_ignored_can_be_rejected():
    rules = settings(unsupported={"temperature": "reject"}).upstreams[0].rules

    with pytest.raises(RequestRejected) as refused:
        check_chat({"model": "m", "messages": [user("hi")], "temperature": 1}, rules)
    assert refused.value.told_code == "unsupported_parameter"


# --- configuration


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ({"approvals": "accept"}, "allow_builtin_tools"),
        ({"base_url": None}, "codex_home"),
        ({"min_ready": 2}, "processes"),
        ({"env_pass": ["TURNSTILE_KEY"]}, "must not reach"),
        ({"env_pass": ["A=B"]}, "environment variable"),
        ({"unsupported": {"n": "ignore"}}, "not a parameter"),
        ({"credential": {"mode": "static"}}, "needs `token`"),
    ],
    ids=str,
)
def test_what_does_not_hold_together_is_refused(entry, what):
    given = {name: value for name, value in {**ENTRY, **entry}.items() if value is not None}
    with pytest.raises(ConfigError, match=what.replace("`", ".")):
        load(None, {}, {"auth": {"mode": "none"}, "upstreams": [given], "models": [{"id": "m", "upstream": "cx"}]})


def test_a_process_may_take_longer_to_start_than_a_connection():
    held = settings()

    assert held.clocks_for(held.models[0], held.upstreams[0]).connect == 10.0
    chosen = settings(clocks={"connect": 3})
    assert chosen.clocks_for(chosen.models[0], chosen.upstreams[0]).connect == 3.0


# --- errors


def info(name, status=None):
    return {name: {"httpStatusCode": status}} if status else name


@pytest.mark.parametrize(
    ("told", "error", "retryable"),
    [
        (info("httpConnectionFailed", 401), UpstreamAuthFailed, False),
        (info("responseStreamConnectionFailed", 403), UpstreamAuthFailed, False),
        ("unauthorized", UpstreamAuthFailed, False),
        ("usageLimitExceeded", InsufficientQuota, False),
        ("sessionBudgetExceeded", InsufficientQuota, False),
        ("rateLimitExceeded", UpstreamRateLimited, True),
        (info("responseTooManyFailedAttempts", 429), UpstreamRateLimited, True),
        ("serverOverloaded", UpstreamFailed, True),
        ("flexUnavailable", UpstreamFailed, True),
        ("policyCapacityUnavailable", UpstreamFailed, True),
        ("internalServerError", UpstreamFailed, True),
        (info("httpConnectionFailed", 500), UpstreamFailed, True),
        ({"responseStreamDisconnected": {}}, UpstreamDisconnected, True),
        ({"httpConnectionFailed": {"httpStatusCode": None}}, UpstreamDisconnected, True),
        ("contextWindowExceeded", UpstreamContextLength, False),
        ("modelNotFound", UpstreamModelNotFound, False),
        ("cyberPolicy", UpstreamContentFiltered, False),
        ("misalignmentPolicyViolation", UpstreamContentFiltered, False),
        ("inferenceHookDenied", UpstreamContentFiltered, False),
        ("badRequest", UpstreamRefused, False),
        ("activeTurnNotSteerable", InternalError, False),
        ("other", UpstreamRejected, False),
        ("sandboxError", UpstreamRejected, False),
        ("a name of tomorrow", UpstreamRejected, False),
        (None, UpstreamRejected, False),
        (17, UpstreamRejected, False),
    ],
    ids=str,
)
def test_a_turns_error_is_what_an_http_answer_would_be(told, error, retryable):
    fault = fault_of_turn({"message": "m", "codexErrorInfo": told, "additionalDetails": None})

    assert type(fault) is error
    assert fault.retryable is retryable


@pytest.mark.parametrize("name", ["responseStreamDisconnected", "httpConnectionFailed"])
def test_a_provider_that_can_not_be_reached(name):
    told = {"message": "stream disconnected", "codexErrorInfo": {name: {}}, "additionalDetails": "Connection failed: x"}

    assert type(fault_of_turn(told)) is UpstreamUnreachable


def test_a_stream_that_broke_off_without_a_name():
    assert (
        type(fault_of_turn({"message": "stream disconnected before …", "codexErrorInfo": "other"}))
        is UpstreamDisconnected
    )


def test_a_providers_400_is_told_by_its_own_words():
    body = '{"error": {"type": "invalid_request_error", "message": "no field x at http://10.0.0.1/", "code": "bad_x"}}'
    fault = fault_of_turn({"message": body, "codexErrorInfo": "other"})

    assert (type(fault), fault.told_status, fault.told_code) == (UpstreamRefused, 400, "bad_x")
    assert fault.message == "no field x at [url]"


def test_no_error_at_all_is_an_error():
    assert type(fault_of_turn(None)) is UpstreamRejected
