"""The web configuration file in force: read at the start, looked at for each request, and never a way to open the door."""

from __future__ import annotations

import os
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from hyperjobs.config.source import read_bytes
from hyperjobs.config.web_file import read_web_file
from hyperjobs.config.web_tls import CURVES, IF_GIVEN, REQUIRE
from hyperjobs.errors import ConfigError
from hyperjobs.secret import Secret
from hyperjobs.web.policy import Policy, TokenBucket
from hyperjobs.web.tls import ClientCertificate, TlsRules, make_context

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.config.web_file import WebFile
    from hyperjobs.config.web_tls import TlsSettings

    Stamp = tuple[tuple[int, int, int, int] | None, ...]

log = structlog.get_logger(__name__)

_TICK_S: Final = 0.05
"""Two changes within a tick of the file system's clock look like one, so a file this young is read again."""
_CLIENTS: Final = {IF_GIVEN: ClientCertificate.IF_GIVEN, REQUIRE: ClientCertificate.REQUIRED}


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The file and what the files that it names hold."""

    file: WebFile
    cert: bytes = b""
    key: Secret | None = None
    client_ca: str | None = None


class WebPolicy:
    """Gives the rules of the web configuration file, as it is now. Called by the server's thread alone.

    When the file or one that it names has changed, it is read anew: a rotated certificate is in the next handshake. One
    that is wrong then, or that would turn TLS, client certificates or passwords off, changes nothing: the last good
    rules stay, the log says why, once, and ``is_current`` is false.
    """

    def __init__(self, path: Path, *, clock: Clock) -> None:
        """Read it.

        Raises:
            ConfigError: it cannot be used; every mistake is named.
        """
        self.is_current = True
        self._path = path
        self._clock = clock
        self._watched: tuple[Path, ...] = (path,)
        self._refused: str | None = None
        self._loaded = self._load()
        self._policy = self._made(self._loaded, None)
        self._stamp: Stamp | None = None  # so that the first request looks again; the files may be changing now

    def __call__(self) -> Policy:
        """The rules in force; never raises."""
        stamp = _stamp(self._watched)
        if stamp != self._stamp:
            self._stamp = stamp if _is_settled(stamp) else None
            try:
                self._reread()
            except ConfigError as exc:
                self._refuse(str(exc))
        return self._policy

    def _reread(self) -> None:
        loaded = self._load()
        if loaded != self._loaded:
            self._policy = self._made(loaded, self._policy)
            self._loaded = loaded
            log.info("web.config_reloaded", path=str(self._path))
        self.is_current, self._refused = True, None

    def _refuse(self, error: str) -> None:
        if error != self._refused:
            log.error("web.config_refused", error=error)
        self.is_current, self._refused = False, error

    def _load(self) -> _Loaded:
        """Everything as it lies on disk; what is named is watched from here on, also when it cannot be read."""
        file = read_web_file(self._path)
        tls = file.tls
        if tls is None:
            self._watched = (self._path,)
            return _Loaded(file)
        named = [path for path in (tls.cert_file, tls.key_file, tls.client_ca_file) if path is not None]
        self._watched = (self._path, *named)
        cert = self._content(tls.cert_file, "cert_file") if tls.cert_file is not None else (tls.cert or "").encode()
        key = tls.key
        if tls.key_file is not None:
            key = Secret(self._content(tls.key_file, "key_file").decode("utf-8", "replace"))
        ca = tls.client_ca
        if tls.client_ca_file is not None:
            ca = self._content(tls.client_ca_file, "client_ca_file").decode("utf-8", "replace")
        return _Loaded(file, cert, key, ca)

    def _content(self, path: Path, option: str) -> bytes:
        try:
            return read_bytes(path)
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
            raise ConfigError(f"{self._path}: tls_server_config.{option}: {path}: cannot be read: {reason}") from exc

    def _made(self, loaded: _Loaded, before: Policy | None) -> Policy:
        """The rules that were loaded; what protects is never taken away from a server that runs."""
        file, tls = loaded.file, loaded.file.tls
        context = None
        if tls is not None and loaded.key is not None:
            try:
                context = make_context(loaded.cert, loaded.key, _rules(tls, loaded.client_ca))
            except ConfigError as exc:
                raise ConfigError(f"{self._path}: tls_server_config: {exc}") from exc
        sans = None if tls is None or tls.client_allowed_sans is None else frozenset(tls.client_allowed_sans)
        limit = file.rate_limit
        made = Policy(
            tls=context,
            allowed_sans=sans,
            users=file.users,
            headers=tuple(file.headers.items()),
            limiter=None if limit is None else TokenBucket(limit.interval_s, limit.burst, self._clock),
        )
        for what, had, has in () if before is None else _protections(before, made):
            if had and not has:
                raise ConfigError(f"{self._path}: turns off {what}, which only a restart does")
        return made


def _protections(before: Policy, after: Policy) -> tuple[tuple[str, bool, bool], ...]:
    def asks_certificate(policy: Policy) -> bool:
        return policy.tls is not None and policy.tls.verify_mode is ssl.CERT_REQUIRED

    return (
        ("TLS", before.tls is not None, after.tls is not None),
        ("client certificates", asks_certificate(before), asks_certificate(after)),
        ("passwords", bool(before.users), bool(after.users)),
    )


def _rules(tls: TlsSettings, client_ca: str | None) -> TlsRules:
    """The file's words as Python's TLS has them; TLS 1.2 is the least, whatever older one is allowed."""
    newest, next_newest = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
    return TlsRules(
        client=_CLIENTS.get(tls.client_auth_type, ClientCertificate.NONE),
        client_ca=client_ca,
        minimum=newest if tls.min_version == "TLS13" else next_newest,
        maximum=newest if tls.max_version == "TLS13" else next_newest,
        ciphers=tls.openssl_ciphers,
        curve=CURVES[tls.curve_preferences[0]] if tls.curve_preferences else None,
        is_server_choosing=tls.prefer_server_cipher_suites,
    )


def _stamp(paths: tuple[Path, ...]) -> Stamp:
    """What tells that a file is not the one it was; ``None`` for one that is not there."""
    found: list[tuple[int, int, int, int] | None] = []
    for path in paths:
        try:
            seen = os.stat(path)  # noqa: PTH116 - for each request: a quarter of what Path.stat costs
        except OSError:
            found.append(None)
        else:
            found.append((seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns))
    return tuple(found)


def _is_settled(stamp: Stamp) -> bool:
    now = time.time()
    return not any(seen is not None and 0 <= now - seen[3] / 1e9 < _TICK_S for seen in stamp)
