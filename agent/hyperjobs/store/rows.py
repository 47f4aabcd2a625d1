"""A job as a row of ``jobs`` and back: written as hypersdk's own client writes it, read whatever anybody left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import InvalidJobError
from hyperjobs.store import instant
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.models import Job, JobStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    Row = Sequence[Any]

COLUMN_LIST: Final = ",".join(COLUMNS)
RAW_COLUMN_LIST: Final = ",".join(
    f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END,typeof({name})" for name in COLUMNS
)
"""Every column twice, the text as bytes and then its type: for rows whose text is no valid UTF-8."""
SAVE: Final = f"INSERT OR REPLACE INTO jobs ({COLUMN_LIST}) VALUES ({','.join('?' * len(COLUMNS))})"  # noqa: S608 - ours

_STATUSES: Final = {str(status): status for status in JobStatus}
_WORDS: Final = {str(status): status.value for status in JobStatus}
_SIZE_LIMIT: Final = 2**63
_FULL: Final = 100.0
_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def job_of(row: Row) -> Job:
    """Return the job in a row of :data:`COLUMN_LIST`; what cannot be read is left empty and named in ``flags``."""
    flags: list[str] = []
    (id_, name, vm_name, vm_path, provider, output_dir, status, created, started, completed, *rest) = row
    progress, error, metadata, user, total_size, files_count = rest
    created_at = instant.parse(created)
    if created_at is None:
        flags.append("created_at_unreadable")
    return Job(
        id=id_ if type(id_) is str else _text(id_, "id", flags),
        name=name if type(name) is str else _text(name, "name", flags),
        vm_name=vm_name if type(vm_name) is str else _text(vm_name, "vm_name", flags),
        vm_path=vm_path if type(vm_path) is str else _text(vm_path, "vm_path", flags),
        provider=provider if type(provider) is str else _text(provider, "provider", flags),
        output_dir=output_dir if type(output_dir) is str else _text(output_dir, "output_dir", flags),
        status=_STATUSES.get(status) or _odd_status(status, flags),
        created_at=created_at,
        started_at=None if started is None else _time(started, "started_at", flags),
        completed_at=None if completed is None else _time(completed, "completed_at", flags),
        progress=progress if type(progress) is float and 0 <= progress <= _FULL else _progress(progress, flags),
        error=error if type(error) is str else _text(error, "error", flags),
        metadata=None if metadata == "null" else _metadata(metadata, flags),
        user=user if type(user) is str else _text(user, "user", flags),
        total_size=_count(total_size, "total_size", flags),
        files_count=_count(files_count, "files_count", flags),
        flags=tuple(flags),
    )


def job_of_raw(row: Row) -> Job:
    """Return the job in a row of :data:`RAW_COLUMN_LIST`, with U+FFFD for what is no UTF-8."""
    cells: list[Any] = []
    flags: list[str] = []
    for name, value, kind in zip(COLUMNS, row[::2], row[1::2], strict=True):
        if kind != "text":
            cells.append(value)
            continue
        text = value.decode(errors="replace")
        if text.encode() != value:
            flags.append(f"{name}_not_utf8")
        cells.append(text)
    job = job_of(cells)
    object.__setattr__(job, "flags", (*flags, *job.flags))
    return job


def row_of(job: Job, now: datetime) -> tuple[Any, ...]:
    """Return the 16 values to write for a job, ``''`` and ``null`` where the Go reader would break on NULL.

    Args:
        job: what to write.
        now: the ``created_at`` of a job that has none.

    Raises:
        InvalidJobError: a value that the row cannot hold; the message names it and the remedy.
    """
    metadata = "null" if job.metadata is None else _json(job.metadata)
    try:
        texts = "".join(  # noqa: FLY002 - it refuses what is no text
            (job.id, job.name, job.vm_name, job.vm_path, job.provider, job.output_dir, job.error, job.user, metadata)
        )
    except TypeError:
        texts = "\0"
    # one look for all of them: nearly every job is plain ASCII
    if not job.id or "\0" in texts or not texts.isascii():
        _check_texts(job, metadata)
    return (
        job.id,
        job.name,
        job.vm_name,
        job.vm_path,
        job.provider,
        job.output_dir,
        status_word(job.status),
        _stamp(now if job.created_at is None else job.created_at, "created_at"),
        None if job.started_at is None else _stamp(job.started_at, "started_at"),
        None if job.completed_at is None else _stamp(job.completed_at, "completed_at"),
        checked_percent(job.progress),
        job.error,
        metadata,
        job.user,
        _size(job.total_size, "total_size"),
        _size(job.files_count, "files_count"),
    )


def _check_texts(job: Job, metadata: str) -> None:
    """Return when every text can be held.

    Raises:
        InvalidJobError: one cannot; the message names it.
    """
    for name in ("id", "name", "vm_name", "vm_path", "provider", "output_dir", "error", "user"):
        text_value(getattr(job, name), name)
    text_value(metadata, "metadata")
    if not job.id:
        raise InvalidJobError("a job needs an id that is not empty")


def text_value(value: object, name: str) -> str:
    """Return a text that SQLite and the Go client can hold.

    Raises:
        InvalidJobError: no text, or one with a NUL or half a surrogate pair in it.
    """
    if not isinstance(value, str):
        raise InvalidJobError(f"{name}={value!r} is no text")
    if "\0" in value:
        raise InvalidJobError(f"{name} has a NUL character in it; remove it")
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise InvalidJobError(
            f"{name} has half a surrogate pair at {exc.start}; decode it with errors='replace'"
        ) from exc
    return str(value)


def status_word(status: object) -> str:
    """Return the word to write for a status.

    Raises:
        InvalidJobError: it is none of the five.
    """
    try:
        return _WORDS[status]  # type: ignore[index]  # a wrong type is answered below
    except (KeyError, TypeError):
        raise InvalidJobError(f"status={status!r} is none of {', '.join(_STATUSES)}") from None


def checked_percent(value: object) -> float:
    """Return a progress to write.

    Raises:
        InvalidJobError: no finite number from 0 to 100.
    """
    if type(value) is float and 0 <= value <= _FULL:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _FULL:
        raise InvalidJobError(f"progress={value!r} is not a number from 0 to 100")
    return float(value)


def _stamp(at: object, name: str) -> str:
    if type(at) is datetime and at.tzinfo is UTC:
        return at.isoformat(" ", "microseconds")
    if not isinstance(at, datetime):
        raise InvalidJobError(f"{name}={at!r} is no datetime; give an aware one, as datetime.now(UTC)")
    return instant.format(at)


def _size(value: object, name: str) -> int:
    if type(value) is not int or not 0 <= value < _SIZE_LIMIT:
        raise InvalidJobError(f"{name}={value!r} is not a whole number from 0 to 2**63 - 1")
    return value


def _json(metadata: object) -> str:
    """Return the metadata as JSON that every reader takes: no NaN, no key that would silently become text."""
    if not isinstance(metadata, dict):
        if not isinstance(metadata, Mapping):
            raise InvalidJobError(f"metadata={metadata!r} is no JSON object; give a dict")
        metadata = dict(metadata)
    try:
        _check_keys(metadata)
        return _encode(metadata)
    except InvalidJobError:
        raise
    except RecursionError as exc:
        raise InvalidJobError("metadata is nested too deeply, or holds itself") from exc
    except (TypeError, ValueError) as exc:
        raise InvalidJobError(f"metadata is no JSON object: {exc}") from exc


def _check_keys(value: Any) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if type(key) is not str:
                raise InvalidJobError(f"metadata has the key {key!r}, and JSON knows text only; use {str(key)!r}")
            if isinstance(inner, _CONTAINERS):
                _check_keys(inner)
    else:
        for inner in value:
            if isinstance(inner, _CONTAINERS):
                _check_keys(inner)


_CONTAINERS: Final = (dict, list, tuple)


def _text(value: Any, name: str, flags: list[str]) -> str:
    """Return a text cell that holds no text."""
    if value is None:
        flags.append(f"{name}_null")
        return ""
    flags.append(f"{name}_not_text")
    return bytes(value).decode(errors="replace") if isinstance(value, bytes) else str(value)


def _odd_status(value: Any, flags: list[str]) -> str:
    flags.append("status_unknown")
    return value if isinstance(value, str) else _text(value, "status", flags)


def _time(value: Any, name: str, flags: list[str]) -> datetime | None:
    at = instant.parse(value)
    if at is None and value != "":
        flags.append(f"{name}_unreadable")
    return at


def _progress(value: Any, flags: list[str]) -> float:
    """Return a progress held within 0 and 100; SQLite keeps a NaN as NULL."""
    if value is None:
        flags.append("progress_null")
        return 0.0
    if not isinstance(value, int | float) or not isfinite(value):
        flags.append("progress_unreadable")
        return 0.0
    if not 0 <= value <= _FULL:
        flags.append("progress_out_of_range")
    return min(max(float(value), 0.0), _FULL)


def _count(value: Any, name: str, flags: list[str]) -> int:
    if type(value) is int:
        if value >= 0:
            return value
        flags.append(f"{name}_negative")
        return 0
    if value is None:
        flags.append(f"{name}_null")
    elif isinstance(value, float) and isfinite(value) and value >= 0:
        flags.append(f"{name}_not_integer")
        return int(value)
    else:
        flags.append(f"{name}_unreadable")
    return 0


def _metadata(value: Any, flags: list[str]) -> dict[str, Any] | None:
    """Return the JSON object of a metadata cell; anything else is none."""
    if value is None:
        flags.append("metadata_null")
        return None
    try:
        found = _decode(value) if type(value) is str else json.loads(value, parse_constant=_refuse_constant)
    except (ValueError, TypeError, RecursionError):
        flags.append("metadata_unreadable")
        return None
    if not isinstance(found, dict):
        if found is not None:
            flags.append("metadata_not_object")
        return None
    return found


def is_json_object(value: str) -> bool:
    """Whether a text of metadata is an object that every reader takes."""
    return _metadata(value, []) is not None


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


_decode: Final = json.JSONDecoder(parse_constant=_refuse_constant).decode
