"""A client that asks an agent how it is: one small request over plain HTTP or TLS, all of it within one deadline."""

from __future__ import annotations

import re
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

USER_AGENT: Final = "hyperjobs-healthcheck"
"""What our own commands are called: what they ask of an agent is no scrape."""

_MAX_BYTES: Final = 256 * 1024
_CHUNK_BYTES: Final = 16 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_WANTS_CERTIFICATE: Final = "it wants a certificate of ours"
_LOOPBACK = re.compile(r"127\.|::1\Z|localhost\Z", re.IGNORECASE)


class ProbeError(Exception):
    """Nobody answered, or not in HTTP; the message is the reason alone.

    Attributes:
        is_alive: whether somebody spoke all the same: a server that wants another client is one that lives.
        is_other_protocol: whether it may be a matter of plain HTTP or TLS.
    """

    def __init__(self, message: str, *, is_alive: bool = False, is_other_protocol: bool = False) -> None:
        super().__init__(message)
        self.is_alive = is_alive
        self.is_other_protocol = is_other_protocol


@dataclass(frozen=True, slots=True)
class Target:
    """Where to ask, and as whom.

    Attributes:
        schemes: ``http`` and ``https`` in the order in which they are tried.
        ca_file: certificates to trust; without it the system's, and on a loopback address any.
        cert_file: a certificate to show, with its key unless ``key_file`` holds that.
        login: ``user:password``.
    """

    host: str
    port: int
    schemes: tuple[str, ...] = ("http",)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    login: str | None = None

    @property
    def address(self) -> str:
        """``host:port``, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Attributes:
        url: of the server, by the scheme that it answered to.
    """

    url: str
    status: int
    body: bytes


def ask(target: Target, path: str, *, deadline: float) -> Answer:
    """The answer to a GET of ``path``, by the first scheme that the server speaks.

    Args:
        target: whom to ask.
        path: with its query.
        deadline: the instant of ``time.monotonic()`` by which all of it must be done.

    Raises:
        ProbeError: there was none in time.
        OSError: a file of certificates cannot be read.
    """
    *others, last = target.schemes
    for scheme in others:
        try:
            return _ask(target, path, scheme, deadline)
        except ProbeError as exc:
            if not exc.is_other_protocol:
                raise
    return _ask(target, path, last, deadline)


def _ask(target: Target, path: str, scheme: str, deadline: float) -> Answer:
    context = _context(target) if scheme == "https" else None
    try:
        received = _exchange(target, _request(target, path, deadline), context, deadline)
    except TimeoutError as exc:
        raise ProbeError("no answer in time") from exc
    except OSError as exc:
        raise _told(exc) from exc
    if not received and context is not None:
        # A handshake that ended well here and was hung up on: in TLS 1.3 the server judges us afterwards.
        raise ProbeError(_WANTS_CERTIFICATE, is_alive=True)
    status = _STATUS_LINE.match(received)
    if status is None:
        reason = "hung up without an answer" if not received else "its answer is no HTTP"
        raise ProbeError(reason, is_other_protocol=True)
    return Answer(f"{scheme}://{target.address}", int(status[1]), received.partition(b"\r\n\r\n")[2])


def _exchange(target: Target, request: bytes, context: ssl.SSLContext | None, deadline: float) -> bytes:
    with ExitStack() as opened:
        connection = opened.enter_context(socket.create_connection((target.host, target.port), _left_s(deadline)))
        if context is not None:
            connection = opened.enter_context(context.wrap_socket(connection, server_hostname=target.host))
        connection.sendall(request)
        received = b""
        while len(received) < _MAX_BYTES:
            connection.settimeout(_left_s(deadline))
            data = connection.recv(_CHUNK_BYTES)
            if not data:
                break
            received += data
    return received


def _request(target: Target, path: str, deadline: float) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {target.address}",
        f"User-Agent: {USER_AGENT}",
        "Connection: close",
        f"X-Prometheus-Scrape-Timeout-Seconds: {_left_s(deadline):.3f}",
    ]
    if target.login is not None:
        import base64  # noqa: PLC0415 - few have a password

        lines.append(f"Authorization: Basic {base64.b64encode(target.login.encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode()


def _left_s(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _context(target: Target) -> ssl.SSLContext:
    """What a TLS connection is held to."""
    import ssl  # noqa: PLC0415 - most agents serve their own machine, in plain HTTP

    if target.ca_file is None and _LOOPBACK.match(target.host):
        # On the way to this very machine nobody is in between, and certificates name the machine otherwise.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context = ssl.create_default_context(cafile=target.ca_file)
    if target.cert_file is not None:
        context.load_cert_chain(target.cert_file, target.key_file)
    return context


def _told(exc: OSError) -> ProbeError:
    """The reason in an error of the system or of TLS."""
    reason = getattr(exc, "reason", None)  # of an ssl.SSLError
    if reason is None or isinstance(exc, ConnectionError):
        return ProbeError((exc.strerror or str(exc)).lower(), is_other_protocol=isinstance(exc, ConnectionResetError))
    if text := getattr(exc, "verify_message", ""):
        return ProbeError(f"its certificate is not trusted: {text}")
    asks = "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason
    words = _WANTS_CERTIFICATE if asks else f"TLS: {reason.lower().replace('_', ' ')}"
    return ProbeError(words, is_alive=asks, is_other_protocol=not asks)


def on_this_machine(listen: Sequence[tuple[str, int]]) -> tuple[str, int]:
    """Of the addresses that an agent listens on, the one to ask from the same machine; never empty."""
    here = [(_LOOPBACKS.get(host, host), port) for host, port in listen]
    return next((pair for pair in here if _LOOPBACK.match(pair[0])), here[0])


_LOOPBACKS: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound
