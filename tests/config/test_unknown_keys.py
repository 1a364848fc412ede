from collections.abc import Callable

import pytest

from proxy.config import Settings

Refused = Callable[..., list[str]]
Load = Callable[..., Settings]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("sever = {}", "sever: unknown key; did you mean 'server'?"),
        ("[server]\nprot = 1", "server.prot: unknown key; did you mean 'port'?"),
        ("[auth]\nmode = 'none'\nallow_opne = true", "auth.allow_opne: unknown key; did you mean 'allow_open'?"),
        ("[retry]\nattempt = 1", "retry.attempt: unknown key; did you mean 'attempts'?"),
        ("[log]\nlevle = 'info'", "log.levle: unknown key; did you mean 'level'?"),
        ("[clocks]\nfirst_evnt = 1", "clocks.first_evnt: unknown key; did you mean 'first_event'?"),
        (
            "[[models]]\nid='m'\nupstream='up'\nclocks={totl=1}",
            "models[0].clocks.totl: unknown key; did you mean 'total'?",
        ),
        (
            "[auth]\nmode='none'\nkeys=[{name='a', key='k', rmp=1}]",
            "auth.keys[0].rmp: unknown key; did you mean 'rpm'?",
        ),
        (
            "[[upstreams]]\nname='up'\nbase_url='http://h'\ncredential={mod='none'}",
            "upstreams[0].credential.mod: unknown key; did you mean 'mode'?",
        ),
        (
            "[[upstreams]]\nname='up'\nkind='scripted'\nscript=[{say='x', chunks=1}]",
            "upstreams[0].script[0].chunks: unknown key; did you mean 'chunk'?",
        ),
        ("[log]\nzzz = 1", "log.zzz: unknown key; known keys: format, level"),
    ],
)
def test_an_unknown_key_is_refused_with_its_path_and_the_nearest_known_one(
    refused: Refused, text: str, line: str
) -> None:
    assert refused(text) == [line]


@pytest.mark.parametrize(
    "text",
    [
        "[metrics]\nenabled = true",
        "[admin]\nport = 0",
        "[trace]\nsample = 0.0",
        "[ledger]\npath = ''",
        "[server]\ntrailers = false",
        "[clocks]\nlease = 10",
    ],
)
def test_a_field_of_a_part_that_is_not_built_is_refused(refused: Refused, text: str) -> None:
    """A setting that does nothing is worse than one that is refused."""
    (line,) = refused(text)

    assert ": unknown key; " in line


@pytest.mark.parametrize("kind", ["OpenAI", ""])
def test_a_kind_that_is_not_built_is_refused(refused: Refused, kind: str) -> None:
    (line,) = refused(f"[[upstreams]]\nname='up'\nkind='{kind}'")

    assert line.startswith(f"upstreams[0].kind: unknown kind '{kind}'; ")
    assert "openai" in line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("server = 1", "server: expected a table, got a whole number"),
        ("upstreams = 'x'", "upstreams: expected an array, got a string"),
        ("upstreams = [1]", "upstreams[0]: expected a table, got a whole number"),
        (
            "[[upstreams]]\nname='up'\nkind=1",
            "upstreams[0].kind: unknown kind 1; kinds: codex, mix, openai, qwen, scripted",
        ),
        ("[server]\nport = true", "server.port: expected a number, got true"),
        ("[server]\nport = 1.5", "server.port: expected a whole number, got 1.5"),
        ("[server]\nport = [1]", "server.port: expected a whole number, got an array"),
        ("[server]\nhost = 1", "server.host: expected a string, got a whole number"),
        ("[server]\ndrain_s = inf", "server.drain_s: expected a finite number, got inf"),
        ("[server]\ndrain_s = nan", "server.drain_s: expected a finite number, got nan"),
        ("[server]\ndrain_s = -1", "server.drain_s: must be at least 0, got -1"),
        ("[auth]\nmode='none'\nallow_open = 'perhaps'", "auth.allow_open: expected true or false, got 'perhaps'"),
        ("[auth]\nmode='none'\nallow_open = 7.5", "auth.allow_open: expected true or false, got 7.5"),
        ("[log]\nformat = 2020-01-01", "log.format: expected 'json', 'logfmt' or 'console', got something else"),
        ("[server]\nhost = ''", "server.host: must not be empty"),
        (f"[server]\nhost = '{'h' * 257}'", "server.host: must be at most 256 characters long"),
        (f"[server]\nport = '{'h' * 257}'", f"server.port: expected a whole number, got '{'h' * 63}…"),
        ("[server]\nport = 'a\\u0007b'".replace("'", '"'), "server.port: expected a whole number, got 'a\\x07b'"),
    ],
)
def test_a_wrong_type_is_told_in_the_words_of_toml(refused: Refused, text: str, line: str) -> None:
    assert refused(text) == [line]
