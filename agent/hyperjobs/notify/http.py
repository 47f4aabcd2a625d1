"""One HTTP request, made with suspicion: its time is bounded as a whole, and it goes where it was sent or nowhere."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from hyperjobs import __version__
from hyperjobs.notify.channel import NotSentError
from hyperjobs.notify.transport import client_context, cut_off

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hyperjobs.secret import Secret

_AGAIN: Final = frozenset({408, 425, 429})
_SAME_METHOD: Final = frozenset({307, 308})
_MAX_HOPS: Final = 3
_LONGEST_RETRY_AFTER_S: Final = 300.0
_HTTP_ERRORS = (OSError, http.client.HTTPException, ValueError)


def split_url(text: str) -> SplitResult:
    """The parts of an address that can be posted to.

    Raises:
        ValueError: it is none; the message does not repeat it.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as exc:
        raise ValueError("is no URL") from exc
    if parts.scheme not in {"http", "https"}:
        raise ValueError("must begin with https:// or http://")
    if not parts.hostname or port == 0 or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is no URL")
    if "@" in parts.netloc:
        raise ValueError("holds a user or password; send them as a header from a file")
    if parts.fragment:
        raise ValueError("holds a fragment (#…), which is never sent")
    return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """How requests are made.

    Attributes:
        ca_file: certificates to trust instead of the system's.
        is_proxied: whether the proxies of the environment are used.
    """

    ca_file: Path | None = None
    is_proxied: bool = False
    _context: ssl.SSLContext = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_context", client_context(self.ca_file))

    def post(self, url: Secret, body: bytes, *, headers: Mapping[str, str], timeout_s: float) -> None:
        """Post it, and return when it was taken.

        Raises:
            NotSentError: it was not; the text names the host alone, for what follows may be a secret.
        """
        until_s = time.monotonic() + timeout_s
        target = url.reveal()
        for _ in range(_MAX_HOPS):
            parts = split_url(target)
            status, answer = self._request(parts, body, headers, until_s)
            if status not in _SAME_METHOD:
                break
            target = urljoin(target, answer.get("Location", ""))
            if urlsplit(target)[:2] != parts[:2]:
                raise NotSentError(f"{parts.hostname} answered {status}, a redirect to another place", is_final=True)
        if 200 <= status < 300:  # noqa: PLR2004 - what HTTP calls success
            return
        is_final = status not in _AGAIN and status < 500  # noqa: PLR2004 - from there on it is the server's fault
        raise NotSentError(f"{parts.hostname} answered {status}", is_final=is_final, retry_after_s=_retry_after(answer))

    def _request(
        self, parts: SplitResult, body: bytes, headers: Mapping[str, str], until_s: float
    ) -> tuple[int, http.client.HTTPMessage]:
        host, path = parts.hostname or "", parts.path or "/"
        path = f"{path}?{parts.query}" if parts.query else path
        try:
            connection, prefix = self._connection(parts, until_s - time.monotonic())
            with contextlib.closing(connection):
                connection.connect()
                opened = connection.sock  # of which the connection lets go before its answer is read
                with cut_off(lambda: opened, until_s):
                    connection.request(
                        "POST",
                        prefix + path,
                        body,
                        {"User-Agent": f"hyperjobs/{__version__}", "Connection": "close", **headers},
                    )
                    with connection.getresponse() as answer:
                        if time.monotonic() >= until_s:  # cut off in its head, it may have been going to say anything
                            raise TimeoutError
                        return answer.status, answer.headers
        except _HTTP_ERRORS as exc:
            if time.monotonic() >= until_s:
                raise NotSentError(f"{host} did not answer in time") from None
            raise NotSentError(f"{host}: {_reason(exc)}") from None

    def _connection(self, parts: SplitResult, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
        """A connection, and what the path begins with: the whole address for a proxy that sends it on."""
        if timeout_s <= 0:
            raise TimeoutError
        host, port = parts.hostname or "", parts.port
        proxies = getproxies() if self.is_proxied and not proxy_bypass(parts.netloc) else {}
        proxy = urlsplit(proxies[parts.scheme]) if proxies.get(parts.scheme) else None
        if parts.scheme == "https":
            to, at = (host, port) if proxy is None else (proxy.hostname or "", proxy.port)
            secure = http.client.HTTPSConnection(to, at, timeout=timeout_s, context=self._context)
            if proxy is not None:
                secure.set_tunnel(host, port or 443)
            return secure, ""
        if proxy is None:
            return http.client.HTTPConnection(host, port, timeout=timeout_s), ""
        return (
            http.client.HTTPConnection(proxy.hostname or "", proxy.port, timeout=timeout_s),
            f"http://{parts.netloc}",
        )


def _retry_after(answer: http.client.HTTPMessage) -> float:
    value = answer.get("Retry-After", "")
    return min(float(value), _LONGEST_RETRY_AFTER_S) if value.isascii() and value.isdecimal() else 0.0


def _reason(exc: Exception) -> str:
    """Why, in the system's words; what a server said is not repeated."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {exc.verify_message}"
    if isinstance(exc, ssl.SSLError):
        return "TLS failed"
    if isinstance(exc, TimeoutError):
        return "did not answer in time"
    if isinstance(exc, OSError):
        return str(exc.strerror or type(exc).__name__)
    return "did not answer as HTTP does"
