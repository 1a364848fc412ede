"""Where the daemon listens: sockets are bound before any worker starts, so that a busy port is one clear line."""

import contextlib
import socket
from pathlib import Path

from proxy.config import Server

BACKLOG = 2048  # a burst of new connections waits here, not in the callers' retries


def listening_sockets(server: Server) -> list[socket.socket]:
    """The bound sockets of one configuration.  Raises OSError, naming where it could not listen."""
    if server.unix:
        return [_unix_socket(server.unix)]
    return _tcp_sockets(server.host, server.port)


def where(sock: socket.socket) -> str:
    """A listening socket as an operator writes it."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if sock.family == socket.AF_INET6 else name[0]
    return f"http://{host}:{name[1]}"


def _tcp_sockets(host: str, port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _name, address in dict.fromkeys(addresses):
            # Where any port will do, every family listens on the one that the first got.
            chosen = sockets[0].getsockname()[1] if port == 0 and sockets else port
            sock = socket.socket(family, kind, protocol)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address[0], chosen, *address[2:]))
            sock.listen(BACKLOG)
            sock.setblocking(False)  # noqa: FBT003 - the standard library has no name for it
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise OSError(
            error.errno, f"cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}"
        ) from error
    return sockets


def _unix_socket(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_dead_socket(path)
        sock.bind(path)
        sock.listen(BACKLOG)
        sock.setblocking(False)  # noqa: FBT003 - the standard library has no name for it
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {path}: {(error.strerror or str(error)).lower()}") from error
    return sock


def _remove_dead_socket(path: str) -> None:
    """Remove what a daemon that was killed has left; a socket that somebody listens on stays."""
    if not Path(path).is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(FileNotFoundError):
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
