"""Files of jobs read back, whichever of the known forms they have, a row at a time."""

from __future__ import annotations

import codecs
import contextlib
import csv
import functools
import gzip
import io
import json
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import zstandard

from hyperjobs.errors import ArchiveDamagedError, InvalidJobError, StoreNotFoundError, StorePermissionError
from hyperjobs.maintenance.backup.pack import unpacking
from hyperjobs.maintenance.prune.line import NOTE, job_line
from hyperjobs.maintenance.prune.reading import archive_rows
from hyperjobs.maintenance.transfer import shapes
from hyperjobs.maintenance.transfer.checking import RowError, check_held, check_sound
from hyperjobs.store.flavour import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import IO

    from hyperjobs.store.cells import Cells


class Source(StrEnum):
    """What a file of jobs can be."""

    JSONL = "jsonl"
    """JSON Lines of an export."""
    ARCHIVE = "archive"
    """The archive of a prune."""
    JSON = "json"
    """A JSON array of an export, of ``sqlite3 -json``, or the lines of ``list --json``."""
    CSV = "csv"
    """CSV of an export."""
    HISTORY = "history"
    """hyperexport's ``history.json``."""
    DAEMON = "daemon"
    """What the REST interface of hypersdk's daemon answers."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is not taken.

    Attributes:
        line: of the file, from 1; in a JSON array the place of the row, from 1.
        reason: short, the same for all rows of its kind.
        raw: what stood there, as far as it can be said.
    """

    line: int
    reason: str
    raw: str


_MAGIC: Final = {b"\x28\xb5\x2f\xfd": "zstd", b"\x1f\x8b": "gzip"}
_LOOK_BYTES: Final = 1 << 16
_CHUNK: Final = 1 << 18
_LONGEST_RAW: Final = 2_000
_SPACE: Final = " \t\r\n"
_decode: Final = json.JSONDecoder().decode


