from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config import ConfigError, OpenAIUpstream, Settings, load

Load = Callable[..., Settings]
Refused = Callable[..., list[str]]

TWO_UPSTREAMS = (
    '[[upstreams]]\nname = "up"\nbase_url = "http://a/v1"\n[[upstreams]]\nname = "down"\nbase_url = "http://b/v1"\n'
)


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("TURNSTILE_SERVER__PORT", "9000", "server.port", 9000),
        ("TURNSTILE_SERVER__DRAIN_S", "1.5", "server.drain_s", 1.5),
        ("TURNSTILE_SERVER__UNIX", "/run/t.sock", "server.unix", "/run/t.sock"),
        ("TURNSTILE_SERVER__CORS_ORIGINS", '["https://a.example"]', "server.cors_origins", ("https://a.example",)),
        ("TURNSTILE_AUTH__ALLOW_OPEN", "true", "auth.allow_open", True),
        ("TURNSTILE_CLOCKS__TOTAL", "7", "clocks.total", 7.0),
        ("TURNSTILE_CLOCKS", '{"total": 7}', "clocks.total", 7.0),
        ("TURNSTILE_RETRY__ATTEMPTS", "1", "retry.attempts", 1),
        ("TURNSTILE_LOG__FORMAT", "console", "log.format", "console"),
        ("turnstile_log__level", "debug", "log.level", "debug"),
    ],
)
def test_a_field_is_set_by_its_variable(loaded: Load, name: str, value: str, field: str, expected: object) -> None:
    table, key = field.split(".")

    assert getattr(getattr(loaded(environ={name: value}), table), key) == expected


def test_an_element_of_an_array_is_changed_by_its_index(loaded: Load) -> None:
    found = loaded(TWO_UPSTREAMS, {"TURNSTILE_UPSTREAMS__1__BASE_URL": "http://c/v1"})

    assert [each.base_url for each in found.upstreams if isinstance(each, OpenAIUpstream)] == [
        "http://a/v1",
        "http://c/v1",
    ]


def test_the_next_index_adds_an_element(loaded: Load) -> None:
    environ = {"TURNSTILE_MODELS__1__ID": "n", "TURNSTILE_MODELS__1__UPSTREAM": "up"}

    assert [model.id for model in loaded(environ=environ).models] == ["m", "n"]


def test_an_index_that_leaves_a_gap_is_refused(refused: Refused) -> None:
    assert refused(environ={"TURNSTILE_MODELS__2__ID": "n"}) == ["models[2]: set by its index, and the next index is 1"]


def test_an_index_of_what_is_no_array_is_refused(refused: Refused) -> None:
    assert refused(environ={"TURNSTILE_SERVER__PORT__0": "1"}) == [
        "TURNSTILE_SERVER__PORT__0: server.port: expected a whole number, got an array"
    ]


def test_elements_are_taken_in_the_order_of_numbers_not_of_text(loaded: Load) -> None:
    environ = {f"TURNSTILE_SERVER__TRUSTED_PROXIES__{i}": f"10.0.0.{i}" for i in (10, 2, 0, 1, 9, 3, 5, 4, 6, 7, 8)}

    assert str(loaded(environ=environ).server.trusted_proxies[10]) == "10.0.0.10/32"


