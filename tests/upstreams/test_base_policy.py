"""Base URLs that callers name: what is judged before anything is resolved.  Nothing here connects to anything."""

import pytest

from proxy.config import Dynamic
from proxy.errors import RequestRejected
from proxy.upstreams.http.policy import BasePolicy

OPEN = Dynamic(enabled=True, allow_hosts=("*:*",), allow_http=True)
LISTED = Dynamic(enabled=True, allow_hosts=("*.example.net", "chat.example.org:8443", "any.example.org:*"))

HOSTILE = [
    # not a URL of ours
    "example.org", "//example.org", "/v1", "ftp://example.org", "file:///etc/passwd", "gopher://example.org",
    "javascript:alert(1)", "unix:///run/x.sock", "data:text/plain,x", "https:/example.org", "https:example.org",
    "https://", "https:///v1", "http://?x", "https://#x",
    # blanks, controls, backslashes
    "https://example.org\\@evil.example", "https:\\\\example.org", "https://exa mple.org", " https://example.org",
    "https://example.org\n", "https://example.org\r\nX: y", "https://example.org/\t", "https://exam\x00ple.org",
    "https://example.org/\x7f", "https://example.org\u2028", "https://example.org\u200b", "https://\u202eexample.org",
    "https://example.org/\u00a0",
    # users, queries, fragments
    "https://user@example.org", "https://user:pass@example.org", "https://@example.org", "https://example.org@127.0.0.1",
    "https://127.0.0.1%40example.org", "https://example.org?x=1", "https://example.org/?", "https://example.org/#",
    "https://example.org/v1#x", "https://example.org#@127.0.0.1/",
    # hosts that are none
    "https://%31%32%37.0.0.1", "https://[fe80::1%25eth0]", "https://[fe80::1%eth0]", "https://[::1", "https://::1]",
    "https://[]", "https://[gg::1]", "https://.example.org", "https://example..org", "https://example.org..",
    "https://exa$mple.org", "https://exa,mple.org", f"https://{'a' * 64}.org", f"https://{'a.' * 127}org",
    "https://1.2.3.4.5", "https://256.256.256.256", "https://0x", "https://example.0x1g.0xffffffffff",
    "https://example.org:0", "https://example.org:65536", "https://example.org:-1", "https://example.org:http",
    "https://example.org:80:80",
    # addresses, in every spelling
    "http://127.0.0.1", "http://127.1", "http://127.0.1", "http://2130706433", "http://0x7f000001", "http://0x7f.1",
    "http://0177.0.0.1", "http://017700000001", "http://127.0.0.1.", "http://127.0.0.01", "http://00000127.0.0.1",
    "http://0", "http://0.0.0.0", "http://169.254.169.254", "http://2852039166", "http://0xa9fea9fe",
    "http://[::1]", "http://[::]", "http://[::ffff:127.0.0.1]", "http://[0:0:0:0:0:ffff:7f00:1]", "http://[fe80::1]",
    "http://[fd00::1]", "http://[64:ff9b::7f00:1]", "http://[2002:7f00:1::]", "http://8.8.8.8",
    "http://[2606:4700::1111]", "http://\uff11\uff12\uff17.0.0.1", "http://127\u30020\u30020\u30021",
    "http://\u2460\u2461\u2466.0.0.1",
    # long
    "https://example.org/" + "a" * 2048,
]  # fmt: skip


def judge(raw, entry=OPEN, own="https://own.example.com", *, bound=False):
    return BasePolicy(entry, own, bound=bound).judge(raw)


def refusal(raw, *args, **kwargs):
    with pytest.raises(RequestRejected) as refused:
        judge(raw, *args, **kwargs)
    error = refused.value
    assert error.param == "upstream_base_url"
    return error.told_code


def test_the_table_is_long():
    assert len(set(HOSTILE)) == len(HOSTILE) >= 60


