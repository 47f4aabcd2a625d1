"""The web configuration file: TLS and basic authentication in the format that Prometheus's exporters share.

See https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. What that toolkit refuses is
refused here too, by file and line; what is stricter here is told in docs/security.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.config.document import DocumentError, Scalar, Table, parse
from hyperjobs.config.problem import Origin, Problems, describe, nearest
from hyperjobs.config.source import read_bytes
from hyperjobs.config.values import read_boolean, read_path, read_whole, read_words
from hyperjobs.config.web_tls import CIPHERS, CLIENT_AUTH, CURVES, VERSIONS, TlsSettings, check_tls
from hyperjobs.duration import parse_duration
from hyperjobs.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from hyperjobs.config.document import Node

_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_MAX_COST: Final = 18
"""Some twenty seconds for one password; a login at a higher cost would outlast every request's time."""
_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
"""The headers that may be set, and the values of those that have only some; the toolkit knows no others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A token bucket: one request each ``interval_s``, and ``burst`` of them at once."""

    interval_s: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebFile:
    """What the file says.

    Attributes:
        tls: ``None`` serves plain HTTP.
        headers: added to every answer, over the agent's own of the same name.
        users: name to bcrypt hash; empty asks for no password.
    """

    tls: TlsSettings | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, Secret] = field(default_factory=dict)
    rate_limit: RateLimit | None = None


def read_web_file(path: Path) -> WebFile:
    """The file's settings; files that it names are not looked at yet.

    Raises:
        ConfigError: everything that is wrong with it, one line each; no line shows a key or a hash.
    """
    problems = Problems()
    reading = _Reading(path, problems)
    try:
        root = parse(read_bytes(path))
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        problems.add(Origin(str(path)), (), f"cannot be read: {reason}")
        root = None
    except DocumentError as exc:
        problems.add(Origin(str(path), exc.line), (), str(exc))
        root = None
    found = WebFile()
    if isinstance(root, Table):
        found = reading.whole(root)
    elif root is not None and root.raw is not None:
        problems.add(Origin(str(path), root.line), (), "must be a mapping, such as `tls_server_config:`")
    problems.raise_if_any()
    return found


class _Reading:
    """Goes through one file and gathers what is wrong."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self._path = path
        self._problems = problems

    def whole(self, root: Table) -> WebFile:
        sections: dict[str, Callable[[Table], Any]] = {
            "tls_server_config": self._tls,
            "http_server_config": self._http,
            "basic_auth_users": self._users,
            "rate_limit": self._rate_limit,
        }
        found: dict[str, Any] = {}
        for name, node in self._known(root, sections, ()):
            if isinstance(node, Table):
                found[name] = sections[name](node)
            elif node.raw is not None:
                self._add(node.line, (name,), "must be a mapping")
        return WebFile(
            tls=found.get("tls_server_config"),
            headers=found.get("http_server_config", {}),
            users=found.get("basic_auth_users", {}),
            rate_limit=found.get("rate_limit"),
        )

    def _tls(self, table: Table) -> TlsSettings | None:
        directory = self._path.parent
        read: dict[str, Callable[[Any], Any]] = {
            **dict.fromkeys(("cert_file", "key_file", "client_ca_file"), lambda raw: directory / read_path(raw)),
            **dict.fromkeys(("cert", "client_ca"), _pem),
            "key": lambda raw: Secret(_pem(raw)),
            "client_auth_type": lambda raw: _word(raw, CLIENT_AUTH),
            "client_allowed_sans": lambda raw: _items(raw, read_words),
            "min_version": lambda raw: _word(raw, VERSIONS),
            "max_version": lambda raw: _word(raw, VERSIONS),
            "cipher_suites": lambda raw: _items(raw, lambda item: _word(item, CIPHERS)),
            "curve_preferences": lambda raw: _items(raw, lambda item: _word(item, CURVES)),
            "prefer_server_cipher_suites": read_boolean,
        }
        given = self._values(table, read, ("tls_server_config",))
        # An empty value is none, as in Go; a list that is written and empty allows nobody, and is refused by what needs it.
        given = {name: value for name, value in given.items() if value is not None}
        if not given:
            return None
        settings = TlsSettings(**given)
        for name, message in check_tls(settings):
            self._add(table.key_lines.get(name, table.line), ("tls_server_config", name), message)
        return settings

    def _http(self, table: Table) -> dict[str, str]:
        headers: dict[str, str] = {}
        for name, node in self._known(table, ("http2", "headers"), ("http_server_config",)):
            if name == "http2":
                self._value(node, read_boolean, ("http_server_config", name))
            elif isinstance(node, Table):
                read = {header: _header_reader(values) for header, values in _HEADERS.items()}
                headers = self._values(node, read, ("http_server_config", "headers"))
            elif node.raw is not None:
                self._add(node.line, ("http_server_config", name), "must be a mapping of headers")
        return {name: value for name, value in headers.items() if value}

    def _users(self, table: Table) -> dict[str, Secret]:
        found = {}
        self._refuse_repeated(table, ("basic_auth_users",))
        for number, (name, node) in enumerate(table.entries.items(), 1):
            # Whoever mixed up the columns wrote a password where the name goes; neither is shown.
            line, where = table.key_lines[name], ("basic_auth_users", f"user {number}")
            if not name or ":" in name or not name.isprintable():
                self._add(line, where, "a name is printable, without colon, and not empty")
                continue
            try:
                found[name] = _hash(node.raw)
            except ValueError as exc:
                self._add(node.line, where, str(exc))
        return found

    def _rate_limit(self, table: Table) -> RateLimit | None:
        read = {"interval": _interval, "burst": read_whole}
        given = self._values(table, read, ("rate_limit",))
        if not given.get("interval"):
            return None
        if given.get("burst", 0) < 1:
            line = table.key_lines.get("burst", table.line)
            self._add(line, ("rate_limit", "burst"), "must be at least 1, or no request would ever be let in")
        return RateLimit(interval_s=given["interval"], burst=max(1, given.get("burst", 0)))

    def _values(self, table: Table, read: Mapping[str, Callable[[Any], Any]], where: tuple[str, ...]) -> dict[str, Any]:
        """The values by name, each read by its reader; an empty one is ``None``."""
        found: dict[str, Any] = {}
        for name, node in self._known(table, read, where):
            raw = node.raw
            if raw is None or raw == "":
                found[name] = None
            elif isinstance(node, Table):
                self._add(node.line, (*where, name), "is a mapping; write one value")
            else:
                found[name] = self._value(node, read[name], (*where, name))
        return found

    def _value(self, node: Node, read: Callable[[Any], Any], where: tuple[str, ...]) -> Any:
        try:
            return read(node.raw)
        except ValueError as exc:
            is_shown = isinstance(node, Scalar) and where[-1] not in {"key", "cert", "client_ca"}
            self._add(node.line, where, str(exc), got=describe(node.raw, name=where[-1]) if is_shown else None)
            return None

    def _known(self, table: Table, names: Collection[str], where: tuple[str, ...]) -> list[tuple[str, Node]]:
        self._refuse_repeated(table, where)
        for name in table.entries.keys() - set(names):
            self._add(table.key_lines[name], (*where, name), f"is not of this format; {nearest(name, names)}")
        return [(name, node) for name, node in table.entries.items() if name in names]

    def _refuse_repeated(self, table: Table, where: tuple[str, ...]) -> None:
        for key in table.repeated:
            self._add(key.line, where, f"has an entry twice; the first is on line {table.key_lines[key.text]}")

    def _add(self, line: int, where: tuple[str, ...], message: str, *, got: str | None = None) -> None:
        self._problems.add(Origin(str(self._path), line), where, message, got=got)


def _word(raw: object, known: Collection[str]) -> str:
    text = read_words(raw)
    if text not in known:
        raise ValueError(f"is not known; {nearest(text, known)}")
    return text


def _items(raw: object, read: Callable[[Any], Any]) -> tuple[Any, ...]:
    if not isinstance(raw, list):
        raise ValueError("must be a list")  # noqa: TRY004 - gathered as ValueErrors are
    return tuple(read(item) for item in raw)


def _pem(raw: object) -> str:
    if not isinstance(raw, str) or "-----BEGIN " not in raw:
        raise ValueError("holds no PEM text (-----BEGIN …); write it as a block after `|`")
    return raw


def _hash(raw: object) -> Secret:
    found = _BCRYPT.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        raise ValueError("is no bcrypt hash; make one with: htpasswd -nBC 10 '' | tr -d ':\\n'")
    if int(found[1]) > _MAX_COST:
        raise ValueError(f"has a cost above {_MAX_COST}, at which a login takes minutes; 10 to 12 is usual")
    return Secret(found[0])


def _header_reader(values: tuple[str, ...]) -> Callable[[Any], str]:
    def read(raw: object) -> str:
        text = read_words(raw)
        if values and text not in values:
            raise ValueError(f"must be {' or '.join(values)}")
        if not text.isascii():
            raise ValueError("holds a character that is not ASCII")
        return text

    return read


def _interval(raw: object) -> float:
    if raw == "0":
        return 0.0
    return parse_duration(read_words(raw)).total_seconds()
