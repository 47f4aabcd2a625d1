"""Which host names a page may be asked for by.

A web page somewhere can give its own name the address 127.0.0.1 once its script runs, and the browser then lets that
script read whatever this machine serves to itself (DNS rebinding). Such a request carries the page's name in its Host
header, and no browser lets a script change that: so a name that is not ours is refused.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable


class HostRule:
    """Judges Host headers.

    Args:
        listen: the hosts listened on; while all of them are this machine's alone, names are held to the rule also
            where ``names`` gives none.
        names: further names that are ours, in lower case; as soon as there are some, only those and the standing
            ones are.
    """

    def __init__(self, listen: Iterable[str], *, names: Callable[[], Collection[str]] = tuple) -> None:
        self._is_local = all(_is_loopback(host) for host in listen)
        self._names = names
        self._own = frozenset({"localhost", socket.gethostname().lower()})

    def allows(self, host_header: str | None) -> bool:
        """Whether a page may be shown to who asked for this host; a client without a Host header is no browser."""
        names = self._names()
        if host_header is None or not (self._is_local or names):
            return True
        host = _without_port(host_header.strip().lower())
        return host in self._own or host in names or host.endswith(".localhost") or _is_address(host)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _is_address(host: str) -> bool:
    """An address stands for itself: no name service can turn it to another machine."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
