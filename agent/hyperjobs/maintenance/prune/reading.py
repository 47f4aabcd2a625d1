"""An archive read back: proven against its manifest, or made whole after its prune was killed."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hyperjobs.errors import ArchiveDamagedError
from hyperjobs.maintenance.prune.frame import Frame, read_frames
from hyperjobs.maintenance.prune.line import ids_of, parse_line, shape_ids
from hyperjobs.maintenance.prune.manifest import ArchiveManifest, read_manifest
from hyperjobs.maintenance.prune.name import DATA, MANIFEST
from hyperjobs.maintenance.prune.summary import (
    Tally,
    make_manifest,
    making_of,
    still_there,
    write_manifest,
)
from hyperjobs.store.cells import Cells, id_of
from hyperjobs.store.source import source_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.prune.directory import ArchiveDirectory
    from hyperjobs.maintenance.prune.name import ArchiveName
    from hyperjobs.store.connection import Connection


def manifest_of(directory: ArchiveDirectory, name: ArchiveName) -> ArchiveManifest | None:
    """The manifest of one archive; ``None`` when its prune runs, or was killed.

    Raises:
        ArchiveDamagedError: it is unreadable, or of another archive.
    """
    manifest = read_manifest(directory.path / name.manifest)
    if manifest is not None and manifest.run != str(name):
        raise ArchiveDamagedError(f"{directory.path / name.data}: the manifest beside it is of {manifest.run}")
    return manifest


def archived_rows(path: Path, manifest: ArchiveManifest) -> Iterator[Cells]:
    """The rows that an archive's prune deleted, once the whole file was found to be as its manifest says.

    Raises:
        ArchiveDamagedError: it is not; no row was given out then.
    """
    found = _read(path, manifest.bytes)
    if (found.bytes, found.digest) != (manifest.bytes, manifest.sha256):
        raise ArchiveDamagedError(f"{path}: its bytes are not those of its manifest (sha256 differs)")
    found.left[found.last] = set(ids_of(manifest.left))
    for _, rows in _rows(path, found):
        yield from rows


def archive_rows(path: Path) -> Iterator[Cells]:
    """The rows that the prune of an archive deleted, wherever the file lies: proven if its manifest is beside it.

    Without a manifest the rows of its last frame may also be in the store.

    Raises:
        ArchiveDamagedError: it is not as its manifest says, or it is no archive.
    """
    manifest = read_manifest(path.with_name(path.name.removesuffix(DATA) + MANIFEST))
    if manifest is not None:
        yield from archived_rows(path, manifest)
        return
    found = _read(path, None)
    if "format" not in found.head:
        raise ArchiveDamagedError(f"{path}: this is no archive of pruned jobs")
    for _, rows in _rows(path, found):
        yield from rows


@dataclass(frozen=True, slots=True)
class Archived:
    """An archive as it lies there.

    Attributes:
        began: when its prune began.
        at: when it ended, or, where nothing says so, when it began.
        torn_bytes: behind the last whole frame, which a killed prune left.
        rows: those in it, each with whether it is known that it was deleted.
    """

    began: datetime
    at: datetime
    torn_bytes: int
    rows: Iterator[tuple[Cells, bool]]


def read_archive(path: Path) -> Archived:
    """What an archive holds, wherever the file lies: proven if its manifest is beside it.

    Without a manifest the prune was killed, and of the rows of the last frame nobody knows whether they were deleted.

    Raises:
        ArchiveDamagedError: it is not as its manifest says, or it is no archive.
    """
    manifest = read_manifest(path.with_name(path.name.removesuffix(DATA) + MANIFEST))
    if manifest is not None:
        certain = ((cells, True) for cells in archived_rows(path, manifest))
        began, ended = (datetime.fromisoformat(at).astimezone(UTC) for at in (manifest.started_at, manifest.ended_at))
        return Archived(began, ended, 0, certain)
    found = _read(path, None)
    try:
        began = datetime.fromisoformat(str(found.head["started_at"])).astimezone(UTC)
    except (KeyError, ValueError) as exc:
        raise ArchiveDamagedError(f"{path}: this is no archive of pruned jobs, or its beginning is damaged") from exc
    rows = ((cells, index != found.last) for index, page in _rows(path, found) for cells in page)
    return Archived(began, began, path.stat().st_size - found.bytes, rows)


def recover(
    directory: ArchiveDirectory, name: ArchiveName, connection: Connection, *, clock: Clock, is_dry: bool = False
) -> ArchiveManifest | None:
    """Make, and write, the manifest that a killed prune did not get to; the lock is held, so no other prune is at it.

    What lies behind the last whole frame was never deleted from the store, and stays where it is.

    Returns:
        The manifest; ``None`` when the archive is of another store, whose next prune will see to it, or is empty: then
        no row was ever in it, and it is removed.

    Raises:
        ArchiveDamagedError: not even the first frame is whole.
    """
    path = directory.path / name.data
    if path.stat().st_size == 0:
        if not is_dry:
            making_of(directory.path / name.manifest).unlink(missing_ok=True)
            path.unlink()
        return None
    found = _read(path, None)
    if found.head.get("run") != str(name):
        raise ArchiveDamagedError(f"{path}: is no archive of this run; remove it if it is of no use")
    if found.head.get("source_sha256") != source_sha256(connection.path):
        return None
    tally = Tally()
    last: list[Cells] = []
    for index, rows in _rows(path, found):
        tally.add(rows)
        last = rows if index == found.last else []
    left = still_there(connection, last)
    tally.take_off(left)
    manifest = make_manifest(
        name,
        tally,
        state="recovered",
        bytes=found.bytes,
        sha256=found.digest,
        cutoffs=dict(found.head.get("cutoffs") or {}),
        left=shape_ids([id_of(cells) for cells in left]),
        ended_at=clock.now().isoformat(),
        source_sha256=str(found.head.get("source_sha256")),
    )
    if not is_dry:
        write_manifest(directory.path / name.manifest, manifest)
    return manifest


@dataclass(slots=True)
class _Read:
    """An archive read back, frame by frame."""

    head: dict[str, Any]
    digest: str
    bytes: int
    left: dict[int, set[Any]]
    last: int


def _read(path: Path, through: int | None) -> _Read:
    """Go through the whole frames, up to a place in the file."""
    digest = hashlib.sha256()
    found = _Read({}, "", 0, defaultdict(set), 0)
    for index, frame in _frames(path, through):
        digest.update(frame.raw)
        found.bytes, found.last = frame.end, index
        first = frame.data.partition(b"\n")[0]
        if first.startswith(b'{"hyperjobs":'):
            note = parse_line(first)
            if isinstance(note, dict):
                if index == 0:
                    found.head = note
                found.left[index - 1] = set(ids_of(note.get("left", [])))
    found.digest = digest.hexdigest()
    return found


def _rows(path: Path, found: _Read) -> Iterator[tuple[int, list[Cells]]]:
    for index, frame in _frames(path, found.bytes):
        left = found.left.get(index, ())
        parsed = map(parse_line, frame.data.splitlines())
        yield index, [cells for cells in parsed if not isinstance(cells, dict) and id_of(cells) not in left]


def _frames(path: Path, through: int | None) -> Iterator[tuple[int, Frame]]:
    try:
        with path.open("rb") as file:
            for index, frame in enumerate(read_frames(file)):
                if through is not None and frame.end > through:
                    return
                yield index, frame
    except FileNotFoundError as exc:
        raise ArchiveDamagedError(f"{path}: there is a manifest and no archive") from exc
    except OSError as exc:
        raise ArchiveDamagedError(f"{path}: the archive cannot be read: {exc.strerror or exc}") from exc
