"""What a row from outside must be before it is put into a store. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store import instant
from hyperjobs.store.cells import RawText
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.models import JobStatus
from hyperjobs.store.rows import is_json_object, job_of

if TYPE_CHECKING:
    from hyperjobs.store.cells import Cells

_REQUIRED: Final = COLUMNS[1:8]
"""What the table itself wants; only the id may be NULL there."""
_LARGEST: Final = 2**63
_LONGEST: Final = 999_999_000
"""Bytes of a row that SQLite takes."""
_STATUSES: Final = frozenset(status.value for status in JobStatus)
_PLAIN: Final = {str, int, float, type(None)}
_WORDS: Final = {
    "null": "has no {}",
    "not_text": "{} is no text",
    "unknown": "{} is none of pending, running, completed, failed, cancelled",
    "unreadable": "{} cannot be read",
    "out_of_range": "{} is not from 0 to 100",
    "negative": "{} is negative",
    "not_integer": "{} is no whole number",
    "not_object": "{} is no JSON object",
    "not_utf8": "{} is no UTF-8",
}


class RowError(ValueError):
    """A row that is not put into a store; ``reason`` is short and the same for all rows of its kind."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_held(cells: Cells) -> None:
    """Return when a table can hold the row as it is.

    Raises:
        RowError: it cannot.
    """
    if _is_plain(cells):
        return
    size = 0
    for name, cell in zip(COLUMNS, cells, strict=True):
        if cell is None:
            if name in _REQUIRED:
                raise RowError(f"has no {name}")
            continue
        size += _held_bytes(name, cell)
    if size > _LONGEST:
        raise RowError("is longer than any row of SQLite")


def _is_plain(cells: Cells) -> bool:
    """Whether it is a row as nearly all are, at a glance: short ASCII texts, numbers of a usual size."""
    if not {*map(type, cells)} <= _PLAIN or None in cells[1:8]:
        return False
    texts = "".join([cell for cell in cells if cell.__class__ is str])
    numbers = [cell for cell in cells if cell.__class__ is int] or [0]
    return texts.isascii() and len(texts) < _LONGEST and -_LARGEST <= min(numbers) <= max(numbers) < _LARGEST


def _held_bytes(name: str, cell: Any) -> int:
    """How long a value is at most in a row."""
    kind = type(cell)
    if kind is str:
        if cell.isascii():
            return len(cell)
        try:
            return len(cell.encode())
        except UnicodeEncodeError:
            raise RowError(f"{name} has half a surrogate pair") from None
    if kind is int:
        if not -_LARGEST <= cell < _LARGEST:
            raise RowError(f"{name} is larger than any integer of SQLite")
        return 8
    if kind is float:
        return 8
    if isinstance(cell, bytes):
        return len(cell)
    raise RowError(f"{name} is no value of a row")


def check_sound(cells: Cells) -> None:
    """Return when every client reads the row, hypersdk's own too.

    Raises:
        RowError: one would not, or would read something else.
    """
    if _is_sound(cells):
        return
    raw = next((name for name, cell in zip(COLUMNS, cells, strict=True) if type(cell) is RawText), None)
    if raw is not None:
        raise RowError(f"{raw} is no UTF-8")
    if cells[0] in {None, ""}:
        raise RowError("has no id")
    if any(type(cell) is str and "\0" in cell for cell in cells):
        raise RowError("has a NUL character in a text")
    flags = job_of(cells).flags
    if flags:
        flag = min(flags, key=len)
        name = next(name for name in sorted(COLUMNS, key=len, reverse=True) if flag.startswith(name))
        raise RowError(_WORDS.get(flag[len(name) + 1 :], "{} is not sound").format(name))


def _is_sound(cells: Cells) -> bool:
    """Whether it is a row as nearly all are, at a glance; when not, the long way finds what is wrong, if anything."""
    (id_, *texts, status, created, started, completed, progress, error, metadata, user, size, files) = cells
    try:
        text = "".join((id_, *texts, error, metadata, user))
    except TypeError:
        return False
    return (
        id_ != ""
        and "\0" not in text
        and status in _STATUSES
        and type(progress) is float
        and 0 <= progress <= 100  # noqa: PLR2004 - percent
        and type(size) is type(files) is int
        and size >= 0
        and files >= 0
        and instant.parse(created) is not None
        and (started is None or instant.parse(started) is not None)
        and (completed is None or instant.parse(completed) is not None)
        and (metadata == "null" or is_json_object(metadata))
    )


def metadata_text(value: Any) -> Any:
    """A metadata that came as JSON, as the text that a row holds."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
