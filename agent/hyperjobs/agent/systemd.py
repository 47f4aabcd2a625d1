"""Telling systemd how the agent is: the sd_notify protocol, which is one datagram."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MICROS = 1_000_000


class Notifier:
    """Sends states to the socket that systemd names in the environment; without one it is silent.

    See https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        # A child inherits the environment; the watch is on the process that systemd started.
        is_ours = environ.get("WATCHDOG_PID") in {None, str(os.getpid())}
        watchdog = environ.get("WATCHDOG_USEC", "") if is_ours else ""
        self.watchdog_s = int(watchdog) / _MICROS if watchdog.isdigit() and int(watchdog) else None
        """Within this time systemd wants to hear from us; ``None`` when it does not watch."""

    def send(self, *states: str) -> None:
        """Send ``READY=1``, ``STOPPING=1``, ``WATCHDOG=1``, ``STATUS=…``; a systemd that does not listen is no error."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram:
            datagram.sendto("\n".join(states).encode(), address)
