"""Putting the jobs of a file, or of another store, into a store."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import StoreInterruptedError, StoreRefusedError
from hyperjobs.maintenance.opened import opened
from hyperjobs.maintenance.room import require_room
from hyperjobs.maintenance.transfer.exporting import read_jobs, unhurried
from hyperjobs.maintenance.transfer.reading import Rejected, Source, read_rows
from hyperjobs.store.flavour import recognise, require_hypersdk
from hyperjobs.store.merging import Merged, Policy, merge
from hyperjobs.store.models import JobFilter
from hyperjobs.store.pruning import refuse_triggers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hyperjobs.maintenance.task import Turn
    from hyperjobs.store.cells import Cells
    from hyperjobs.store.connection import Connection

_EVERYTHING: Final = JobFilter()


@dataclass(slots=True)
class Imported:
    """What an import or a copy did, or would do.

    Attributes:
        jobs: what became of each.
        rejected: reason → rows that were not taken.
        first: of those, for each reason: the first line it was met at.
    """

    jobs: Merged = field(default_factory=Merged)
    rejected: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """All that were read."""
        return self.jobs.total + self.rejected.total()

    def shape(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "rows": self.rows,
            "inserted": self.jobs.inserted,
            "replaced": self.jobs.replaced,
            "skipped": self.jobs.skipped,
            "same": self.jobs.same,
            "rejected": self.rejected.total(),
            "reasons": [
                {"reason": reason, "rows": rows, "first_line": self.first[reason]}
                for reason, rows in self.rejected.most_common()
            ],
        }


def import_jobs(  # noqa: PLR0913 - all but the first two have a default
    store: str | os.PathLike[str],
    file: str | os.PathLike[str],
    turn: Turn | None = None,
    *,
    source: Source | str | None = None,
    policy: Policy | str = Policy.SKIP,
    is_strict: bool = False,
    is_guarded: bool = True,
    rejected: Callable[[Rejected], object] = lambda _row: None,
) -> Imported:
    """Put the jobs of a file into a store, in short transactions; a kill loses nothing, the same again does the rest.

    They move the ledger's gauges, not its counters. Memory does not grow with the file.

    Args:
        store: path of the store.
        file: an export, an archive of a prune, or hyperexport's ``history.json``.
        turn: when to stop, by default never; with ``is_dry`` nothing is written and the answer is the same.
        source: what the file is; by default what it looks like.
        policy: for jobs whose id is there.
        is_strict: refuse rows of JSON Lines that hypersdk's own reader could not read.
        is_guarded: take off what an export to CSV put before formulas.
        rejected: given each row that is not taken.

    Raises:
        StoreRefusedError: it is the daemon's own, or strange triggers sit on the table.
        InvalidJobError: the file is none that is known here.
        ArchiveDamagedError: it is not whole; what came before that place is in the store.
        StoreInterruptedError: a stop came; what was put in stays.
    """
    done = Imported()
    path = Path(file)
    rows = read_rows(path, source=Source(source) if source else None, is_strict=is_strict, is_guarded=is_guarded)
    sized = path.stat().st_size if path.exists() else 0
    return _put(
        Path(store), _taken(rows, done, rejected), turn or unhurried(), done, policy=Policy(policy), needed_bytes=sized
    )


def copy_jobs(
    store: str | os.PathLike[str],
    target: str | os.PathLike[str],
    turn: Turn | None = None,
    *,
    policy: Policy | str = Policy.SKIP,
    jobs: JobFilter = _EVERYTHING,
) -> Imported:
    """Put the jobs of one store into another, to the bit, as :func:`import_jobs` does.

    Args:
        store: read only, beside any writer.
        target: a store, too.
        turn: as for an import.
        policy: for jobs whose id is there.
        jobs: which ones.

    Raises:
        StoreRefusedError: both are one file, or one of them is the daemon's own.
    """
    if os.path.realpath(store) == os.path.realpath(target):
        raise StoreRefusedError(f"{store}: both are the same store; name another", reason="same_store")
    at_ease = turn or unhurried()
    pages = read_jobs(Path(store), at_ease, jobs)
    done = Imported()
    rows = (cells for page in pages for cells in page)
    return _put(Path(target), rows, at_ease, done, policy=Policy(policy), needed_bytes=0)


def _taken(rows: Iterable[Cells | Rejected], done: Imported, rejected: Callable[[Rejected], object]) -> Iterator[Cells]:
    for row in rows:
        if isinstance(row, Rejected):
            done.rejected[row.reason] += 1
            done.first.setdefault(row.reason, row.line)
            rejected(row)
        else:
            yield row


def _put(  # noqa: PLR0913 - as above
    store: Path, rows: Iterator[Cells], turn: Turn, done: Imported, *, policy: Policy, needed_bytes: int
) -> Imported:
    real = Path(os.path.realpath(store))
    # what a power cut takes back comes with the next run, which is why no batch waits for the disk
    with opened(real, turn, read_only=turn.is_dry, synchronous="NORMAL") as connection:
        recognition = recognise(connection)
        require_hypersdk(recognition, real, "putting jobs in")
        refuse_triggers(recognition, real, "putting jobs in")
        if not turn.is_dry:
            require_room(real.parent, needed_bytes, "putting jobs in")
        pause = _Pause(turn)
        for batch in merge(connection, rows, policy=policy, pause=pause, is_dry=turn.is_dry):
            done.jobs.add(batch)
            turn.progress("rows", done.rows, 0)
            if turn.is_stopping():
                break
        else:
            if not pause.is_cut_short:
                return _settled(connection, done, turn)
        raise StoreInterruptedError(
            f"{real}: stopped after {done.rows:,} rows; those stay, and the same again does the rest"
        )


class _Pause:
    """Leaves time to the writers; a stop that came meanwhile ends the batches as their last one does, so it is kept."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self.is_cut_short = False

    def __call__(self, seconds: float) -> bool:
        self.is_cut_short = self.is_cut_short or bool(self._turn.wait(seconds))
        return self.is_cut_short


def _settled(connection: Connection, done: Imported, turn: Turn) -> Imported:
    """What was done, once it is on the disk."""
    if not turn.is_dry:
        connection.rows("PRAGMA synchronous=FULL")
        connection.rows("PRAGMA wal_checkpoint(PASSIVE)")  # and so it is on the disk before this says it is done
    return done
