from collections.abc import Callable
from typing import get_args

import pytest

from proxy.config import KINDS, OpenAIUpstream, ScriptedUpstream, Settings, Upstream

Load = Callable[..., Settings]
Refused = Callable[..., list[str]]


def _openai(fields: str) -> str:
    base = "" if "base_url" in fields else 'base_url = "http://h/v1"\n'
    return f'[[upstreams]]\nname = "up"\nkind = "openai"\n{base}{fields}\n'


def _first(settings: Settings) -> OpenAIUpstream:
    upstream = settings.upstreams[0]
    assert isinstance(upstream, OpenAIUpstream)
    return upstream


def test_every_kind_has_its_row() -> None:
    """The closed type and the table say the same."""
    union = get_args(Upstream)[0]

    assert set(KINDS.values()) == set(get_args(union))
    for kind, upstream in KINDS.items():
        assert get_args(upstream.model_fields["kind"].annotation) == (kind,)


def test_an_openai_upstream_needs_no_more_than_a_name_and_a_url(loaded: Load) -> None:
    found = _first(loaded('[[upstreams]]\nname = "up"\nbase_url = "http://h/v1"'))

    assert (found.kind, found.max_parallel, found.forward_headers) == ("openai", 0, ())
    assert (found.credential.mode, found.credential.token, found.credential.headers) == ("none", None, {})
    assert (found.token_field, found.developer_role, found.think_tags) == ("max_completion_tokens", True, False)
    assert (found.text, found.arguments) == ("delta", "delta")
    assert found.clocks.given() == {}


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("https://api.example.org/v1/", "https://api.example.org/v1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("HTTP://host", "HTTP://host"),
    ],
)
def test_a_base_url_is_kept_without_its_last_slash(loaded: Load, url: str, kept: str) -> None:
    assert _first(loaded(_openai(f'base_url = "{url}"'))).base_url == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host/v1",
        "http://",
        "http:///v1",
        "ftp://host",
        "//host/v1",
        "http://h:99999",
        "http://h:0",
        "http://[",
        "http://h /v1",
        "http://h/\\tv1",
    ],
)
def test_a_base_url_needs_a_scheme_and_a_host(refused: Refused, url: str) -> None:
    assert refused(_openai(f'base_url = "{url}"')) == [
        "upstreams[0].base_url: expected a URL like http://127.0.0.1:8000/v1: http or https, with a host"
    ]


def test_a_password_in_a_base_url_is_refused_and_not_repeated(refused: Refused) -> None:
    """URLs are shown and logged."""
    lines = refused(_openai('base_url = "http://me:s3cret@h/v1"'))

    assert lines == ["upstreams[0].base_url: must not hold a user name or password; give them by `credential`"]


@pytest.mark.parametrize("url", ["http://h/v1?key=s3cret", "http://h/v1#x", "http://h/v1?"])
def test_a_base_url_has_no_query(refused: Refused, url: str) -> None:
    """A path is appended to it."""
    assert refused(_openai(f'base_url = "{url}"')) == ["upstreams[0].base_url: must not have a query or a fragment"]


def test_forwarded_headers_are_compared_in_lower_case(loaded: Load) -> None:
    assert _first(loaded(_openai('forward_headers = ["X-Tenant", "traceparent"]'))).forward_headers == (
        "x-tenant",
        "traceparent",
    )


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Proxy-Authorization",
        "Proxy-Authenticate",
        "Proxy-Connection",
        "Host",
        "Content-Length",
        "Content-Type",
        "Content-Encoding",
        "Accept-Encoding",
        "Expect",
    ],
)
@pytest.mark.parametrize("field", ["forward_headers = ['{}']", "credential = {{ headers = {{ '{}' = 'x' }} }}"])
def test_a_header_of_one_connection_is_never_passed_on(refused: Refused, name: str, field: str) -> None:
    (line,) = refused(_openai(field.format(name)))

    assert f"'{name.lower()}' belongs to one connection, and is never passed on" in line


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "X-Api-Key"])
def test_a_callers_credential_is_forwarded_only_as_pass_through(refused: Refused, name: str) -> None:
    assert refused(_openai(f"forward_headers = ['{name}']")) == [
        f"upstreams[0].forward_headers[0]: '{name.lower()}' is not forwarded; pass_through sends the caller's own key"
    ]


@pytest.mark.parametrize("name", ["", "x y", "x:y", "ü", "x\\n"])
def test_a_header_has_a_lawful_name(refused: Refused, name: str) -> None:
    (line,) = refused(_openai(f'forward_headers = ["{name}"]'))

    assert line.endswith("is not a header's name")


def test_a_header_is_forwarded_once(refused: Refused) -> None:
    assert refused(_openai("forward_headers = ['X-A', 'x-a']")) == [
        "upstreams[0].forward_headers: 'x-a' is given twice"
    ]


