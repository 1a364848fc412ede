from collections.abc import Callable
from typing import get_args

import pytest

from proxy import errors
from proxy.config import (
    Call,
    Cut,
    Fail,
    Finish,
    Pause,
    Refuse,
    Report,
    Say,
    ScriptedUpstream,
    Settings,
    Stall,
    Step,
    Think,
)
from proxy.config.script import UPSTREAM_CODES, VERBS

Load = Callable[..., Settings]
Refused = Callable[..., list[str]]

HEAD = '[[upstreams]]\nname = "up"\nkind = "scripted"\n'


def _script(loaded: Load, steps: str) -> tuple[object, ...]:
    upstream = loaded(f"{HEAD}script = [{steps}]").upstreams[0]
    assert isinstance(upstream, ScriptedUpstream)
    return upstream.script


def test_every_step_has_its_verb() -> None:
    """The closed type and the table say the same, and a verb is the one field that its step needs."""
    union, *_ = get_args(Step)

    assert set(VERBS.values()) == set(get_args(union))
    for verb, step in VERBS.items():
        assert [name for name, field in step.model_fields.items() if field.is_required()] == [verb]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ('{ say = "a\\nb", chunk = 2, every_ms = 5 }', Say(say="a\nb", chunk=2, every_ms=5)),
        ('{ say = "a" }', Say(say="a", chunk=4, every_ms=20)),
        ('{ think = "hm", chunk = 0 }', Think(think="hm", chunk=0)),
        ('{ refuse = "no", every_ms = 0.5 }', Refuse(refuse="no", every_ms=0.5)),
        ('{ call = "now" }', Call(call="now", arguments="{}")),
        ('{ call = "now", arguments = { z = "ü", n = [1] } }', Call(call="now", arguments='{"z":"ü","n":[1]}')),
        ('{ call = "now", arguments = "{\\"z\\"" }', Call(call="now", arguments='{"z"')),
        ('{ call = "now", arguments = { d = 2024-01-02 } }', Call(call="now", arguments='{"d":"2024-01-02"}')),
        ("{ pause_ms = 100 }", Pause(pause_ms=100)),
        ('{ fail = "upstream_rate_limited" }', Fail(fail="upstream_rate_limited", retry_after_s=None)),
        ('{ fail = "upstream_busy", retry_after_s = 1.5 }', Fail(fail="upstream_busy", retry_after_s=1.5)),
        ("{ cut = true }", Cut(cut=True)),
        ("{ stall = true }", Stall(stall=True)),
        ('{ finish = "length" }', Finish(finish="length")),
    ],
)
def test_a_step_is_a_table_with_one_verb(loaded: Load, step: str, expected: object) -> None:
    assert _script(loaded, step) == (expected,)


def test_usage_is_reported_as_given(loaded: Load) -> None:
    (step,) = _script(loaded, "{ usage = { prompt_tokens = 3, completion_tokens = 0 } }")

    assert isinstance(step, Report)
    assert (step.usage.prompt_tokens, step.usage.completion_tokens) == (3, 0)


def test_steps_keep_their_order(loaded: Load) -> None:
    steps = _script(loaded, '{ think = "a" }, { say = "b" }, { finish = "stop" }')

    assert [type(step) for step in steps] == [Think, Say, Finish]


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ('{ say = "a", cut = true }', ": a step has exactly one verb, and this one has say and cut"),
        ('{ sya = "a" }', ": a step needs a verb; did you mean 'say'?"),
        (
            "{}",
            ": a step needs a verb; there are: say, think, refuse, call, pause_ms, fail, cut, stall, finish, usage",
        ),
        ("1", ": expected a table with one verb, got a whole number"),
        ("{ say = 1 }", ".say: expected a string, got a whole number"),
        ('{ say = "a", chunk = -1 }', ".chunk: must be at least 0, got -1"),
        ('{ say = "a", every_ms = -1 }', ".every_ms: must be at least 0, got -1"),
        ('{ call = "" }', ".call: must not be empty"),
        ('{ call = "f", arguments = [1] }', ".arguments: expected a string, got an array"),
        ("{ pause_ms = -1 }", ".pause_ms: must be at least 0, got -1"),
        (
            '{ fail = "upstream_rate_limit" }',
            ".fail: no failure of an upstream has this code; did you mean 'upstream_rate_limited'?",
        ),
        ('{ fail = "upstream_busy", retry_after_s = -1 }', ".retry_after_s: must be at least 0, got -1"),
        ("{ cut = false }", ".cut: is true, or is left out"),
        ("{ stall = 1.5 }", ".stall: expected true or false, got 1.5"),
        (
            '{ finish = "error" }',
            ".finish: expected 'stop', 'length', 'content_filter' or 'tool_calls', got 'error'",
        ),
        ("{ usage = { prompt_tokens = 1 } }", ".usage.completion_tokens: is required"),
        (
            "{ usage = { prompt_tokens = 1, completion_tokens = 1, total = 2 } }",
            ".usage.total: unknown key; known keys: prompt_tokens, completion_tokens",
        ),
    ],
)
def test_a_step_that_cannot_be_right_is_refused(refused: Refused, step: str, told: str) -> None:
    assert refused(f"{HEAD}script = [{step}]") == [f"upstreams[0].script[0]{told}"]


def test_a_step_of_one_of_several_scripts_is_told_with_its_place(refused: Refused) -> None:
    assert refused(f'{HEAD}scripts = [[], [{{ say = "a" }}, {{ cat = true }}]]') == [
        "upstreams[0].scripts[1][1]: a step needs a verb; did you mean 'cut'?"
    ]


@pytest.mark.parametrize("code", UPSTREAM_CODES)
def test_every_failure_of_an_upstream_can_be_scripted(loaded: Load, code: str) -> None:
    assert _script(loaded, f'{{ fail = "{code}" }}') == (Fail(fail=code),)


def test_only_an_upstreams_failures_can_be_scripted() -> None:
    """A script can't make the gateway itself fail."""
    assert {errors.UpstreamFailed.code, errors.UpstreamTimeout.code, errors.InsufficientQuota.code} <= set(
        UPSTREAM_CODES
    )
    assert {errors.InternalError.code, errors.Overloaded.code, errors.ShuttingDown.code}.isdisjoint(UPSTREAM_CODES)
