"""An app with known families, and a bare client that speaks to a server byte by byte."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from hyperjobs.web.app import App
from support.sites import make_site

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from prometheus_client.core import Metric

PATIENCE_S = 10.0


def families() -> list[Metric]:
    """A gauge and a counter with one odd label value."""
    counter = CounterMetricFamily("hyperjobs_jobs_finished", "Jobs that ended.", labels=["provider"], created=1.0)
    counter.add_metric(['v"s\n\\phere'], 7.0, created=1.0)
    return [GaugeMetricFamily("hyperjobs_store_up", "Whether the store answers.", value=1.0), counter]


def make_app(**changes: object) -> App:
    """An app over ``families``, ready, with reload off."""
    given = {
        "collect": lambda _deadline: families(),
        "is_ready": lambda: True,
        "site": make_site(),
    }
    return App(**{**given, **changes})


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether the condition comes true before patience ends."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if condition():
            return True
        threading.Event().wait(0.01)
    return condition()


@dataclass(frozen=True)
class Answer:
    """What a server sent back."""

    status: int
    headers: dict[str, str]
    body: bytes


def split_address(address: str) -> tuple[str, int]:
    """Host and port, the brackets of IPv6 left out."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def connect(address: str) -> socket.socket:
    """A connection with a deadline on every operation."""
    return socket.create_connection(split_address(address), timeout=PATIENCE_S)


def read_all(client: socket.socket) -> bytes:
    """Everything until the server closes."""
    received = b""
    while data := client.recv(65536):
        received += data
    return received


def parse_answer(raw: bytes) -> Answer:
    """The one answer in these bytes; its length must be what it says, unless it answers HEAD."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return Answer(int(first.split(" ")[1]), headers, body)


def ask(address: str, raw: bytes, tls: ssl.SSLContext | None = None) -> Answer:
    """The answer to these very bytes; the server must close."""
    with ExitStack() as opened:
        client = opened.enter_context(connect(address))
        if tls is not None:
            client = opened.enter_context(tls.wrap_socket(client))
        client.sendall(raw)
        return parse_answer(read_all(client))


def get(address: str, path: str, *headers: str, method: str = "GET", tls: ssl.SSLContext | None = None) -> Answer:
    """The answer to a plain request with these further header lines."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
    return ask(address, "\r\n".join(lines).encode("latin-1"), tls)
