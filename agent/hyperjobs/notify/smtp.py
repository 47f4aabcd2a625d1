"""Mail by SMTP; a password is sent through verified TLS or not at all."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import time
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import TYPE_CHECKING, Final

from hyperjobs.notify.channel import NotSentError
from hyperjobs.notify.transport import client_context, cut_off

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from hyperjobs.notify.channel import Words
    from hyperjobs.notify.event import Event
    from hyperjobs.secret import Secret

_READY: Final = 220
_FINAL_FROM: Final = 500
STARTTLS, TLS, NONE = "starttls", "tls", "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """Sends mail through one server.

    Attributes:
        tls: ``starttls``, ``tls`` from the first byte, or ``none``.
        ca_file: certificates to trust instead of the system's.
    """

    host: str
    port: int
    tls: str
    sender: str
    to: tuple[str, ...]
    words: Words
    username: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None
    timeout_s: float = 20.0
    _context: ssl.SSLContext = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_context", client_context(self.ca_file))

    def send(self, event: Event, *, timeout_s: float) -> None:
        """Send one mail; see the protocol."""
        until_s = time.monotonic() + timeout_s
        try:
            with self._session(timeout_s, until_s) as server:
                if self.username is not None and self.password is not None:
                    server.login(self.username, self.password.reveal())
                server.send_message(self._mail(event), self.sender, list(self.to))
        except (smtplib.SMTPException, OSError, ValueError) as exc:
            if time.monotonic() >= until_s:
                raise NotSentError(f"{self.host} did not answer in time") from None
            if isinstance(exc, smtplib.SMTPException):
                raise _refused(self.host, exc) from None
            said = getattr(exc, "verify_message", None) or getattr(exc, "strerror", None) or type(exc).__name__
            raise NotSentError(f"{self.host}: {said}") from None

    @contextlib.contextmanager
    def _session(self, timeout_s: float, until_s: float) -> Iterator[smtplib.SMTP]:
        name = socket.gethostname()  # a full name would be asked of DNS, which may take its time
        server = (
            smtplib.SMTP_SSL(local_hostname=name, timeout=timeout_s, context=self._context)
            if self.tls == TLS
            else smtplib.SMTP(local_hostname=name, timeout=timeout_s)
        )
        server._host = self.host  # type: ignore[attr-defined]  # noqa: SLF001 - whom TLS expects: connect() forgets it
        try:
            with cut_off(lambda: server.sock, until_s):  # from the greeting on; after STARTTLS it is another socket
                code, said = server.connect(self.host, self.port)
                if code != _READY:
                    raise smtplib.SMTPConnectError(code, said)
                if self.tls == STARTTLS:
                    server.starttls(context=self._context)
                yield server
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    server.quit()  # it has the mail already
        finally:
            server.close()

    def _mail(self, event: Event) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = self.words.title(event)
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.to)
        mail["Date"] = format_datetime(event.at)
        mail["Message-ID"] = make_msgid(domain=self.sender.rpartition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(self.words.text(event))
        return mail


def _refused(host: str, exc: smtplib.SMTPException) -> NotSentError:
    """Why, by the server's code; its text may repeat what it was told."""
    if isinstance(exc, smtplib.SMTPNotSupportedError):
        return NotSentError(f"{host} offers no STARTTLS, or no login", is_final=True)
    if isinstance(exc, smtplib.SMTPAuthenticationError):
        return NotSentError(f"{host} refuses the user or the password ({exc.smtp_code})", is_final=True)
    if isinstance(exc, smtplib.SMTPResponseException):
        return NotSentError(f"{host} answered {exc.smtp_code}", is_final=exc.smtp_code >= _FINAL_FROM)
    if isinstance(exc, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in exc.recipients.values()]
        return NotSentError(f"{host} refuses every recipient ({max(codes)})", is_final=min(codes) >= _FINAL_FROM)
    return NotSentError(f"{host} ended the conversation")