@pytest.mark.parametrize(
    "credential",
    [
        '{ mode = "none" }',
        '{ mode = "none", headers = { x-tenant = "t" } }',
        '{ mode = "static", token = "t" }',
        '{ mode = "static", headers = { Authorization = "Basic eDp5" } }',
        '{ mode = "static", token = "t", headers = { x-tenant = "t" } }',
        '{ mode = "pass_through" }',
        '{ mode = "pass_through", headers = { x-tenant = "t" } }',
    ],
)
def test_a_credential_that_says_one_thing_is_taken(loaded: Load, credential: str) -> None:
    assert loaded(_openai(f"credential = {credential}"))


@pytest.mark.parametrize(
    ("credential", "told"),
    [
        ('{ mode = "static" }', ': mode "static" needs `token` or `headers`'),
        ('{ token = "t" }', ': `token` needs mode = "static", and the mode is "none"'),
        ('{ mode = "pass_through", token = "t" }', ': `token` needs mode = "static", and the mode is "pass_through"'),
        (
            '{ mode = "static", token = "t", headers = { authorization = "x" } }',
            ": `Authorization` is given twice: among the `headers`, and by the mode",
        ),
        (
            '{ mode = "pass_through", headers = { Authorization = "x" } }',
            ": `Authorization` is given twice: among the `headers`, and by the mode",
        ),
        ('{ mode = "managed" }', ': mode "managed" needs `token_url`'),
        ('{ token_url = "/t" }', ': `token_url` needs mode = "managed", and the mode is "none"'),
        (
            '{ mode = "static", token = "t", header = "x-key" }',
            ': `header` needs mode = "pass_through", and the mode is "static"',
        ),
        (
            '{ mode = "managed", token_url = "ftp://h/t" }',
            ".token_url: expected a URL like http://127.0.0.1:8000/v1: http or https, with a host",
        ),
        (
            '{ mode = "managed", token_url = "/t", share_key = "short" }',
            ".share_key: expected 32 bytes, as 64 hexadecimal digits or in base64",
        ),
        ("{ headers = { x-a = 1 } }", ".headers.x-a: expected a string, got a whole number"),
    ],
)
def test_a_credential_that_contradicts_itself_is_refused(refused: Refused, credential: str, told: str) -> None:
    assert refused(_openai(f"credential = {credential}")) == [f"upstreams[0].credential{told}"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            "token_field = 'max_output'",
            "token_field: expected 'max_completion_tokens' or 'max_tokens', got 'max_output'",
        ),
        ("text = 'x'", "text: expected 'delta' or 'snapshot', got 'x'"),
        ("arguments = 'x'", "arguments: expected 'delta' or 'snapshot', got 'x'"),
        ("max_parallel = -1", "max_parallel: must be at least 0, got -1"),
    ],
)
def test_a_field_of_an_upstream_out_of_range_is_refused(refused: Refused, fields: str, told: str) -> None:
    assert refused(_openai(fields)) == [f"upstreams[0].{told}"]


def test_a_field_of_another_kind_is_refused_by_saying_so(refused: Refused) -> None:
    """It is spelled right, so a near name would mislead."""
    assert refused(_openai("script = []")) == [
        "upstreams[0].script: a field of kind 'scripted'; this upstream is of kind 'openai'"
    ]
    assert refused('[[upstreams]]\nname = "up"\nkind = "scripted"\nbase_url = "http://h"') == [
        "upstreams[0].base_url: a field of kind 'openai'; this upstream is of kind 'scripted'"
    ]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "must not be empty"),
        ("a\\tb", "must not contain control characters or line breaks"),
        ("a ", "must not begin or end with a blank"),
    ],
)
def test_an_upstreams_name_is_one_clean_line(refused: Refused, name: str, told: str) -> None:
    (line, *_) = refused(f'[[upstreams]]\nname = "{name}"\nbase_url = "http://h"')

    assert line == f"upstreams[0].name: {told}"


def test_upstreams_have_different_names(refused: Refused) -> None:
    upstream = '[[upstreams]]\nname = "up"\nbase_url = "http://h"\n'

    assert refused(upstream * 2) == ["upstreams[1].name: 'up' is the name of another entry"]


def test_a_scripted_upstream_has_no_script_one_or_one_per_call(loaded: Load) -> None:
    def turns(fields: str) -> int:
        upstream = loaded(f'[[upstreams]]\nname = "up"\nkind = "scripted"\n{fields}').upstreams[0]
        assert isinstance(upstream, ScriptedUpstream)
        return len(upstream.turns)

    assert turns("") == 0
    assert turns("script = [{ say = 'a' }, { say = 'b' }]") == 1
    assert turns("scripts = [[{ say = 'a' }], [], [{ cut = true }]]") == 3


def test_a_scripted_upstream_has_one_source_of_scripts(refused: Refused) -> None:
    fields = "script = [{ say = 'a' }]\nscripts = [[{ say = 'b' }]]"

    assert refused(f'[[upstreams]]\nname = "up"\nkind = "scripted"\n{fields}') == [
        "upstreams[0].scripts: is given along with `script`; keep one of them"
    ]
