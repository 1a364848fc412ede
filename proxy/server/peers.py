"""Who a request comes from, when there are reverse proxies in between."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

REMEMBERED = 4096  # addresses; parsing one costs more than all the rest of finding the peer

Networks = tuple[IPv4Network | IPv6Network, ...]


def peer_of(remote: str | None, forwarded_for: Sequence[str], trusted: Networks) -> str:
    """The address that a request comes from: the last one in `X-Forwarded-For` that is not a trusted proxy's.

    The header is believed as far as trusted proxies have written it, from its end on; anybody may have written its
    beginning.  A connection without an address, over a Unix socket, is a proxy of this host.
    """
    peer = remote or ""
    if not forwarded_for or (peer and not is_trusted(peer, trusted)):
        return peer
    for hop in reversed([hop.strip() for value in forwarded_for for hop in value.split(",")]):
        if not is_address(hop):
            break
        peer = hop
        if not is_trusted(hop, trusted):
            break
    return peer


@lru_cache(maxsize=REMEMBERED)
def is_address(text: str) -> bool:
    """Whether *text* is an IP address, and nothing else."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=REMEMBERED)
def is_trusted(address: str, trusted: Networks) -> bool:
    """Whether *address* belongs to one of the networks."""
    return is_address(address) and any(ip_address(address) in network for network in trusted)
