"""The objects of the files that are known, each made a row. Pure."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.maintenance.prune.line import cell_of
from hyperjobs.maintenance.transfer.checking import RowError, metadata_text
from hyperjobs.maintenance.transfer.formats import unguard
from hyperjobs.store import instant
from hyperjobs.store.cells import RawText
from hyperjobs.store.flavour import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hyperjobs.store.cells import Cells

_KEYS: Final = frozenset(COLUMNS)
_EXTRA: Final = frozenset({"flags", "cursor"})
"""What ``--json`` of the command line has beside the columns."""
_HISTORY: Final = frozenset({"timestamp", "vm_name", "success"})
_NULLABLE: Final = frozenset({"started_at", "completed_at"})
_SIZES: Final = frozenset({"total_size", "files_count"})
_METADATA: Final = COLUMNS.index("metadata")
_PROGRESS: Final = COLUMNS.index("progress")
_LARGEST: Final = 2**63
"""An integer beyond it is no value of a row, and one of 400 digits no float either."""


def exact(found: Mapping[str, Any]) -> Cells:
    """The row of a line of an export or an archive, to the bit.

    Raises:
        RowError: it is no such line.
    """
    if found.keys() != _KEYS:
        raise _not_a_job(found)
    cells = tuple([found[name] for name in COLUMNS])
    if dict not in map(type, cells):
        return cells
    try:
        return tuple(map(cell_of, cells))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RowError("has a value that is none of a row's") from None


def plain(found: Mapping[str, Any]) -> Cells:
    """The row of an object of a JSON array of ours, of ``sqlite3 -json`` or of ``list --json``.

    Raises:
        RowError: it is none.
    """
    if found.keys() != _KEYS and found.keys() - _EXTRA != _KEYS:
        raise _not_a_job(found)
    cells = [found[name] for name in COLUMNS]
    metadata = cells[_METADATA]
    if isinstance(metadata, (dict, list)) or (metadata is None and "cursor" in found):
        cells[_METADATA] = metadata_text(metadata)
    cells[_PROGRESS] = _percent(cells[_PROGRESS])
    # one look for all of them: nearly every job is plain ASCII
    is_ascii = "".join([cell for cell in cells if cell.__class__ is str]).isascii()
    return tuple(cells if is_ascii else map(_raw, cells))


def exported(found: Mapping[str, Any]) -> Cells:
    """The row of an entry of hyperexport's ``history.json``.

    It has no id of its own, so it gets one made of all it says, the same each time. Its timestamp is when it ended.

    Raises:
        RowError: it is none.
    """
    at = instant.parse(found.get("timestamp"))
    if at is None:
        raise RowError("timestamp cannot be read")
    if not isinstance(found.get("success"), bool):
        raise RowError("success is neither true nor false")
    nanos = found.get("duration", 0)
    if isinstance(nanos, bool) or not isinstance(nanos, int) or nanos < 0:
        raise RowError("duration is no whole number of nanoseconds")
    try:
        began = at.astimezone(UTC) - timedelta(microseconds=nanos // 1_000)
    except OverflowError:
        raise RowError("duration is longer than time") from None
    entry = json.dumps(dict(found), sort_keys=True, ensure_ascii=False).encode(errors="surrogateescape")
    extra = found.get("metadata") or {}
    if not isinstance(extra, dict):
        raise RowError("metadata is no JSON object")
    kept = {name: found[name] for name in ("format", "compressed", "verified") if name in found}
    name = found.get("vm_name")
    return (
        f"hyperexport-{hashlib.sha256(entry).hexdigest()[:24]}",
        f"Export {name}" if isinstance(name, str) else None,
        name,
        found.get("vm_path", ""),
        found.get("provider", ""),
        found.get("output_dir", ""),
        "completed" if found["success"] else "failed",
        instant.format(began),
        instant.format(began),
        instant.format(at),
        100.0 if found["success"] else 0.0,
        found.get("error_message", ""),
        metadata_text({**extra, **kept}),
        "",
        found.get("total_size", 0),
        found.get("files_count", 0),
    )


def daemon(found: Mapping[str, Any]) -> Cells:
    """The row of a job as the REST interface of hypersdk's daemon gives it.

    Raises:
        RowError: it is none.
    """
    definition = found.get("definition")
    if not isinstance(definition, dict):
        raise RowError("has no definition")
    result, progress = found.get("result") or {}, found.get("progress") or {}
    if not (isinstance(result, dict) and isinstance(progress, dict)):
        raise RowError("its result or progress is no object")
    path = definition.get("vm_path", "")
    options = {name: definition[name] for name in ("format", "compress", "export_method") if name in definition}
    is_completed = found.get("status") == "completed"
    files = result.get("files")
    return (
        definition.get("id"),
        definition.get("name", ""),
        result.get("vm_name") or (path.rpartition("/")[2] if isinstance(path, str) else path),
        path,
        definition.get("provider") or "vsphere",
        result.get("output_dir") or definition.get("output_dir") or definition.get("output_path") or "",
        found.get("status"),
        _instant(definition.get("created_at")),
        _instant(found.get("started_at")),
        _instant(found.get("completed_at")),
        _percent(100.0 if is_completed else progress.get("percent_complete", 0.0)),
        found.get("error") or result.get("error") or "",
        metadata_text(options),
        "",
        result.get("total_size", 0),
        len(files) if isinstance(files, list) else 0,
    )


def table(fields: Sequence[str], *, is_guarded: bool) -> Cells:
    """The row of a line of CSV: an empty time is none, a number is a number.

    Raises:
        RowError: it has not one value for each column.
    """
    if len(fields) != len(COLUMNS):
        raise RowError(f"has {len(fields)} fields where {len(COLUMNS)} are due")
    return tuple([_field(name, text, is_guarded=is_guarded) for name, text in zip(COLUMNS, fields, strict=True)])


def is_history(found: Mapping[str, Any]) -> bool:
    """Whether an object looks like an entry of ``history.json``."""
    return found.keys() >= _HISTORY and "id" not in found


def is_daemon(found: Mapping[str, Any]) -> bool:
    """Whether an object looks like a job of the daemon's REST interface."""
    return "definition" in found and "status" in found


def _field(name: str, text: str, *, is_guarded: bool) -> Any:
    if text == "" and name in _NULLABLE:
        return None
    try:
        if name in _SIZES:
            return int(text)
        if name == "progress":
            return float(text)
    except ValueError:
        return text
    return unguard(text) if is_guarded else text


def _raw(value: Any) -> Any:
    """A text that was no UTF-8 in the file, as the row held it."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            try:
                return RawText(value.encode(errors="surrogateescape"))
            except UnicodeEncodeError:
                return value
    return value


def _instant(value: Any) -> Any:
    at = instant.parse(value) if isinstance(value, str) else None
    return value if at is None else instant.format(at)


def _percent(value: Any) -> Any:
    return float(value) if type(value) is int and abs(value) < _LARGEST else value


def _not_a_job(found: Mapping[str, Any]) -> RowError:
    missing = next((name for name in COLUMNS if name not in found), None)
    return RowError(f"has no {missing}" if missing else "has keys that are no columns of a job")
