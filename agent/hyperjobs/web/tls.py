"""A server's TLS context from certificates in memory, and the names in a client's certificate."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NoReturn

from hyperjobs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from hyperjobs.secret import Secret

_NAME_KINDS = frozenset({"DNS", "email", "URI"})


class ClientCertificate(Enum):
    """What is asked of a client: nothing; that a certificate it shows is good; that it shows a good one."""

    NONE = ssl.CERT_NONE
    IF_GIVEN = ssl.CERT_OPTIONAL
    REQUIRED = ssl.CERT_REQUIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsRules:
    """How TLS is spoken.

    Attributes:
        client: what is asked of a client.
        client_ca: PEM of the certificates that vouch for clients, or are theirs.
        minimum: the oldest version; TLS 1.2 at least.
        maximum: the newest one.
        ciphers: of TLS 1.2, by OpenSSL's names; empty leaves TLS 1.3 alone, ``None`` leaves the choice to Python.
        curve: by OpenSSL's name; ``None`` leaves the choice to OpenSSL.
        is_server_choosing: whether the server's order of ciphers counts, and not the client's.
    """

    client: ClientCertificate = ClientCertificate.NONE
    client_ca: str | None = None
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: Sequence[str] | None = None
    curve: str | None = None
    is_server_choosing: bool = True


def make_context(cert: bytes, key: Secret, rules: TlsRules) -> ssl.SSLContext:
    """The context of a server with this certificate chain and key, both PEM.

    Raises:
        ConfigError: they do not fit together, or something is not what it should be; the message has no file's name.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = max(rules.minimum, ssl.TLSVersion.TLSv1_2), rules.maximum
    # Each connection is judged anew: a ticket would carry yesterday's client certificate past today's rules.
    context.num_tickets = 0
    if not rules.is_server_choosing:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _choose(context, rules)
    with _in_memory(cert) as cert_path, _in_memory(key.reveal().encode()) as key_path:
        try:
            context.load_cert_chain(cert_path, key_path, password=_refuse_password)
        except (ssl.SSLError, OSError) as exc:
            raise ConfigError(f"the certificate and its key cannot be used: {_reason(exc)}") from None
        except ValueError:
            raise ConfigError("the key is encrypted; give one without a passphrase") from None
    if rules.client_ca is not None:
        # A certificate in the list is trusted as it is, as in Go, whether it signed itself or not.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(cadata=rules.client_ca)
        except (ssl.SSLError, ValueError) as exc:
            raise ConfigError(f"the client CA holds no certificate that can be used: {_reason(exc)}") from None
    context.verify_mode = rules.client.value
    return context


def has_allowed_name(certificate: Mapping[str, Any] | None, allowed: frozenset[str]) -> bool:
    """Whether a verified certificate, as ``getpeercert`` gives it, has one of these alternative names to the letter."""
    for kind, value in (certificate or {}).get("subjectAltName", ()):
        if kind in _NAME_KINDS and value in allowed:
            return True
        if kind == "IP Address":
            with contextlib.suppress(ValueError):  # OpenSSL writes IPv6 in full and capitals
                if str(ipaddress.ip_address(value.strip())) in allowed:
                    return True
    return False


def _choose(context: ssl.SSLContext, rules: TlsRules) -> None:
    try:
        if rules.ciphers:
            context.set_ciphers(":".join(rules.ciphers))
        elif rules.ciphers is not None:
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        if rules.curve is not None:
            context.set_ecdh_curve(rules.curve)
    except (ssl.SSLError, ValueError) as exc:
        raise ConfigError(f"this system's OpenSSL cannot keep to these ciphers or curves: {_reason(exc)}") from None


@contextlib.contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """A path for these bytes, which OpenSSL wants, without a file that others could read."""
    handle = os.memfd_create("tls", os.MFD_CLOEXEC)
    try:
        os.write(handle, data)
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _refuse_password() -> NoReturn:
    """Called for an encrypted key; without it OpenSSL would ask whoever sits at the terminal."""
    raise ValueError("encrypted")


def _reason(exc: Exception) -> str:
    reason = getattr(exc, "reason", None) or getattr(exc, "strerror", None) or str(exc)
    return str(reason).lower().replace("_", " ")