@contextlib.contextmanager
def opened_source(path: Path, source: Source | None = None) -> Iterator[tuple[IO[bytes], Source]]:
    """Give what a file holds, decompressed, and what it is: as it is named, else told by its content alone.

    Raises:
        StoreNotFoundError: there is no such file.
        InvalidJobError: it is none of the known forms.
        ArchiveDamagedError: what is compressed in it is not whole.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError as exc:
        raise StoreNotFoundError(f"{path}: there is no such file") from exc
    except OSError as exc:
        raise StorePermissionError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
    with file, _told(path):
        start = file.read(4)
        file.seek(0)
        compression = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
        stream: IO[bytes] = file
        if compression is not None:
            stream = io.BufferedReader(unpacking(file, compression, is_framed=True), _CHUNK)  # type: ignore[type-var]
        look = io.BufferedReader(stream, _LOOK_BYTES) if compression is None else stream  # type: ignore[type-var]
        yield look, source or recognise_source(look.peek(_LOOK_BYTES)[:_LOOK_BYTES], path)  # type: ignore[attr-defined]


def recognise_source(start: bytes, path: Path) -> Source:
    """What a file that begins so is.

    Raises:
        InvalidJobError: none of the known forms.
    """
    text = start.removeprefix(codecs.BOM_UTF8).decode(errors="surrogateescape").lstrip(_SPACE)
    if not text:
        return Source.JSONL
    if text.startswith("["):
        return _of_object(_first(text[1:].lstrip(_SPACE)), Source.JSON)
    if text.startswith("{"):
        return _of_object(_first(text), Source.JSONL)
    if text.startswith(",".join(COLUMNS)):
        return Source.CSV
    raise InvalidJobError(
        f"{path}: is no file of jobs that is known here (JSON Lines, JSON, CSV, an archive of a prune, history.json);"
        " name its form with --format if it is one"
    )


def read_rows(
    path: Path, *, source: Source | None = None, is_strict: bool = False, is_guarded: bool = True
) -> Iterator[Cells | Rejected]:
    """Yield the rows of a file, each checked: a row to be put into a store, or why not.

    Rows of JSON Lines and archives are taken as they are, so that what was exported comes back to the bit; those of
    the other forms must be sound.

    Args:
        path: of the file.
        source: what it is; by default what it looks like.
        is_strict: those of JSON Lines and archives must be sound, too.
        is_guarded: take off what an export to CSV put before formulas.

    Raises:
        InvalidJobError: it is none of the known forms, or no JSON where it should be.
        ArchiveDamagedError: it is not whole.
    """
    with opened_source(path, source) as (stream, kind):
        is_strict = is_strict or kind not in {Source.JSONL, Source.ARCHIVE}
        if kind is Source.ARCHIVE:
            for number, cells in enumerate(archive_rows(path), 1):
                yield _checked(number, cells, _as_it_is, is_strict=is_strict)
        elif kind is Source.CSV:
            yield from _csv_rows(stream, is_guarded=is_guarded)
        elif kind is Source.JSONL:
            yield from _lines(stream, is_strict=is_strict)
        else:
            yield from _objects(stream, kind, path)


def _as_it_is(cells: Cells) -> Cells:
    return cells


def _lines(stream: IO[bytes], *, is_strict: bool) -> Iterator[Cells | Rejected]:
    for number, line in enumerate(stream, 1):
        if line.strip():
            yield _checked(number, line, _of_line, is_strict=is_strict)


def _of_line(line: bytes) -> Cells:
    try:
        found = _decode(line.decode())
    except (ValueError, RecursionError):
        torn = "" if line.endswith(b"\n") else ", and the last line: is the file whole?"
        raise RowError(f"is no JSON{torn}") from None
    return shapes.exact(_object(found))


def _object(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise RowError("is no JSON object")
    return found


def _csv_rows(stream: IO[bytes], *, is_guarded: bool) -> Iterator[Cells | Rejected]:
    csv.field_size_limit(2**31 - 1)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text, strict=True)
    shape = functools.partial(shapes.table, is_guarded=is_guarded)
    try:
        next(reader, None)
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield Rejected(reader.line_num, "is no CSV", "")
                continue
            if fields:
                yield _checked(reader.line_num, fields, shape, is_strict=True)
    finally:
        text.detach()


def _objects(stream: IO[bytes], kind: Source, path: Path) -> Iterator[Cells | Rejected]:
    shape = {Source.HISTORY: shapes.exported, Source.DAEMON: shapes.daemon}.get(kind, shapes.plain)

    for number, found in enumerate(_values(stream, path), 1):
        yield _checked(number, found, lambda value: shape(_object(value)), is_strict=True)


def _values(stream: IO[bytes], path: Path) -> Iterator[Any]:
    """The elements of a JSON array, or objects one after the other, with no more than one of them in memory.

    An object with the key ``jobs`` stands for the array in it.
    """
    decode = json.JSONDecoder().raw_decode
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape")
    buffer, place, is_end, chunk, seen = "", 0, False, _CHUNK, 0
    try:
        while True:
            while place < len(buffer) and buffer[place] in " \t\r\n,[]":
                place += 1
            if place < len(buffer):
                try:
                    value, place = decode(buffer, place)
                except (ValueError, RecursionError) as exc:
                    if is_end or not isinstance(exc, json.JSONDecodeError):
                        raise InvalidJobError(
                            f"{path}: is no JSON after {seen:,} rows: {_told_wrong(exc)}; is the file whole?"
                        ) from None
                else:
                    jobs = value.get("jobs") if isinstance(value, dict) else None
                    yield from jobs if isinstance(jobs, list) else (value,)
                    chunk, seen = _CHUNK, seen + 1
                    continue
            elif is_end:
                return
            more = text.read(chunk)
            chunk = min(chunk * 2, 1 << 26)  # a row of a hundred megabytes is not looked at for each quarter of one
            is_end = not more
            buffer, place = buffer[place:] + more, 0
    finally:
        text.detach()


def _checked(number: int, raw: Any, shape: Callable[[Any], Cells], *, is_strict: bool) -> Cells | Rejected:
    try:
        cells = shape(raw)
        check_held(cells)
        if is_strict:
            check_sound(cells)
    except RowError as exc:
        return Rejected(number, exc.reason, _shown(raw))
    return cells


def _shown(raw: Any) -> str:
    if isinstance(raw, bytes):
        text = raw.decode(errors="replace")
    elif isinstance(raw, tuple):  # of an archive
        text = job_line(raw).decode()
    else:
        text = json.dumps(raw, ensure_ascii=False)
    text = text.strip().encode(errors="replace").decode()
    return text if len(text) <= _LONGEST_RAW else f"{text[:_LONGEST_RAW]}…"


def _told_wrong(exc: Exception) -> str:
    if isinstance(exc, json.JSONDecodeError):
        return exc.msg
    return "nested too deeply" if isinstance(exc, RecursionError) else "a number has too many digits"


def _first(text: str) -> Mapping[str, Any]:
    """The first object of a text, or as much of it as tells what it is."""
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return {
            key: None
            for key in (NOTE, "cursor", "jobs", "definition", "status", "timestamp", "vm_name", "success", "id")
            if f'"{key}":' in text
        }
    return found if isinstance(found, dict) else {}


def _of_object(found: Mapping[str, Any], otherwise: Source) -> Source:
    """What a file is whose first object this is."""
    for is_it, source in (
        (found.keys() == {NOTE}, Source.ARCHIVE),
        ("cursor" in found, Source.JSON),
        (shapes.is_history(found), Source.HISTORY),
        (shapes.is_daemon(found) or "jobs" in found, Source.DAEMON),
    ):
        if is_it:
            return source
    return otherwise


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as exc:
        raise ArchiveDamagedError(
            f"{path}: cannot be decompressed: {exc}; the rows before that place were read"
        ) from exc
    except IsADirectoryError as exc:
        raise InvalidJobError(f"{path}: is a directory; name a file") from exc
