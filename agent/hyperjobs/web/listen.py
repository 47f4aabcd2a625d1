"""Listening sockets: all that were asked for, or none."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import HyperjobsError

if TYPE_CHECKING:
    from collections.abc import Iterable

_BACKLOG: Final = 1024  # a crowd that connects at once must not make a scrape retry its SYN a second later
_MAX_PORT: Final = 65535


class ListenError(HyperjobsError):
    """An address cannot be listened on."""

    reason = "listen"


def parse_address(text: str) -> tuple[str, int]:
    """The host and port of ``host:port``, ``[::1]:port`` or ``:port``, whose host ``""`` is every address.

    Raises:
        ListenError: it is none of these.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > _MAX_PORT:
        raise ListenError(f"{text!r} is no address to listen on; write 127.0.0.1:10985, [::1]:10985 or :10985")
    return host, int(port)


def bind_all(addresses: Iterable[str]) -> list[socket.socket]:
    """One listening, non-blocking socket for each address, in their order.

    Raises:
        ListenError: one of them cannot be had; the others are closed again.
    """
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(_bind(text)) for text in addresses]
        opened.pop_all()
    return sockets


def bound_address(listener: socket.socket) -> str:
    """``host:port`` as bound: the port is the real one where 0 was asked for."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bind(text: str) -> socket.socket:
    host, port = parse_address(text)
    if not host:
        return _bind_everywhere(text, port)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ListenError(f"{text}: the name is not known here ({error}); listen on an address instead") from error
    failure: OSError | None = None
    for family, _, _, _, address in found:  # a name may have several addresses, of which this machine has one
        try:
            return _listen(family, address)
        except OSError as error:
            failure = failure or error
    assert failure is not None  # noqa: S101 - getaddrinfo finds one address or raises
    raise _explain(text, port, failure) from failure


def _bind_everywhere(text: str, port: int) -> socket.socket:
    try:
        if socket.has_dualstack_ipv6():
            return _listen(socket.AF_INET6, ("::", port), both_families=True)
        return _listen(socket.AF_INET, ("0.0.0.0", port))  # noqa: S104 - ":port" asks for every address
    except OSError as error:
        raise _explain(text, port, error) from error


def _listen(family: int, address: tuple[object, ...], *, both_families: bool = False) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both_families)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.settimeout(0)
    except OSError:
        listener.close()
        raise
    return listener


def _explain(text: str, port: int, error: OSError) -> ListenError:
    if error.errno == errno.EADDRINUSE:
        remedy = f"`ss -ltnp sport = :{port}` shows who has it; end that or set web.listen to another port"
        return ListenError(f"{text}: address in use; {remedy}")
    if error.errno == errno.EACCES:
        return ListenError(
            f"{text}: port {port} is privileged; set web.listen to a port above 1023 or grant CAP_NET_BIND_SERVICE"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return ListenError(f"{text}: this machine has no such address; `ip addr` lists the ones it has")
    return ListenError(f"{text}: cannot listen: {error.strerror or error}; set web.listen to another address")
