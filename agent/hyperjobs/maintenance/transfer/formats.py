"""The forms in which jobs leave a store: JSON Lines without any loss, a JSON array, or CSV. Pure."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.maintenance.backup.name import PACKED
from hyperjobs.maintenance.prune.line import job_line
from hyperjobs.store.flavour import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import PurePath

    from hyperjobs.store.cells import Cells


class Format(StrEnum):
    """How a file holds jobs."""

    JSONL = "jsonl"
    """One JSON object a line, equal to the row to the bit, as in an archive of a prune."""
    JSON = "json"
    """One array of objects, as ``sqlite3 -json`` writes it."""
    CSV = "csv"
    """RFC 4180, with a heading."""


_SUFFIXES: Final = {".jsonl": Format.JSONL, ".ndjson": Format.JSONL, ".json": Format.JSON, ".csv": Format.CSV}

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_GUARDED: Final = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet takes for a formula, also behind the mark that keeps it from that: so the mark can be taken off."""


def format_of(path: PurePath) -> Format | None:
    """The format that a file's name stands for, but for a suffix of compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return _SUFFIXES.get(suffixes[-1]) if suffixes else None


def guard(text: str) -> str:
    """``text`` such that no spreadsheet takes it for a formula."""
    return f"'{text}" if _GUARDED.match(text) else text


def unguard(text: str) -> str:
    """What :func:`guard` was given."""
    return text[1:] if text.startswith("'") and _GUARDED.match(text) else text


class Encoder:
    """Jobs as bytes of one format, in pages; the bytes of :meth:`head`, all pages and :meth:`tail` make a file.

    Args:
        form: of the file.
        is_guarded: keep texts of CSV from being taken for formulas.
    """

    def __init__(self, form: Format, *, is_guarded: bool = True) -> None:
        self._form = form
        self._guard = guard if is_guarded else str
        self._is_first = True

    def head(self) -> bytes:
        """What comes before the first job."""
        return _csv([COLUMNS]) if self._form is Format.CSV else b"[" if self._form is Format.JSON else b""

    def page(self, jobs: Sequence[Cells]) -> bytes:
        """Some jobs."""
        if self._form is Format.JSONL:
            return b"".join(map(job_line, jobs))
        if self._form is Format.CSV:
            return _csv([[self._field(cell) for cell in cells] for cells in jobs])
        objects = ",\n".join(_object(cells) for cells in jobs)
        before = "" if self._is_first or not objects else ",\n"
        self._is_first = self._is_first and not objects
        return f"{before}{objects}".encode()

    def tail(self) -> bytes:
        """What comes after the last job."""
        return b"]\n" if self._form is Format.JSON else b""

    def _field(self, cell: Any) -> Any:
        if cell is None:
            return ""
        if isinstance(cell, bytes):
            cell = cell.decode(errors="replace")
        return self._guard(cell) if isinstance(cell, str) else repr(cell)


def _object(cells: Cells) -> str:
    try:
        text = _encode(dict(zip(COLUMNS, cells, strict=True)))
        if "Infinity" not in text:
            return text
    except TypeError:
        pass
    values = map(_value, cells)
    return "{" + ",".join(f'"{name}":{text}' for name, text in zip(COLUMNS, values, strict=True)) + "}"


def _value(cell: Any) -> str:
    """A cell as JSON: a number that is not finite as SQLite's shell has it, too large for any reader."""
    if isinstance(cell, float) and math.isinf(cell):
        return "1e999" if cell > 0 else "-1e999"
    return _encode(cell.decode(errors="replace") if isinstance(cell, bytes) else cell)


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
