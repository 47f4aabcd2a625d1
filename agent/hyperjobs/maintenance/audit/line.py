"""One line of the audit log and its place in the chain. Pure.

Each line holds the hash of the line before, so that none can be altered, removed, put in or moved without all that
follow being made anew. With a key each line also holds a code (HMAC-SHA-256) that only who has the key can make.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from hyperjobs.store.ledger.outbox import Entry

NOTHING: Final = "0" * 64
"""The hash before the first line."""

_MAC: Final = b',"mac":"'
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
_KINDS: Final = {
    "n": int,
    "at": str,
    "job": (str, type(None)),
    "provider": (str, type(None)),
    "old": (str, type(None)),
    "new": (str, type(None)),
    "source": str,
    "store": str,
    "seq": int,
    "prev": str,
}


class Line(NamedTuple):
    """What a line says.

    Attributes:
        number: of the line, from 1, one more each, through all files of a log.
        store: which store the change was in.
        entry: the change, or the note.
        prev: hash of the line before.
        mac: its code; ``None`` without a key.
    """

    number: int
    store: str
    entry: Entry
    prev: str
    mac: str | None


def make_line(number: int, store: str, entry: Entry, prev: str, key: bytes | None) -> bytes:
    """The line of a change, with its end; ASCII, so that nothing in it can drive a terminal or break a line."""
    text = _encode(
        {
            "n": number,
            "at": datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "job": _text(entry.job_id),
            "provider": _text(entry.provider),
            "old": entry.old,
            "new": entry.new,
            "source": entry.source,
            "store": store,
            "seq": entry.seq,
            "prev": prev,
        }
    ).encode()
    if key is None:
        return text + b"\n"
    return text[:-1] + _MAC + _code(text, key) + b'"}\n'


def digest(line: bytes) -> str:
    """The hash of a line, as the next one holds it."""
    return hashlib.sha256(line.rstrip(b"\n")).hexdigest()


def parse_line(line: bytes) -> Line | None:
    """What a line says; ``None`` when it is none of ours."""
    try:
        found = json.loads(line)
        mac = found.pop("mac", None)
        if found.keys() != _KINDS.keys() or not all(_is_a(found[name], kind) for name, kind in _KINDS.items()):
            return None
        at = int(datetime.strptime(found["at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
    except (ValueError, AttributeError, RecursionError, TypeError):
        return None
    entry = Entry(found["seq"], at, found["job"], found["provider"], found["old"], found["new"], found["source"])
    return Line(found["n"], found["store"], entry, found["prev"], mac if isinstance(mac, str) else None)


def has_code(line: bytes, key: bytes) -> bool:
    """Whether the code of a line was made with this key, for what the line says."""
    text, _, code = line.rstrip(b"\n").rpartition(_MAC)
    return bool(text) and hmac.compare_digest(code, _code(text + b"}", key) + b'"}')


def is_same(entry: Entry, other: Entry) -> bool:
    """Whether a change that waits is the one of a line."""
    return (entry.at, _text(entry.job_id), entry.old, entry.new, entry.source) == (
        other.at,
        other.job_id,
        other.old,
        other.new,
        other.source,
    )


def _code(text: bytes, key: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).hexdigest().encode()


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _is_a(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
