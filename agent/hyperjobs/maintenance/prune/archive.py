"""An archive as it grows: every row is in it, synced, before it is deleted; and one of a killed prune made whole.

A file is whole frames. The first holds a note that says what the archive is. Each other one holds the rows of one
batch, after a note of those in the frame before that were not deleted after all: a writer had been at them. The
manifest comes last, so a file without one is of a prune that runs, or was killed; the rows of its last frame are in
the store or in the archive, and never in neither.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hyperjobs import __version__
from hyperjobs.errors import ArchiveDamagedError
from hyperjobs.maintenance.backup.directory import sync_directory
from hyperjobs.maintenance.backup.pack import new_file
from hyperjobs.maintenance.prune.frame import Frame, FrameWriter, read_frames, written
from hyperjobs.maintenance.prune.line import ids_of, job_line, note_line, parse_line, shape_ids
from hyperjobs.maintenance.prune.manifest import FORMAT, ArchiveManifest, read_manifest
from hyperjobs.store.cells import Cells, id_of, text_of
from hyperjobs.store.due import ended_of
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.pruning import Keeping
from hyperjobs.store.returning import find_there
from hyperjobs.store.version import sqlite_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.prune.directory import ArchiveDirectory
    from hyperjobs.maintenance.prune.name import ArchiveName
    from hyperjobs.store.connection import Connection
    from hyperjobs.store.retention import Cutoffs

_STATUS: Final = COLUMNS.index("status")
_PROVIDER: Final = COLUMNS.index("provider")
_MOST_PROVIDERS: Final = 200
_OTHERS: Final = "(others)"


class Tally:
    """What is in an archive and was deleted."""

    def __init__(self) -> None:
        self.jobs: Counter[tuple[str, str]] = Counter()
        self.oldest: datetime | None = None
        self.newest: datetime | None = None

    def add(self, rows: Iterable[Cells]) -> None:
        """Count rows that are in it."""
        for cells in rows:
            self.jobs[_key(cells)] += 1
            ended = ended_of(cells)
            if ended is not None:
                self.oldest = ended if self.oldest is None else min(self.oldest, ended)
                self.newest = ended if self.newest is None else max(self.newest, ended)

    def take_off(self, rows: Iterable[Cells]) -> None:
        """Count rows that were not deleted after all."""
        self.jobs.subtract(map(_key, rows))

    def by(self) -> dict[str, dict[str, int]]:
        """Status → provider → jobs; of very many providers the smallest are put together."""
        shown = {provider for provider, _ in self._providers().most_common(_MOST_PROVIDERS)}
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for (status, provider), jobs in sorted(self.jobs.items()):
            if jobs:
                name = provider if provider in shown else _OTHERS
                found[status][name] = found[status].get(name, 0) + jobs
        return dict(found)

    def _providers(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for (_, provider), jobs in self.jobs.items():
            found[provider] += jobs
        return found


class Archive(Keeping):
    """The archive of one prune; nothing appears before there is a row for it.

    Args:
        directory: where it lies; locked.
        name: its own.
        store: real path of the store.
        cutoffs: by which jobs are due.
        clock: for the time it ended.

    Attributes:
        tally: what is in it and was deleted.
        is_finished: whether its manifest is there.
    """

    def __init__(
        self, directory: ArchiveDirectory, name: ArchiveName, *, store: Path, cutoffs: Cutoffs, clock: Clock
    ) -> None:
        self.name = name
        self.tally = Tally()
        self.is_finished = False
        self._directory = directory.path
        self._source = source_sha256(store)
        self._cutoffs = cutoffs.shape()
        self._clock = clock
        self._writer: FrameWriter | None = None
        self._last: list[Cells] = []
        self._left: list[Cells] = []

    def keep(self, rows: Sequence[Cells]) -> None:
        """Write rows into the archive, and sync them."""
        writer = self._writer or self._begin()
        note = note_line({"left": shape_ids([id_of(cells) for cells in self._left])}) if self._left else b""
        writer.append(note + b"".join(map(job_line, rows)))
        self._last, self._left = list(rows), []
        self.tally.add(rows)

    def left(self, rows: Sequence[Cells]) -> None:
        """Take note of rows that were not deleted; the next frame says so, or the manifest."""
        self._left += rows
        self.tally.take_off(rows)

    @property
    def bytes(self) -> int:
        """Size of its file."""
        return self._writer.bytes if self._writer else 0

    def finish(self) -> ArchiveManifest | None:
        """Put the manifest beside the rows of a prune that got to its end; ``None`` when there was no row."""
        return self._finish("complete")

    def break_off(self, connection: Connection) -> ArchiveManifest | None:
        """Put the manifest beside the rows of a prune that ended early, as far as that is possible now.

        The error that ended it can have come from the commit of the last batch, which then was done or was not: so
        the store is asked which of its rows are still there.
        """
        with contextlib.suppress(Exception):  # the rows are safe without it: the next prune recovers the archive
            if not self._left:
                self.left(_still_there(connection, self._last))
            return self._finish("interrupted")
        return None

    def close(self) -> None:
        """Let its file go."""
        if self._writer is not None:
            self._writer.close()

    def _begin(self) -> FrameWriter:
        self._writer = FrameWriter(self._directory / self.name.data)
        head = {
            "format": FORMAT,
            "run": str(self.name),
            "started_at": self.name.at.isoformat(),
            "cutoffs": self._cutoffs,
            "source_sha256": self._source,
        }
        self._writer.append(note_line(head))
        sync_directory(self._directory)
        return self._writer

    def _finish(self, state: str) -> ArchiveManifest | None:
        if self._writer is None:
            return None
        manifest = _manifest(
            self.name,
            self.tally,
            state=state,
            bytes=self._writer.bytes,
            sha256=self._writer.sha256,
            cutoffs=self._cutoffs,
            left=shape_ids([id_of(cells) for cells in self._left]),
            ended_at=self._clock.now().isoformat(),
            source_sha256=self._source,
        )
        write_manifest(self._directory / self.name.manifest, manifest)
        self.is_finished = True
        return manifest


@dataclass(slots=True)
class _Read:
    """An archive read back, frame by frame."""

    head: dict[str, Any]
    digest: str
    bytes: int
    left: dict[int, set[Any]]
    last: int


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
    left = _still_there(connection, last)
    tally.take_off(left)
    manifest = _manifest(
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


def manifest_of(directory: ArchiveDirectory, name: ArchiveName) -> ArchiveManifest | None:
    """The manifest of one archive; ``None`` when its prune runs, or was killed.

    Raises:
        ArchiveDamagedError: it is unreadable, or of another archive.
    """
    manifest = read_manifest(directory.path / name.manifest)
    if manifest is not None and manifest.run != str(name):
        raise ArchiveDamagedError(f"{directory.path / name.data}: the manifest beside it is of {manifest.run}")
    return manifest


def source_sha256(store: Path) -> str:
    """What tells stores apart without telling their paths."""
    return hashlib.sha256(os.fsencode(os.path.realpath(store))).hexdigest()


def write_manifest(path: Path, manifest: ArchiveManifest) -> None:
    """Write a manifest as one file that is there whole or not at all."""
    making = path.with_name(f".{path.name}.making")
    with written(path):
        making.unlink(missing_ok=True)  # a killed one's
        with new_file(making) as file:
            file.write(manifest.text().encode())
            file.flush()
            os.fsync(file.fileno())
        making.rename(path)
        sync_directory(path.parent)


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


def _still_there(connection: Connection, rows: list[Cells]) -> list[Cells]:
    there = {job_id for found in find_there(connection, rows) for job_id in found.there}
    return [cells for cells in rows if id_of(cells) in there]


def _manifest(name: ArchiveName, tally: Tally, **values: Any) -> ArchiveManifest:
    return ArchiveManifest(
        run=str(name),
        jobs=tally.jobs.total(),
        by=tally.by(),
        oldest=tally.oldest.isoformat() if tally.oldest else None,
        newest=tally.newest.isoformat() if tally.newest else None,
        started_at=name.at.isoformat(),
        sqlite_version=sqlite_version(),
        hyperjobs_version=__version__,
        **values,
    )


def _key(cells: Cells) -> tuple[str, str]:
    return text_of(cells[_STATUS]), text_of(cells[_PROVIDER])
