"""The TLS half of the web configuration file: its words, and what must fit together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hyperjobs.secret import Secret

NO_CERT: Final = "NoClientCert"
REQUEST: Final = "RequestClientCert"
REQUIRE_ANY: Final = frozenset({"RequireAnyClientCert", "RequireClientCert"})  # the second: what it was once called
IF_GIVEN: Final = "VerifyClientCertIfGiven"
REQUIRE: Final = "RequireAndVerifyClientCert"
CLIENT_AUTH: Final = (NO_CERT, REQUEST, *sorted(REQUIRE_ANY), IF_GIVEN, REQUIRE)

VERSIONS: Final = ("TLS10", "TLS11", "TLS12", "TLS13")
_TOO_OLD: Final = frozenset({"TLS10", "TLS11"})

CURVES: Final[Mapping[str, str]] = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
"""Go's name of a curve to OpenSSL's."""

CIPHERS: Final[Mapping[str, str | None]] = {
    "TLS_AES_128_GCM_SHA256": None,
    "TLS_AES_256_GCM_SHA384": None,
    "TLS_CHACHA20_POLY1305_SHA256": None,
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
"""Go's name of a cipher suite to OpenSSL's; those of TLS 1.3 cannot be chosen, in Go as here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """``tls_server_config``, with the names that the file has; paths are whole."""

    cert_file: Path | None = None
    key_file: Path | None = None
    cert: str | None = None
    key: Secret | None = None
    client_ca_file: Path | None = None
    client_ca: str | None = None
    client_auth_type: str = NO_CERT
    client_allowed_sans: tuple[str, ...] | None = None
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    curve_preferences: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True

    @property
    def has_client_ca(self) -> bool:
        """Whether certificates of clients can be verified."""
        return self.client_ca_file is not None or self.client_ca is not None

    @property
    def openssl_ciphers(self) -> tuple[str, ...] | None:
        """The suites of TLS 1.2 by OpenSSL's names; empty when only newer ones are named, ``None`` when none are."""
        if not self.cipher_suites:
            return None
        return tuple(name for suite in self.cipher_suites if (name := CIPHERS[suite]) is not None)


def check_tls(tls: TlsSettings) -> Iterator[tuple[str, str]]:
    """What does not fit together: the option to blame, and why."""
    for name in ("cert", "key", "client_ca"):
        inline, file = getattr(tls, name), getattr(tls, f"{name}_file")
        if inline is not None and file is not None:
            yield name, f"stands beside {name}_file; give one of them"
        elif inline is None and file is None and name != "client_ca":
            yield f"{name}_file", f"is missing; give it, or `{name}` itself"
    yield from _check_clients(tls)
    if tls.max_version in _TOO_OLD:
        yield "max_version", "is older than TLS 1.2, the oldest that hyperjobs serves"
    elif tls.min_version > tls.max_version:
        yield "min_version", f"is newer than max_version, {tls.max_version}"
    if tls.openssl_ciphers == () and tls.max_version != "TLS13":
        yield "cipher_suites", "names suites of TLS 1.3 alone, which max_version shuts out"
    if len(tls.curve_preferences) > 1:
        yield (
            "curve_preferences",
            "names several curves, and Python can hold TLS to one only; name one, or leave it out",
        )


def _check_clients(tls: TlsSettings) -> Iterator[tuple[str, str]]:
    kind = tls.client_auth_type
    if kind in REQUIRE_ANY:
        yield (
            "client_auth_type",
            f"would let in whoever makes a certificate of their own; write {REQUIRE}, with client_ca_file",
        )
    elif kind == REQUIRE and not tls.has_client_ca:
        yield "client_auth_type", "needs client_ca_file, or nobody could ever be let in"
    if tls.has_client_ca and kind == NO_CERT:
        yield "client_auth_type", f"asks for no certificate although there is a client CA; write {REQUIRE}"
    if tls.client_allowed_sans is not None and kind not in {IF_GIVEN, REQUIRE}:
        yield "client_allowed_sans", f"needs client_auth_type: {REQUIRE}, or names nobody has proven would count"
