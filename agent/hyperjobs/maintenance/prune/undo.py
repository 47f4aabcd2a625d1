"""Bringing back what a prune deleted."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hyperjobs.errors import StoreInterruptedError, StoreRefusedError
from hyperjobs.maintenance.opened import opened
from hyperjobs.maintenance.prune.reading import archived_rows, manifest_of, recover
from hyperjobs.maintenance.room import require_room
from hyperjobs.store.flavour import recognise, require_hypersdk
from hyperjobs.store.pruning import refuse_triggers
from hyperjobs.store.returning import bring_back, find_there
from hyperjobs.store.source import source_sha256

if TYPE_CHECKING:
    from hyperjobs.maintenance.prune.directory import ArchiveDirectory
    from hyperjobs.maintenance.task import Turn

_ROW_BYTES = 16_384


@dataclass(slots=True)
class Undone:
    """What an undo did, or would do.

    Attributes:
        run: whose.
        archived: jobs in its archive.
        returned: jobs that came back.
        there: jobs whose id the store had, which were left alone.
    """

    run: str
    archived: int
    returned: int = 0
    there: int = 0


def undo(store: Path, directory: ArchiveDirectory, run: str, turn: Turn, *, any_store: bool = False) -> Undone:
    """Bring the jobs of one prune back, those apart whose id is in the store; a second time does nothing.

    The archive is proven whole first, and stays.

    Args:
        store: path of the store.
        directory: of archives.
        run: the archive's name, or ``latest``.
        turn: when to stop; with ``is_dry`` nothing is written.
        any_store: also into another store than the one they were pruned from, or one that was moved.

    Raises:
        ArchiveNotFoundError: there is no such archive.
        ArchiveDamagedError: it is not as its manifest says; nothing was brought back.
        ArchiveBusyError: a prune is running.
        StoreRefusedError: it is of another store, or strange triggers sit on the table.
        StoreInterruptedError: a stop came; what is back stays, and the same again brings the rest.
    """
    real = Path(os.path.realpath(store))
    name = directory.find(run)
    with contextlib.ExitStack() as stack:
        stack.enter_context(directory.locked())
        connection = stack.enter_context(opened(real, turn, read_only=turn.is_dry))
        recognition = recognise(connection)
        require_hypersdk(recognition, real, "bringing jobs back")
        refuse_triggers(recognition, real, "bringing jobs back")
        manifest = manifest_of(directory, name)
        if manifest is None and (directory.path / name.data).stat().st_size == 0:
            return Undone(str(name), 0)  # killed before there was a row
        if manifest is None:
            manifest = recover(directory, name, connection, clock=turn.clock, is_dry=turn.is_dry)
        if manifest is None or (manifest.source_sha256 != source_sha256(real) and not any_store):
            raise StoreRefusedError(
                f"{real}: {name} was pruned from another store, or from this one at another path; if it is meant, "
                "repeat it with --any-store",
                reason="other_store",
            )
        if not turn.is_dry:
            require_room(real.parent, manifest.jobs * _ROW_BYTES // 8, "bringing pruned jobs back")
        undone = Undone(str(name), manifest.jobs)
        rows = archived_rows(directory.path / name.data, manifest)
        batches = (
            find_there(connection, rows)
            if turn.is_dry
            else bring_back(connection, rows, clock=turn.clock, pause=turn.wait)
        )
        for batch in batches:
            undone.returned += batch.jobs
            undone.there += len(batch.there)
            turn.progress("bringing back", undone.returned + undone.there, undone.archived)
            if turn.is_stopping():
                break
        # a stop in a pause ends the batches as the last of them does
        if turn.is_stopping() and undone.returned + undone.there < undone.archived:
            raise StoreInterruptedError(
                f"{real}: stopped with {undone.returned:,} of {undone.archived:,} jobs back; the same again brings the rest"
            )
    return undone