@pytest.mark.parametrize("raw", HOSTILE)
def test_a_hostile_url_is_refused_though_any_host_is_allowed(raw):
    assert refusal(raw) == "invalid_value"


def test_a_refusal_does_not_repeat_what_came():
    with pytest.raises(RequestRejected) as refused:
        judge("https://user:hunter2@example.org")
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize("raw", ["https://example.org", ""])
def test_where_it_is_not_enabled_it_is_never_ignored(raw):
    assert refusal(raw, Dynamic()) == "unsupported_parameter"


@pytest.mark.parametrize(
    ("raw", "url"),
    [
        ("https://example.org", "https://example.org/"),
        ("HTTPS://Example.ORG/v1/", "https://example.org/v1/"),
        ("https://example.org.", "https://example.org/"),
        ("https://example.org:8443/a/b", "https://example.org:8443/a/b"),
        ("http://bücher.example", "http://xn--bcher-kva.example/"),
        ("http://xn--bcher-kva.example", "http://xn--bcher-kva.example/"),
        ("https://\uff45xample.org", "https://example.org/"),
        ("https://exa_mple.org", "https://exa_mple.org/"),
    ],
)
def test_a_host_is_what_the_parser_that_connects_reads(raw, url):
    named = judge(raw)

    assert str(named.url) == url or f"{named.url}/" == url
    assert named.by == "dynamic"


@pytest.mark.parametrize(
    ("raw", "allowed"),
    [
        ("https://a.example.net", True),
        ("https://b.a.example.net", True),
        ("https://example.net", False),
        ("https://badexample.net", False),
        ("https://a.example.net.evil.test", False),
        ("https://a.example.net:444", False),
        ("https://chat.example.org", False),
        ("https://chat.example.org:8443", True),
        ("https://chat.example.org:8444", False),
        ("https://any.example.org", True),
        ("https://any.example.org:1", True),
        ("http://a.example.net", False),
    ],
)
def test_a_host_and_its_port_are_listed(raw, allowed):
    if allowed:
        assert judge(raw, LISTED).by == "allowlist"
    else:
        assert refusal(raw, LISTED) == "invalid_value"


@pytest.mark.parametrize("spelling", ["10.1.2.3", "10.1.515", "0xa010203", "167838211", "012.1.2.3"])
def test_an_address_is_allowed_where_it_is_listed_however_it_is_spelt(spelling):
    listed = Dynamic(enabled=True, allow_hosts=("10.1.2.3", "[fd00::5]:*"), allow_http=True)

    assert judge(f"http://{spelling}", listed).url.host == "10.1.2.3"
    assert judge("http://[fd00:0::5]:99", listed).by == "allowlist"
    assert refusal("http://10.1.2.4", listed) == "invalid_value"


def test_any_address_is_allowed_under_a_star_and_with_private_ones():
    private = Dynamic(enabled=True, allow_hosts=("*:*",), allow_http=True, allow_private=True)

    assert judge("http://127.1:99", private).url.host == "127.0.0.1"
    assert refusal("http://127.1:99", OPEN) == "invalid_value"


@pytest.mark.parametrize(
    ("raw", "hosts", "sent"),
    [
        ("https://evil.test", ("*",), False),
        ("https://own.example.com", ("*",), True),
        ("https://own.example.com:444", ("*:*",), False),
        ("http://own.example.com", ("*",), False),
        ("https://a.example.net", ("*", "*.example.net"), True),
        ("https://evil.test", ("*", "*.example.net"), False),
    ],
)
def test_our_own_credential_goes_to_hosts_that_it_is_meant_for(raw, hosts, sent):
    """Else the first caller who asks would be sent it."""
    entry = Dynamic(enabled=True, allow_hosts=hosts, allow_http=True)

    assert judge(raw, entry).url
    if sent:
        assert judge(raw, entry, bound=True).url
    else:
        assert refusal(raw, entry, bound=True) == "invalid_value"
