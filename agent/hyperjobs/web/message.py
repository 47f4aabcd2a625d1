"""Requests and responses as values, and the strict reading and writing of their bytes.

Only what a read-only server needs: a request has no body, a response is complete before it is sent. What does not
follow RFC 9112 to the letter is refused rather than guessed at, and no answer repeats a byte of the request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import formatdate
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

REASONS: Final = MappingProxyType(
    {
        200: "OK",
        400: "Bad Request",
        401: "Unauthorized",
        403: "Forbidden",
        404: "Not Found",
        405: "Method Not Allowed",
        408: "Request Timeout",
        409: "Conflict",
        413: "Content Too Large",
        414: "URI Too Long",
        429: "Too Many Requests",
        431: "Request Header Fields Too Large",
        500: "Internal Server Error",
        503: "Service Unavailable",
        505: "HTTP Version Not Supported",
    }
)
"""Every status this server sends, with its phrase."""

HEAD_END: Final = b"\r\n\r\n"
MAX_TARGET_BYTES: Final = 4096
MAX_HEADER_LINES: Final = 100

_METHOD = re.compile(rb"[A-Z]{1,16}\Z")
_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) ([!-~]+) HTTP/(\d)\.(\d)")
_HEADER_LINE = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)[ \t]*"
)
_ABSOLUTE_FORM = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_LINE_BREAKS = frozenset("\r\n\0")
_ONLY_ONCE = frozenset({"host", "content-length", "transfer-encoding"})

# Sent with every answer: nothing here may be framed, sniffed, cached or read by another site.
_ALWAYS = (
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_NO_CONTENT_POLICY = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")


class RefusedRequestError(Exception):
    """The bytes are no request this server takes; ``status`` is the answer, the message its fixed text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the routes see it.

    Attributes:
        method: upper case.
        path: as sent, not percent-decoded: paths are compared exactly.
        query: what follows the first ``?``, as sent.
        headers: lower-case name to value; repeated headers are joined by ``", "``.
        received_at: ``monotonic`` seconds when its first byte was read.
        keep_alive: whether the client wants to send another request on the connection.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    received_at: float = 0.0
    keep_alive: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """One complete answer.

    Attributes:
        status: one of ``REASONS``.
        body: never ``None``; not sent in answer to HEAD, though its length is.
        content_type: with its charset.
        headers: beside the ones every answer has; a Content-Security-Policy here replaces the standing one.
    """

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for _, value in (*self.headers, ("", self.content_type)):
            if not _LINE_BREAKS.isdisjoint(value):
                raise ValueError("a header value holds a line break")


def plain(status: int, text: str, *headers: tuple[str, str]) -> Response:
    """A short text answer; a final newline is added."""
    return Response(status, f"{text}\n".encode(), headers=headers)


def check_start(received: bytes, *, limit_bytes: int) -> None:
    """Refuses what can no longer become a request, without waiting for the end of its head.

    Args:
        received: what arrived so far, the end of the head not among it.
        limit_bytes: the most a head may have.

    Raises:
        RefusedRequestError: 400 for what is no HTTP, 414 for a long target, 431 for a long head.
    """
    line, newline, _ = received.partition(b"\n")
    method = line.partition(b" ")[0]
    if not _METHOD.match(method.rstrip(b"\r")) or b"\0" in received:
        raise RefusedRequestError(400, "This is not an HTTP request.")
    if len(line) > MAX_TARGET_BYTES + 32:
        raise RefusedRequestError(414, "The address is too long.")
    if len(received) > limit_bytes:
        status = 431 if newline else 414
        raise RefusedRequestError(status, "The request head is too long.")


def parse_head(head: bytes, *, received_at: float = 0.0) -> Request:
    """The request that the bytes of a head say, its final empty line left out.

    Raises:
        RefusedRequestError: with the status to answer; nothing else is ever raised.
    """
    first, *lines = head.split(b"\r\n")
    method, target, minor = _parse_request_line(first)
    if len(lines) > MAX_HEADER_LINES:
        raise RefusedRequestError(431, "The request has too many header lines.")
    headers = _parse_headers(lines)
    if minor > 0 and "host" not in headers:
        raise RefusedRequestError(400, "The request names no host.")
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        raise RefusedRequestError(413, "This server takes no request body.")
    path, _, query = target.partition("?")
    connection = {word.strip().lower() for word in headers.get("connection", "").split(",")}
    return Request(
        method=method,
        path=path,
        query=query,
        headers=headers,
        received_at=received_at,
        keep_alive=minor > 0 and "close" not in connection,
    )


def encode(
    response: Response, *, head_only: bool, keep_alive: bool, headers_over: tuple[tuple[str, str], ...] = ()
) -> bytes:
    """The bytes of an answer, complete with length, date and the headers every answer has.

    Args:
        response: what to say.
        head_only: leave out the body, whose length is said all the same.
        keep_alive: whether another request may follow.
        headers_over: take the place of those of the same name that the answer has, its policy too.
    """
    headers = [
        ("Date", formatdate(usegmt=True)),
        ("Content-Type", response.content_type),
        ("Content-Length", str(len(response.body))),
        ("Connection", "keep-alive" if keep_alive else "close"),
        *_ALWAYS,
        *response.headers,
    ]
    if _NO_CONTENT_POLICY[0] not in {name for name, _ in response.headers}:
        headers.append(_NO_CONTENT_POLICY)
    replaced = {name for name, _ in headers_over}
    headers = [*(header for header in headers if header[0] not in replaced), *headers_over]
    lines = [f"HTTP/1.1 {response.status} {REASONS[response.status]}", *(f"{name}: {value}" for name, value in headers)]
    head = "\r\n".join(lines).encode("latin-1") + HEAD_END
    return head if head_only else head + response.body


def _parse_request_line(line: bytes) -> tuple[str, str, int]:
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise RefusedRequestError(400, "This is not an HTTP request.")
    method, raw_target, major, minor = match.groups()
    if major != b"1":
        raise RefusedRequestError(505, "This server speaks HTTP/1.1.")
    if len(raw_target) > MAX_TARGET_BYTES:
        raise RefusedRequestError(414, "The address is too long.")
    target = _ABSOLUTE_FORM.sub("", raw_target.decode("ascii"), count=1)
    if not target.startswith("/"):
        raise RefusedRequestError(400, "The address does not begin with a slash.")
    return method.decode("ascii"), target, int(minor)


def _parse_headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        match = _HEADER_LINE.fullmatch(line)
        if match is None:
            raise RefusedRequestError(400, "A header line is malformed.")
        name = match[1].decode("ascii").lower()
        value = match[2].decode("latin-1")
        if name in headers:
            if name in _ONLY_ONCE:
                raise RefusedRequestError(400, "A header that may stand once stands twice.")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers
