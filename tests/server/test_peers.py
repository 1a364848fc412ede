"""Who a request comes from: `X-Forwarded-For` is believed as far as trusted proxies have written it."""

from ipaddress import ip_network

import pytest

from proxy.server.peers import peer_of

TRUSTED = (ip_network("127.0.0.0/8"), ip_network("::1/128"), ip_network("10.0.0.0/8"))


@pytest.mark.parametrize(
    ("remote", "forwarded_for", "peer"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),  # anybody can send the header
        ("127.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),  # what came before was the caller's own claim
        ("127.0.0.1", ["198.51.100.7, 10.1.2.3"], "198.51.100.7"),
        ("127.0.0.1", ["198.51.100.7", "10.1.2.3"], "198.51.100.7"),
        ("127.0.0.1", ["10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", ["198.51.100.7, nonsense"], "127.0.0.1"),
        ("127.0.0.1", ["nonsense\x1b[31m"], "127.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("::1", ["2001:db8::5"], "2001:db8::5"),
        (None, ["198.51.100.7"], "198.51.100.7"),  # a Unix socket
        (None, [], ""),
    ],
)
def test_the_peer_is_the_last_hop_that_is_not_ours(remote: str | None, forwarded_for: list[str], peer: str) -> None:
    assert peer_of(remote, forwarded_for, TRUSTED) == peer
