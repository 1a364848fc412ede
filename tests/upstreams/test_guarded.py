"""Connections to hosts that callers have named: one look-up, all of it judged, and no other address.

The resolver and the dialling are fakes: no hostile or private address is ever connected to.
"""

import ipaddress

import pytest

from proxy.errors import UpstreamRefused
from proxy.upstreams.http.addresses import is_public
from proxy.upstreams.http.guarded import GuardedConnect

NOT_PUBLIC = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.9", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:0:808:808::1", "2001:2::1", "2001:20::1", "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1",
    "ff02::1", "ff0e::1", "2606:4700::1%eth0",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "198.17.0.1",
          "223.255.255.1",
          "2606:4700::1111", "2a00:1450::1", "2001:4860::8888", "2400::1"]  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_that_is_public(address):
    assert is_public(ipaddress.ip_address(address))


class Transport:
    def __init__(self, peer):
        self.peer = peer
        self.closed = False

    def get_extra_info(self, _name):
        return None if self.peer is None else (self.peer, 443)

    def close(self):
        self.closed = True


class Net:
    """A net that answers look-ups from a list, each once; *peers* are what sockets say of their other end."""

    def __init__(self, *answers, peers=None, down=()):
        self.answers = list(answers)
        self.peers = peers or {}
        self.down = down
        self.looked_up = []
        self.dialled = []
        self.transports = []

    async def resolve(self, host, _port):
        self.looked_up.append(host)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def dial(self, _factory, address, port, _tls, name):
        self.dialled.append((address, port, name))
        if address in self.down:
            raise ConnectionRefusedError(111, "Connection refused")
        self.transports.append(Transport(self.peers.get(address, address)))
        return self.transports[-1], object()

    async def connect(self, host="chat.example.org", *, allow_private=False):
        guard = GuardedConnect(allow_private=allow_private, resolve=self.resolve, dial=self.dial)
        return await guard(object, host, 443, None)


async def test_what_was_judged_is_what_is_connected_to():
    net = Net(["8.8.8.8"])
    await net.connect()

    assert net.dialled == [("8.8.8.8", 443, "chat.example.org")], "the name is kept for the certificate"


async def test_a_name_that_changes_its_address_is_looked_up_once():
    """A rebinding resolver answers well when it is judged, and badly when it is connected to."""
    net = Net(["8.8.8.8"], ["127.0.0.1"])
    await net.connect()

    assert net.looked_up == ["chat.example.org"]
    assert [address for address, *_ in net.dialled] == ["8.8.8.8"]


@pytest.mark.parametrize("bad", NOT_PUBLIC)
@pytest.mark.parametrize("order", [1, -1])
async def test_one_bad_address_refuses_all(bad, order):
    net = Net(["8.8.8.8", bad][::order])
    with pytest.raises(UpstreamRefused) as refused:
        await net.connect()

    assert net.dialled == []
    assert (refused.value.told_status, refused.value.told_code) == (400, "invalid_value")
    assert refused.value.param == "upstream_base_url"
    assert bad not in refused.value.message


async def test_each_new_connection_is_judged_anew():
    net = Net(["8.8.8.8"], ["10.0.0.1"])
    await net.connect()
    with pytest.raises(UpstreamRefused):
        await net.connect()


@pytest.mark.parametrize("peer", ["127.0.0.1", "8.8.4.4", "nonsense", None])
async def test_a_socket_with_another_end_is_closed(peer):
    net = Net(["8.8.8.8"], peers={"8.8.8.8": peer})
    with pytest.raises(UpstreamRefused):
        await net.connect()

    assert net.transports[0].closed


async def test_the_next_address_is_tried_when_one_is_down():
    net = Net(["8.8.8.8", "1.1.1.1"], down=("8.8.8.8",))
    await net.connect()

    assert len(net.dialled) == 2


async def test_nobody_is_let_through_when_the_look_up_fails():
    net = Net(OSError(-2, "Name or service not known"))
    with pytest.raises(OSError, match="not known"):
        await net.connect()

    assert net.dialled == []


async def test_a_literal_goes_the_same_way():
    """Resolver hooks of HTTP clients are not called for one."""
    net = Net(["10.0.0.1"])
    with pytest.raises(UpstreamRefused):
        await net.connect("10.0.0.1")


async def test_private_addresses_are_allowed_where_they_are_configured_to_be():
    net = Net(["10.0.0.1"])
    await net.connect(allow_private=True)

    assert len(net.dialled) == 1
