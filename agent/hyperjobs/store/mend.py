"""What one row of ``jobs`` should hold where there is one right answer. Pure.

hypersdk's own client reads every row of a list or none: one value that it cannot scan hides all jobs. Each kind here is
such a value, or one that nobody can mean, and what takes its place is what that client would have written itself.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store import instant
from hyperjobs.store.cells import RawText
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.models import FINISHED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hyperjobs.store.cells import Cells

KINDS: Final = {
    "null_value": "NULL in error, user, metadata, progress, total_size or files_count: what hypersdk writes for none",
    "metadata_not_object": "metadata that is no JSON object: kept in one, as its value",
    "number_not_number": "a progress or size that is no number of its kind: its whole part, or 0",
    "size_negative": "a negative size or count: 0",
    "progress_out_of_range": "a progress below 0 or above 100: 0 or 100",
    "time_form": "a time in a form that hypersdk cannot read: the same instant in the usual one",
    "time_real": "a time as a fraction (days, or seconds): the same instant as text",
    "time_empty": "an empty started_at or completed_at: NULL, as hypersdk writes unset times",
    "completed_at_missing": "a finished job without an end: the instant at which its history saw it finish",
}
"""Every kind that can be mended, and by what."""

_TIMES: Final = ("created_at", "started_at", "completed_at")
_TEXTS: Final = {"error": "", "user": ""}
_SIZES: Final = ("total_size", "files_count")
_PLACE: Final = {name: place for place, name in enumerate(COLUMNS)}
_FULL: Final = 100.0
_LARGEST: Final = 2**63 - 1
_GO: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?Z?"
    r"|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,9})?[+-]\d\d:\d\d",
    re.ASCII,
)
"""The forms of mattn/go-sqlite3; any other it takes for the year 1, without a word."""
_JULIAN: Final = (2_440_588.0, 2_500_000.0)
"""Days from 1970 to 2132, as SQLite's julianday() counts them; as seconds they would be in 1970."""
_SECONDS: Final = (1e9, 5e9)
"""From 2001 to 2128."""
_JULIAN_1970: Final = 2_440_587.5


def mend(
    cells: Cells, finished_at: Callable[[], int | None] = lambda: None, only: Collection[str] = KINDS.keys()
) -> tuple[Cells, tuple[str, ...]]:
    """A row as it should be, and the kinds of what was mended in it; a sound row as it is, and none.

    Args:
        cells: of the row.
        finished_at: gives when its history saw it enter the status it is in, in seconds since 1970; ``None`` when it
            did not. Asked only where that matters.
        only: the kinds to mend.
    """
    mended = list(cells)
    kinds: list[str] = []

    def put(name: str, kind: str, value: Any) -> None:
        if kind in only:
            mended[_PLACE[name]] = value
            kinds.append(kind)

    for name, nothing in _TEXTS.items():
        if cells[_PLACE[name]] is None:
            put(name, "null_value", nothing)
    _metadata(cells[_PLACE["metadata"]], put)
    _progress(cells[_PLACE["progress"]], put)
    for name in _SIZES:
        _size(name, cells[_PLACE[name]], put)
    for name in _TIMES:
        _time(name, cells[_PLACE[name]], put)
    if (
        cells[_PLACE["status"]] in FINISHED
        and cells[_PLACE["completed_at"]] in {None, ""}
        and (at := _ended(cells, finished_at()))
    ):
        put("completed_at", "completed_at_missing", at)
    return (tuple(mended), tuple(dict.fromkeys(kinds))) if kinds else (cells, ())


def _metadata(cell: Any, put: Callable[[str, str, Any], None]) -> None:
    if cell is None:
        put("metadata", "null_value", "null")
        return
    if type(cell) is RawText or not isinstance(cell, str | bytes):
        if not isinstance(cell, bytes):  # a number: JSON as it stands
            put("metadata", "metadata_not_object", _wrapped(cell))
        return
    try:
        text = cell if isinstance(cell, str) else cell.decode()
    except UnicodeDecodeError:
        return
    if not text:
        put("metadata", "metadata_not_object", "null")
        return
    try:
        found = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        put("metadata", "metadata_not_object", _wrapped(text))
        return
    if found is not None and not isinstance(found, dict):
        put("metadata", "metadata_not_object", f'{{"value":{text.strip()}}}')
    elif not isinstance(cell, str):
        put("metadata", "metadata_not_object", text)


def _wrapped(value: Any) -> str:
    return json.dumps({"value": value if not isinstance(value, float) or isfinite(value) else repr(value)})


def _progress(cell: Any, put: Callable[[str, str, Any], None]) -> None:
    if cell is None:
        put("progress", "null_value", 0.0)
    elif not isinstance(cell, int | float):
        put("progress", "number_not_number", 0.0)
    elif not 0 <= cell <= _FULL:
        put("progress", "progress_out_of_range", min(max(float(cell), 0.0), _FULL))


def _size(name: str, cell: Any, put: Callable[[str, str, Any], None]) -> None:
    if cell is None:
        put(name, "null_value", 0)
    elif isinstance(cell, float):
        put(name, "number_not_number", min(max(int(cell), 0), _LARGEST) if isfinite(cell) else 0)
    elif not isinstance(cell, int):
        put(name, "number_not_number", 0)
    elif cell < 0:
        put(name, "size_negative", 0)


def _time(name: str, cell: Any, put: Callable[[str, str, Any], None]) -> None:
    if isinstance(cell, float):
        at = _of_real(cell)
        if at is not None:
            put(name, "time_real", instant.format(at))
        return
    if not isinstance(cell, str) or _GO.fullmatch(cell):
        return
    if not cell:
        if name != "created_at":
            put(name, "time_empty", None)
        return
    at = instant.parse(cell)
    if at is not None:
        put(name, "time_form", instant.format(at))


def _of_real(cell: float) -> datetime | None:
    """The instant of a number that can only be meant in one way."""
    if _JULIAN[0] <= cell <= _JULIAN[1]:
        # a double holds days to some 40 microseconds; SQLite itself means milliseconds
        return instant.EPOCH + timedelta(milliseconds=round((cell - _JULIAN_1970) * 86_400_000))
    if _SECONDS[0] <= cell <= _SECONDS[1]:
        return instant.EPOCH + timedelta(microseconds=round(cell * 1_000_000))
    return None


def _ended(cells: Cells, at_s: int | None) -> str | None:
    """When it ended by its history, in no case before it began."""
    if at_s is None:
        return None
    began = [instant.parse(cells[_PLACE[name]]) for name in ("created_at", "started_at")]
    at = datetime.fromtimestamp(at_s, UTC)
    # the history knows whole seconds: what began within that second did not end before
    latest = max([each for each in began if each is not None], default=at)
    if latest > at + timedelta(seconds=1):
        return None
    return instant.format(max(at, latest))


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
