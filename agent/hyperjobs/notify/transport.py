"""What every channel asks of its connection: certificates that can be trusted, and an end in time."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

from hyperjobs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """What a TLS connection is held to: the certificates of a file in place of the system's, if one is named.

    Raises:
        ConfigError: the file holds none that can be used.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(f"{ca_file}: holds no certificates that can be used") from exc


@contextlib.contextmanager
def cut_off(opened: Callable[[], socket.socket | None], until_s: float) -> Iterator[None]:
    """End a connection when its time is over: a timeout of the socket starts anew with every byte.

    Args:
        opened: gives the connection's socket as it is then.
        until_s: the instant of ``time.monotonic()``.
    """

    def cut() -> None:
        found = opened()
        if found is not None:
            with contextlib.suppress(OSError):
                # the socket itself, past TLS: the thread that reads is to wake up, and to find its own end of it whole
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, until_s - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
