"""One pruned job as a line of JSON and back, to the bit: what JSON cannot say is said in an object. Pure."""

from __future__ import annotations

import base64
import json
import math
from typing import Any, Final

from hyperjobs.errors import ArchiveDamagedError
from hyperjobs.store.cells import Cells, RawText
from hyperjobs.store.flavour import COLUMNS

NOTE: Final = "hyperjobs"
"""The one key of a line that is no job."""

_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_PLAIN: Final = (str, int, type(None))


def job_line(cells: Cells) -> bytes:
    """A job as one line: an object of its columns."""
    try:
        return _line(dict(zip(COLUMNS, cells, strict=True)))
    except (TypeError, ValueError):  # bytes, or a number that is not finite: rare, and so not looked for
        return _line(dict(zip(COLUMNS, map(_shape, cells), strict=True)))


def note_line(note: dict[str, Any]) -> bytes:
    """A line about the archive itself."""
    return _line({NOTE: note})


def shape_ids(ids: list[Any]) -> list[Any]:
    """Ids as JSON values."""
    return [_shape(job_id) for job_id in ids]


def ids_of(shapes: list[Any]) -> list[Any]:
    """The ids that :func:`shape_ids` was given."""
    return [cell_of(shape) for shape in shapes]


def parse_line(line: bytes) -> Cells | dict[str, Any]:
    """The job of a line, or the note.

    Raises:
        ArchiveDamagedError: it is neither.
    """
    try:
        found = json.loads(line)
        if found.keys() == {NOTE}:
            note: dict[str, Any] = found[NOTE]
            return note
        return tuple(cell_of(found[name]) for name in COLUMNS)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as exc:
        raise ArchiveDamagedError(f"a line is no job: {exc!r}") from exc


def _line(value: dict[str, Any]) -> bytes:
    return _encode(value).encode() + b"\n"


def _shape(cell: Any) -> Any:
    kind = type(cell)
    if kind in _PLAIN:
        return cell
    if kind is float:
        return cell if math.isfinite(cell) else {"real": repr(cell)}
    return {"text" if kind is RawText else "blob": base64.b64encode(cell).decode()}


def cell_of(shape: Any) -> Any:
    """The cell that a JSON value of a line stands for; raises what is at hand when it stands for none."""
    if not isinstance(shape, dict):
        return shape
    ((kind, value),) = shape.items()
    if kind == "real":
        return float(value)
    raw = base64.b64decode(value, validate=True)
    return RawText(raw) if kind == "text" else {"blob": raw}[kind]
