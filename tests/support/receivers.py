"""Real receivers of notifications on loopback: HTTP that obeys or misbehaves, and mail with TLS and a password."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import warnings
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from support.processes import free_port, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.certificates import Certificate


@dataclass(frozen=True)
class Received:
    """One request.

    Attributes:
        number: from 1.
    """

    number: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass
class HttpReceiver:
    """What an HTTP receiver got, and how it answers.

    Attributes:
        url: its address, without a slash at the end.
        rule: gives the status of the answer, with headers if need be; ``"hang"`` never answers, ``"drip"`` sends a
            byte now and then for ever.
    """

    url: str = ""
    rule: Callable[[Received], Any] = lambda _request: 200
    requests: list[Received] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def wait(self, count: int, *, timeout_s: float = 20.0) -> list[Received]:
        """The requests, once there are so many."""
        until(lambda: len(self.requests) >= count, f"{count} requests", timeout_s=timeout_s)
        return list(self.requests)

    def events(self) -> list[str]:
        """The names of the events that came as JSON."""
        return [request.json()["event"] for request in list(self.requests)]


@contextlib.contextmanager
def http_receiver(certificate: Certificate | None = None) -> Iterator[HttpReceiver]:
    """A receiver on a free port; over TLS with a certificate."""
    receiver = HttpReceiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Received(len(receiver.requests) + 1, "POST", self.path, dict(self.headers), body)
            receiver.requests.append(request)
            answer = receiver.rule(request)
            if answer == "hang":
                receiver.ending.wait(60)
                return
            if answer == "drip":
                with contextlib.suppress(OSError):
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
                    while not receiver.ending.wait(0.05):
                        self.wfile.write(b"x")
                return
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that left is part of the test."""

    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.crt, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "https"
    receiver.url = f"{scheme}://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.ending.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


@dataclass
class MailReceiver:
    """What a mail server got.

    Attributes:
        port: where it listens.
        mails: (sender, recipients, content).
        logins: (user, password, whether the connection was encrypted).
        answer: what it says to a mail.
    """

    port: int
    mails: list[tuple[str, list[str], str]] = field(default_factory=list)
    logins: list[tuple[str, str, bool]] = field(default_factory=list)
    answer: str = "250 OK"


@contextlib.contextmanager
def mail_receiver(
    certificate: Certificate | None, *, user: str = "agent", password: str = "", is_tls: bool = False
) -> Iterator[MailReceiver]:
    """Aiosmtpd on a free port: STARTTLS with a certificate, TLS from the first byte, or neither."""
    receiver = MailReceiver(free_port())

    class Handler:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - its name
            if receiver.answer.startswith("250"):
                content = envelope.content.decode()
                receiver.mails.append((envelope.mail_from, envelope.rcpt_tos, content))
            return receiver.answer

    def authenticate(_server: Any, session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        given = data.login.decode(), data.password.decode()
        receiver.logins.append((*given, session.ssl is not None or is_tls))
        return AuthResult(success=given == (user, password), handled=False)

    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.crt, certificate.key)
    options: dict[str, Any] = {"ssl_context": context} if is_tls else {"tls_context": context}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a password without TLS is unwise is what is tested
        controller = Controller(
            Handler(),
            hostname="127.0.0.1",
            port=receiver.port,
            authenticator=authenticate,
            auth_require_tls=not is_tls and context is not None,
            auth_required=bool(password),
            **options,
        )
        controller.start()
        try:
            yield receiver
        finally:
            controller.stop()
