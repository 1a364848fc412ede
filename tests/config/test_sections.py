from collections.abc import Callable
from ipaddress import ip_network

import pytest

from proxy.config import Auth, Breaker, Log, Retry, Server, Settings

Load = Callable[..., Settings]
Refused = Callable[..., list[str]]


def test_the_defaults_are_the_documented_ones() -> None:
    """Operators rely on what is not in their file."""
    assert Server().model_dump() == {
        "host": "127.0.0.1",
        "unix": "",
        "port": 8080,
        "workers": 1,
        "max_body_bytes": 10 * 1024 * 1024,
        "max_in_flight": 1000,
        "max_queued": 100,
        "max_event_bytes": 4 * 1024 * 1024,
        "max_answer_bytes": 8 * 1024 * 1024,
        "allow_header_overrides": False,
        "drain_s": 30,
        "trusted_proxies": (ip_network("127.0.0.1/32"), ip_network("::1/128")),
        "cors_origins": (),
    }
    assert Auth().model_dump() == {"mode": "keys", "allow_open": False, "keys": ()}
    assert Breaker().model_dump() == {"failures": 5, "window_s": 30, "open_s": 15}
    assert Retry().model_dump() == {"attempts": 3, "base_s": 0.2, "cap_s": 5, "max_calls": 6, "retry_after_cap_s": 20}
    assert Log().model_dump() == {"format": "json", "level": "info"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("port = -1", "port: must be at least 0, got -1"),
        ("port = 65536", "port: must be at most 65535, got 65536"),
        ("workers = 0", "workers: must be at least 1, got 0"),
        ("max_body_bytes = 0", "max_body_bytes: must be at least 1, got 0"),
        ("max_in_flight = 0", "max_in_flight: must be at least 1, got 0"),
        ("max_queued = -1", "max_queued: must be at least 0, got -1"),
        ("max_event_bytes = 0", "max_event_bytes: must be at least 1, got 0"),
        ("max_answer_bytes = 0", "max_answer_bytes: must be at least 1, got 0"),
        ("host = ' h'", "host: must not begin or end with a blank"),
        ('host = "a\\u0000b"', "host: must not contain control characters or line breaks"),
        (f"unix = '{'u' * 108}'", "unix: a socket's path has at most 107 bytes"),
        ("trusted_proxies = [1]", "trusted_proxies[0]: expected a string, got a whole number"),
        (
            "trusted_proxies = ['10.0.0.1/8']",
            "trusted_proxies[0]: expected an address or a network like 10.0.0.0/8: 10.0.0.1/8 has host bits set",
        ),
    ],
)
def test_a_server_field_out_of_range_is_refused(refused: Refused, line: str, told: str) -> None:
    assert refused(f"[server]\n{line}") == [f"server.{told}"]


@pytest.mark.parametrize("line", ["port = 0", "port = 65535", "max_queued = 0", "drain_s = 0", f"unix = '{'u' * 107}'"])
def test_the_ends_of_a_range_belong_to_it(loaded: Load, line: str) -> None:
    assert loaded(f"[server]\n{line}")


def test_a_trusted_proxy_is_an_address_or_a_network(loaded: Load) -> None:
    found = loaded('[server]\ntrusted_proxies = ["10.0.0.1", "10.0.0.0/8", "fd00::/8"]').server.trusted_proxies

    assert found == (ip_network("10.0.0.1/32"), ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize("origin", ["*", "https://a.example", "http://localhost:3000", "http://[::1]:80"])
def test_an_origin_is_what_a_browser_sends(loaded: Load, origin: str) -> None:
    assert loaded(f'[server]\ncors_origins = ["{origin}"]').server.cors_origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    [
        "a.example",
        "https://",
        "https://a.example/",
        "https://a.example/x",
        "ftp://a",
        "https://u@a",
        "https://a?q",
        "https://a:x",
        "http://[",
        "null",
        "",
    ],
)
def test_what_no_browser_sends_is_not_an_origin(refused: Refused, origin: str) -> None:
    """It would never match, and the operator would look for the reason in the browser."""
    assert refused(f'[server]\ncors_origins = ["{origin}"]') == [
        "server.cors_origins[0]: expected '*' or an origin like https://chat.example.org, without a path"
    ]


def test_an_origin_is_given_once(refused: Refused) -> None:
    assert refused('[server]\ncors_origins = ["*", "*"]') == ["server.cors_origins: '*' is given twice"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_without_keys_only_this_host_is_let_in(loaded: Load, host: str) -> None:
    assert loaded(f'[server]\nhost = "{host}"').auth.mode == "none"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gateway.example.org"])
def test_without_keys_an_open_address_is_refused(refused: Refused, host: str) -> None:
    assert refused(f'[server]\nhost = "{host}"') == [
        f'auth.mode: "none" needs a loopback address, a socket or auth.allow_open = true; the host is {host}'
    ]


def test_an_open_door_can_be_asked_for(loaded: Load) -> None:
    assert loaded('[server]\nhost = "0.0.0.0"\n[auth]\nmode = "none"\nallow_open = true').auth.allow_open


def test_a_unix_socket_is_local_whatever_the_host(loaded: Load) -> None:
    assert loaded('[server]\nhost = "0.0.0.0"\nunix = "/run/t.sock"').server.is_local


def test_keys_are_the_default_and_needed(refused: Refused) -> None:
    assert refused("[auth]") == [
        'auth.keys: mode "keys" needs at least one key; here auth.mode = "none" would do, as only this host calls'
    ]
    assert refused('[server]\nhost = "0.0.0.0"\n[auth]') == ['auth.keys: mode "keys" needs at least one key']


def test_a_key_may_use_every_model_without_limits_unless_told_otherwise(loaded: Load) -> None:
    (key,) = loaded("[auth]\nkeys = [{ name = 'dev', key = 'k' }]").auth.keys

    assert (key.name, key.models, key.rpm, key.max_parallel) == ("dev", ("*",), 0, 0)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("{name='a',key='k'},{name='a',key='l'}", "auth.keys[1].name: 'a' is the name of another entry"),
        ("{name='a',key='k'},{name='b',key='k'}", "auth.keys[1].key: is the same as the key of 'a'"),
        ("{name='a',key='k'},{name='b',key='env:K'}", "auth.keys[1].key: is the same as the key of 'a'"),
        ("{name='a'}", "auth.keys[0].key: is required"),
        ("{key='k'}", "auth.keys[0].name: is required"),
        ("{name='',key='k'}", "auth.keys[0].name: must not be empty"),
        ('{name="a\\nb",key="k"}', "auth.keys[0].name: must not contain control characters or line breaks"),
        ("{name='a',key='k',models=[]}", "auth.keys[0].models: must not be empty"),
        ("{name='a',key='k',models=['x','x']}", "auth.keys[0].models: 'x' is given twice"),
        ("{name='a',key='k',rpm=-1}", "auth.keys[0].rpm: must be at least 0, got -1"),
        ("{name='a',key='k',max_parallel=-1}", "auth.keys[0].max_parallel: must be at least 0, got -1"),
    ],
)
def test_a_key_that_cannot_be_right_is_refused(refused: Refused, keys: str, line: str) -> None:
    assert refused(f"[auth]\nkeys = [{keys}]", {"K": "k"}) == [line]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("attempts = 0", "attempts: must be at least 1, got 0"),
        ("max_calls = 0", "max_calls: must be at least 1, got 0"),
        ("base_s = -0.1", "base_s: must be at least 0, got -0.1"),
        ("cap_s = -1", "cap_s: must be at least 0, got -1"),
        ("retry_after_cap_s = -1", "retry_after_cap_s: must be at least 0, got -1"),
    ],
)
def test_a_retry_field_out_of_range_is_refused(refused: Refused, line: str, told: str) -> None:
    assert refused(f"[retry]\n{line}") == [f"retry.{told}"]
