"""An archive as it grows: every row is in it, synced, before it is deleted.

A file is whole frames. The first holds a note that says what the archive is. Each other one holds the rows of one
batch, after a note of those in the frame before that were not deleted after all: a writer had been at them. The
manifest comes last, so a file without one is of a prune that runs, or was killed; the rows of its last frame are in
the store or in the archive, and never in neither.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hyperjobs.maintenance.backup.directory import sync_directory
from hyperjobs.maintenance.prune.frame import FrameWriter
from hyperjobs.maintenance.prune.line import job_line, note_line, shape_ids
from hyperjobs.maintenance.prune.manifest import FORMAT, ArchiveManifest
from hyperjobs.maintenance.prune.summary import Tally, make_manifest, still_there, write_manifest
from hyperjobs.store.cells import Cells, id_of
from hyperjobs.store.pruning import Keeping
from hyperjobs.store.source import source_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.prune.directory import ArchiveDirectory
    from hyperjobs.maintenance.prune.name import ArchiveName
    from hyperjobs.store.connection import Connection
    from hyperjobs.store.retention import Cutoffs


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

    def break_off(self, connection: Connection, *, is_told: bool) -> ArchiveManifest | None:
        """Put the manifest beside the rows of a prune that ended early, as far as that is possible now.

        The error that ended it can have come from the commit of the last batch, which then was done or was not: so
        the store is asked which of its rows are still there.

        Args:
            connection: to the store.
            is_told: whether every row that stayed was told by :meth:`left`, as a stop does.
        """
        with contextlib.suppress(Exception):  # the rows are safe without it: the next prune recovers the archive
            if not is_told:
                told = {id_of(cells) for cells in self._left}
                self.left([cells for cells in still_there(connection, self._last) if id_of(cells) not in told])
            return self._finish("interrupted")
        return None

    def close(self) -> None:
        """Let its file go."""
        if self._writer is not None:
            self._writer.close()

    def discard_empty(self) -> None:
        """Remove it, once closed, when no row of it was deleted."""
        if self.is_finished and not self.tally.jobs.total():
            for file in (self.name.manifest, self.name.data):
                (self._directory / file).unlink(missing_ok=True)

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
        manifest = make_manifest(
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
