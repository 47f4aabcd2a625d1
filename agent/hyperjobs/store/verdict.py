"""What is wrong with one row of ``jobs``, in closed words. Pure."""

from __future__ import annotations

import json
from datetime import timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store import instant
from hyperjobs.store.flavour import Flavour
from hyperjobs.store.models import JobStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

KINDS: Final = (
    "status_unknown",
    "time_unreadable",
    "time_integer",
    "time_real",
    "time_impossible",
    "time_future",
    "started_before_created",
    "completed_before_started",
    "progress_out_of_range",
    "metadata_not_object",
    "size_negative",
    "number_not_number",
    "null_value",
    "not_text",
    "not_utf8",
    "nul_character",
)
"""Every kind of anomaly: the values of the label ``kind``. docs/metrics.md says what each stands for."""

READER_BREAKING: Final = frozenset({"null_value", "metadata_not_object", "number_not_number", "time_real"})
"""One row of such a kind makes hypersdk's own client fail on the whole list."""

_LAST_YEAR: Final = 9999
_FULL: Final = 100
_A_DAY: Final = timedelta(days=1)
_LONGEST_ID: Final = 64
_TIMES: Final = ("created_at", "started_at", "completed_at")
_MAY_BE_NULL: Final = frozenset({"started_at", "completed_at"})
_STATUSES: Final = frozenset(status.encode() for status in JobStatus)

TEXTS: Final = {
    Flavour.HYPERSDK: ("id", "name", "vm_name", "vm_path", "provider", "output_dir", "error", "metadata", "user"),
    Flavour.DAEMON: (
        "id",
        "name",
        "vm_path",
        "output_path",
        "error",
        "progress_json",
        "result_json",
        "definition_json",
    ),
}
"""The columns that hold any text."""
COLUMNS: Final = {
    Flavour.HYPERSDK: (*TEXTS[Flavour.HYPERSDK], "status", *_TIMES, "progress", "total_size", "files_count"),
    Flavour.DAEMON: (*TEXTS[Flavour.DAEMON], "status", *_TIMES),
}
"""In the order in which :meth:`Verdict.of` takes them."""


class Verdict:
    """Judges the rows of one store."""

    def __init__(self, flavour: Flavour, now: datetime) -> None:
        """``now``: what is more than a day after it is the future."""
        self._columns = COLUMNS[flavour]
        self._is_daemon = flavour is Flavour.DAEMON
        self._latest = now + _A_DAY

    def of(self, row: Sequence[Any]) -> tuple[str, frozenset[str]]:
        """A row's id, as it can be shown, and what is wrong with it.

        Args:
            row: each column's value, text as bytes, and then its type.
        """
        cells = dict(zip(self._columns, zip(row[::2], row[1::2], strict=True), strict=True))
        kinds: set[str] = set()
        for name, (value, kind) in cells.items():
            if kind == "null":
                if name not in _MAY_BE_NULL and not self._may_daemon_leave(name):
                    kinds.add("null_value")
            elif name in _TIMES:
                pass  # below, all three together
            elif name == "progress":
                kinds |= _progress(value, kind)
            elif name in {"total_size", "files_count"}:
                kinds |= _size(value, kind)
            else:
                kinds |= _text(name, value, kind)
        kinds |= self._times({name: cells[name] for name in _TIMES})
        return _shown(cells["id"][0]), frozenset(kinds)

    def _may_daemon_leave(self, name: str) -> bool:
        """Whether it is the daemon's habit to leave this column NULL."""
        return self._is_daemon and (name.endswith("_json") or name in {"error", "output_path"})

    def _times(self, cells: dict[str, tuple[Any, str]]) -> set[str]:
        kinds: set[str] = set()
        read: dict[str, datetime] = {}
        for name, (value, kind) in cells.items():
            if kind == "null" or (value == b"" and name in _MAY_BE_NULL):
                continue
            if kind in {"real", "integer"}:
                kinds.add(f"time_{kind}")
            at = instant.parse(value.decode(errors="replace") if kind == "text" else value)
            if at is None:
                kinds |= {"time_unreadable"} if kind != "real" else set()
            elif at < instant.EPOCH + _A_DAY or at.year >= _LAST_YEAR:
                kinds.add("time_impossible")
            else:
                read[name] = at
                if at > self._latest:
                    kinds.add("time_future")
        created, started, completed = map(read.get, _TIMES)
        if created and started and started < created:
            kinds.add("started_before_created")
        began = started or created
        if began and completed and completed < began:
            kinds.add("completed_before_started")
        return kinds


def _text(name: str, value: Any, kind: str) -> set[str]:
    if name == "status":
        return set() if kind == "text" and value in _STATUSES else {"status_unknown"}
    if kind != "text":
        return {"not_text"}
    kinds: set[str] = set()
    if b"\0" in value:
        kinds.add("nul_character")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return kinds | {"not_utf8"}
    is_json = name == "metadata" or (name.endswith("_json") and text)
    if is_json and not _is_json(text, must_be_object=name == "metadata"):
        kinds.add("metadata_not_object")
    return kinds


def _progress(value: Any, kind: str) -> set[str]:
    if kind not in {"real", "integer"}:
        return {"number_not_number"}
    return set() if isfinite(value) and 0 <= value <= _FULL else {"progress_out_of_range"}


def _size(value: Any, kind: str) -> set[str]:
    if kind != "integer":
        return {"number_not_number"}
    return {"size_negative"} if value < 0 else set()


def _is_json(text: str, *, must_be_object: bool) -> bool:
    """Whether it is JSON; of an object or ``null`` if it must."""
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return not must_be_object or found is None or isinstance(found, dict)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _shown(value: Any) -> str:
    """An id as it can be shown: printable, and not long."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text[: _LONGEST_ID + 1])
    return shown if len(shown) <= _LONGEST_ID else f"{shown[:_LONGEST_ID]}…"