def test_tables_and_arrays_deep_inside_are_json(loaded: Load) -> None:
    environ = {
        "TURNSTILE_UPSTREAMS__0__CREDENTIAL": '{"mode": "static", "token": "env:T"}',
        "TURNSTILE_UPSTREAMS__0__CLOCKS__IDLE": "3",
        "TURNSTILE_MODELS__0__ALIASES": '["n"]',
        "TURNSTILE_AUTH__KEYS__0__NAME": "dev",
        "TURNSTILE_AUTH__KEYS__0__KEY": "env:K",
        "TURNSTILE_AUTH__KEYS__0__MODELS": '["m"]',
        "T": "t",
        "K": "k",
    }

    found = loaded(environ=environ)

    assert isinstance(found.upstreams[0], OpenAIUpstream)
    assert found.upstreams[0].credential.token is not None
    assert found.upstreams[0].credential.token.reveal() == "t"
    assert found.upstreams[0].clocks.idle == 3
    assert found.models[0].aliases == ("n",)
    assert found.auth.keys[0].models == ("m",)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("TURNSTILE_SERVER__PROT", "TURNSTILE_SERVER__PROT: server.prot: unknown key; did you mean 'port'?"),
        ("TURNSTILE_SEVER__PORT", "TURNSTILE_SEVER__PORT: sever: unknown key; did you mean 'server'?"),
        (
            "TURNSTILE_MODELS__0__IDD",
            "TURNSTILE_MODELS__0__IDD: models[0].idd: unknown key; did you mean 'id'?",
        ),
    ],
)
def test_a_variable_that_means_no_field_is_refused(refused: Refused, name: str, line: str) -> None:
    """A typo in a variable is as silent as one in a file, unless it is told."""
    assert refused(environ={name: "1"}) == [line]


def test_other_variables_are_left_alone(loaded: Load, tmp_path: Path) -> None:
    environ = {
        "TURNSTILE_CONFIG": "x",
        "TURNSTILE_KEY": "k",
        "TURNSTILE_": "",
        "SERVER__PORT": "1",
        "XTURNSTILE_SERVER__X": "1",
    }

    assert loaded(environ=environ) == loaded()


def test_bad_json_is_told_with_the_variable_and_without_its_value(refused: Refused) -> None:
    lines = refused(environ={"TURNSTILE_AUTH__KEYS": '[{"key": "s3cret"'})

    assert lines == ["TURNSTILE_AUTH__KEYS: not JSON: Expecting ',' delimiter: line 1 column 18 (char 17)"]


def test_a_whole_and_a_part_of_it_are_not_both_taken(refused: Refused) -> None:
    """Which of them wins would depend on chance."""
    environ = {"TURNSTILE_MODELS": '[{"id": "m"}]', "TURNSTILE_MODELS__0__UPSTREAM": "up"}

    assert refused(environ=environ) == [
        "TURNSTILE_MODELS__0__UPSTREAM: is a part of TURNSTILE_MODELS, which is also set"
    ]


def test_an_empty_variable_is_a_value(loaded: Load, refused: Refused) -> None:
    assert loaded('[server]\nunix = "/run/t.sock"', {"TURNSTILE_SERVER__UNIX": ""}).server.unix == ""
    assert refused(environ={"TURNSTILE_SERVER__PORT": ""}) == [
        "TURNSTILE_SERVER__PORT: server.port: expected a whole number, got ''"
    ]


_PARTS = st.sampled_from(
    ["server", "port", "auth", "keys", "key", "0", "00", "1", "9" * 5000, "upstreams", "name", "credential", "headers"]
) | st.sampled_from(["models", "id", "clocks", "total", "log", "", "x", "aliases", "scripts", "say", "server__port"])
_NAMES = st.lists(_PARTS, min_size=1, max_size=5).map(lambda parts: f"TURNSTILE_{'__'.join(parts).upper()}")
_VALUES = st.sampled_from(["", "1", "x", "[]", "{}", "[1]", '{"0": 1}', "[{}]", "null", '"a"', "env:NOPE", "{"])


@given(st.dictionaries(_NAMES, _VALUES, max_size=4))
@settings(max_examples=150, deadline=None)
def test_whatever_is_in_the_environment_loads_or_is_refused_in_plain_lines(environ: dict[str, str]) -> None:
    """No variable may end in a traceback."""
    try:
        lines = [] if load(None, environ, {}).models else [""]
    except ConfigError as error:
        lines = error.lines

    assert all(line and line.isprintable() for line in lines)
