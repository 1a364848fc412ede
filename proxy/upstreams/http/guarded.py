"""Connections to hosts that callers have named: resolved once, all addresses judged, and connected to those alone.

A look-up of its own for judging would be worth nothing: the next one, for connecting, may bring another answer.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Any, TypeAlias

from proxy.errors import UpstreamRefused, UpstreamUnreachable
from proxy.upstreams.http.addresses import Address, is_public
from proxy.upstreams.http.policy import PARAM

Connected: TypeAlias = tuple[asyncio.BaseTransport, Any]
Factory: TypeAlias = Callable[[], asyncio.BaseProtocol]
Connect: TypeAlias = Callable[[Factory, str, int, ssl.SSLContext | None], Awaitable[Connected]]
"""Connects to a host by its name, under TLS where there is a context.  Raises OSError, and errors of `ssl`."""

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
Dial: TypeAlias = Callable[[Factory, str, int, ssl.SSLContext | None, str], Awaitable[Connected]]
"""Connects to one address; the last argument is the name that a certificate must be for."""


async def connect(factory: Factory, host: str, port: int, tls: ssl.SSLContext | None) -> Connected:
    """Connect to a host of our own choice, as the loop does it."""
    loop = asyncio.get_running_loop()
    return await loop.create_connection(factory, host, port, ssl=tls, server_hostname=host if tls else None)


async def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a host, in the system's order."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def dial(factory: Factory, address: str, port: int, tls: ssl.SSLContext | None, name: str) -> Connected:
    """Connect to one address."""
    loop = asyncio.get_running_loop()
    return await loop.create_connection(factory, address, port, ssl=tls, server_hostname=name if tls else None)


class GuardedConnect:
    """A `Connect` for hosts that others have chosen."""

    def __init__(self, *, allow_private: bool, resolve: Resolve = resolve, dial: Dial = dial) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._dial = dial

    async def __call__(self, factory: Factory, host: str, port: int, tls: ssl.SSLContext | None) -> Connected:
        """Connect.  Raises `UpstreamRefused` where any address is not public, and as the port says."""
        addresses = self._judged(await self._resolve(host, port))
        last: OSError | None = None
        for address in addresses:
            try:
                connected = await self._dial(factory, str(address), port, tls, host)
            except ssl.SSLCertVerificationError:
                raise
            except OSError as error:
                last = error
                continue
            return self._compared(connected, address)
        raise last or UpstreamUnreachable(detail="no address")

    def _judged(self, found: Sequence[str]) -> list[Address]:
        try:
            addresses = [ip_address(each) for each in found]
        except ValueError as error:
            raise UpstreamUnreachable(detail="an address that can't be read") from error
        if not self._allow_private and not all(map(is_public, addresses)):
            raise not_public()
        return addresses

    def _compared(self, connected: Connected, address: Address) -> Connected:
        """Make sure that the socket's other end is the address that was judged."""
        transport, _ = connected
        peer = transport.get_extra_info("peername")
        try:
            same = peer is not None and ip_address(peer[0]) == address
        except ValueError:
            same = False
        if not same:
            transport.abort() if isinstance(transport, asyncio.WriteTransport) else transport.close()
            raise not_public()
        return connected


def not_public() -> UpstreamRefused:
    """The refusal of an address, which is not told: it would map the network that we stand in."""
    return UpstreamRefused(
        f"Invalid '{PARAM}': expected a host with public addresses, got something else.", param=PARAM
    )
