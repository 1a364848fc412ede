import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.config import KeyDigest, OpenAIUpstream, Secret, Settings, as_toml

Load = Callable[..., Settings]
Refused = Callable[..., list[str]]

STATIC = '[[upstreams]]\nname = "up"\nbase_url = "http://h/v1"\ncredential = {{ mode = "static", token = {token} }}\n'


def _token(settings: Settings) -> Secret:
    upstream = settings.upstreams[0]
    assert isinstance(upstream, OpenAIUpstream)
    assert upstream.credential.token is not None
    return upstream.credential.token


def test_a_secret_is_given_as_it_is_or_by_variable_or_by_file(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from file\n")
    (tmp_path / "dos").write_text("from dos\r\n", newline="")

    assert _token(loaded(STATIC.format(token='"plain"'))).reveal() == "plain"
    assert _token(loaded(STATIC.format(token='"env:T"'), {"T": "from env"})).reveal() == "from env"
    assert _token(loaded(STATIC.format(token='"file:token"'))).reveal() == "from file"
    assert _token(loaded(STATIC.format(token=f'"file:{tmp_path}/dos"'))).reveal() == "from dos"


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("env:NOPE", "environment variable 'NOPE' is not set"),
        ("env:EMPTY", "environment variable 'EMPTY' is empty"),
        ("env:LINES", "environment variable 'LINES' contains control characters or line breaks"),
        ("file:nope", "cannot read file 'nope': no such file or directory"),
        ("file:.", "cannot read file '.': is a directory"),
        (
            "file:~nobody-of-that-name/x",
            "cannot read file '~nobody-of-that-name/x': could not determine home directory.",
        ),
        ("file:empty", "file 'empty' is empty"),
        ("file:two", "file 'two' contains control characters or line breaks"),
        ("file:binary", "file 'binary' is not UTF-8 text"),
        ("", "the secret is empty"),
        ("s3\\tcret", "the secret contains control characters or line breaks"),
    ],
)
def test_a_secret_that_leads_nowhere_is_refused_with_field_and_source(
    refused: Refused, tmp_path: Path, reference: str, told: str
) -> None:
    """A start without the secret would fail at the first request, hours later."""
    (tmp_path / "empty").touch()
    (tmp_path / "two").write_text("s3cret\ns3cret\n")
    (tmp_path / "binary").write_bytes(b"s3cret\xff")
    environ = {"EMPTY": "", "LINES": "s3cret\ns3cret"}

    assert refused(STATIC.format(token=f'"{reference}"'), environ) == [f"upstreams[0].credential.token: {told}"]
    assert refused(f'[auth]\nkeys = [{{ name = "a", key = "{reference}" }}]', environ) == [f"auth.keys[0].key: {told}"]


@pytest.mark.parametrize("key", ["with blank", "ünicode"])
def test_a_key_that_no_header_can_carry_is_refused(refused: Refused, key: str) -> None:
    assert refused(f'[auth]\nkeys = [{{ name = "a", key = "{key}" }}]') == [
        "auth.keys[0].key: a key is made of visible ASCII characters, since it comes in a header"
    ]


@pytest.mark.parametrize("wrong", ["7310", "['s3cret']", "{ s3cret = 's3cret' }", "true"])
def test_a_secret_of_the_wrong_type_is_not_repeated(refused: Refused, wrong: str) -> None:
    lines = refused(STATIC.format(token=wrong) + f"[auth]\nkeys = [{{ name = 'a', key = {wrong} }}]")

    assert len(lines) == 2
    assert all(": expected a string, got " in line for line in lines)
    assert not any("s3cret" in line or "7310" in line for line in lines)


def test_nothing_that_can_be_printed_shows_a_secret(loaded: Load) -> None:
    found = loaded(
        "[auth]\nkeys = [{ name = 'a', key = 's3cret-key' }]\n[[upstreams]]\nname = 'up'\nbase_url = 'http://h'\n"
        "credential = { mode = 'static', token = 's3cret-token', headers = { X-A = 's3cret-header' } }"
    )

    shown = f"{found} {found!r} {_token(found)} {found.auth.keys} {vars(found)} {as_toml(found)}"

    assert "s3cret" not in shown
    assert as_toml(found).count('"********"') == 3


def test_what_is_shown_in_place_of_a_secret_is_its_reference(loaded: Load) -> None:
    """An operator sees where it comes from, and can use the output as a file."""
    shown = as_toml(loaded("[auth]\nkeys = [{ name = 'a', key = 'env:K' }]", {"K": "s3cret"}))

    assert 'key = "env:K"' in shown


def test_a_key_is_recognised_but_not_kept(loaded: Load) -> None:
    (key,) = loaded("[auth]\nkeys = [{ name = 'a', key = 'env:K' }]", {"K": "s3cret"}).auth.keys

    assert key.key.matches("s3cret")
    assert b"s3cret" not in pickle.dumps(key)


@pytest.mark.parametrize(
    "presented", ["", "s3cre", "s3cret ", "S3cret", "s3crët", "s3cret\udcff", "\ud800", "x" * 100_000]
)
def test_another_key_is_not_recognised(presented: str) -> None:
    """Header text may hold what is no text: it must be refused, not raise."""
    assert not KeyDigest("s3cret").matches(presented)


def test_the_fingerprint_tells_keys_apart_and_is_short() -> None:
    assert KeyDigest("a").fingerprint != KeyDigest("b").fingerprint
    assert KeyDigest("a").fingerprint == KeyDigest("a").fingerprint
    assert len(KeyDigest("a").fingerprint) == 8


def test_secrets_are_equal_by_what_they_hold() -> None:
    """A reload asks whether a credential has changed."""
    assert Secret("a", "env:X") == Secret("a", "env:Y")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert KeyDigest("a") == KeyDigest("a")
    assert KeyDigest("a") != "a"


def test_settings_can_be_handed_to_a_worker_process(loaded: Load) -> None:
    found = loaded("[auth]\nkeys = [{ name = 'a', key = 's3cret' }]\n" + STATIC.format(token="'t'"))

    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own bytes
