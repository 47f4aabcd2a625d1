"""A store made from the pieces that are left of one: gathered, decided job by job, written, proven, and only then named."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import (
    ArchiveNotFoundError,
    BackupDamagedError,
    SourcesDamagedError,
    StoreNotFoundError,
    StoreRefusedError,
)
from hyperjobs.maintenance.audit.files import all_files
from hyperjobs.maintenance.backup.proof import prove_database
from hyperjobs.maintenance.publish import publish, refuse_journal
from hyperjobs.maintenance.rebuild.decide import Decision, Origin, decide
from hyperjobs.maintenance.rebuild.reading import Reader, read_all
from hyperjobs.maintenance.rebuild.source import Kind, Source, State
from hyperjobs.maintenance.restore.swap import refuse_removed
from hyperjobs.maintenance.room import require_room
from hyperjobs.maintenance.scratch import private_folder
from hyperjobs.store.cells import text_of
from hyperjobs.store.ledger.buckets import DEFAULT_BUCKETS
from hyperjobs.store.pieces import Pieces
from hyperjobs.store.rebuilding import NewStore, content_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hyperjobs.maintenance.task import Turn
    from hyperjobs.store.cells import Cells

_LISTED: Final = 100
"""Ids of each kind that are told; the others are counted."""
_BATCH_ROWS: Final = 500
_PACKED: Final = 8
"""About as much larger than its compressed file a source is, at most, of rows."""


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild made, or would make.

    Attributes:
        sources: every piece, and what became of it.
        jobs: in the new store.
        origins: how many by where they are from; of those not there, why.
        ids: the first ids of each origin but plain rows.
        differ: jobs of which sources have different rows; ``differing`` the first of them, each with the source that won.
        changes: of the history.
        pins: jobs that stay pinned.
        bytes: of the new file.
    """

    sources: list[Source]
    jobs: int = 0
    origins: Counter[Origin] = field(default_factory=Counter)
    ids: dict[Origin, list[str]] = field(default_factory=dict)
    differ: int = 0
    differing: list[dict[str, Any]] = field(default_factory=list)
    changes: int = 0
    pins: int = 0
    bytes: int = 0

    def add(self, job_id: Any, decision: Decision) -> None:
        """Count what became of a job."""
        self.origins[decision.origin] += 1
        listed = self.ids.setdefault(decision.origin, [])
        if decision.origin is not Origin.ROW and len(listed) < _LISTED:
            listed.append(text_of(job_id))
        self.jobs += decision.cells is not None
        if decision.versions > 1:
            self.differ += 1
            if len(self.differing) < _LISTED:
                won = None if decision.source is None else str(self.sources[decision.source].path)
                self.differing.append({"id": text_of(job_id), "versions": decision.versions, "won": won})

    def shape(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "jobs": self.jobs,
            **{str(origin): self.origins[origin] for origin in Origin},
            "ids": {str(origin): self.ids.get(origin, []) for origin in Origin if origin is not Origin.ROW},
            "differ": self.differ,
            "differing": self.differing,
            "changes": self.changes,
            "pins": self.pins,
            "bytes": self.bytes,
            "sources": [source.shape() for source in self.sources],
        }


def rebuild(  # noqa: PLR0913 - all but the first three have a default
    target: Path,
    sources: Sequence[Source],
    turn: Turn,
    *,
    may_skip: bool = False,
    is_pruned_wanted: bool = False,
    key: bytes | None = None,
    bounds: Sequence[float] = DEFAULT_BUCKETS,
) -> Rebuilt:
    """Make a new store of what the pieces tell; it is there whole and proven, or not at all.

    Args:
        target: a path that nothing has.
        sources: as :func:`~hyperjobs.maintenance.rebuild.finding.find_sources` gives them.
        turn: when to stop; with ``is_dry`` everything is read and decided, and nothing written but scratch files.
        may_skip: leave out what is damaged, as far as it is.
        is_pruned_wanted: bring back what a prune deleted.
        key: of the audit log's codes.
        bounds: buckets of the ledger that is put in where a history is known.

    Raises:
        StoreRefusedError: something is there (reason ``exists``), or no job would be in it (``nothing``).
        StoreNotFoundError: its directory is missing.
        ArchiveNotFoundError: there is no source.
        SourcesDamagedError: some are damaged, and nobody said to leave that out.
        StoreFullError: there is no room.
        StoreInterruptedError: a stop came; nothing was left.
    """
    done = Rebuilt(list(sources))
    if not target.parent.is_dir():
        raise StoreNotFoundError(f"{target}: there is no directory {target.parent}; make it first")
    refuse_journal(target)
    used = [source for source in done.sources if source.state in {State.READ, State.DAMAGED}]
    if not used:
        raise ArchiveNotFoundError("there is nothing to rebuild a store from; name files or directories")
    parent, prefix = target.parent, f".{target.name}.hyperjobs-rebuild-"
    if turn.is_dry:
        parent, prefix = Path(tempfile.gettempdir()), "hyperjobs-rebuild-"
    with private_folder(parent, prefix) as folder:
        if os.path.lexists(target):  # after a killed one's leftovers are gone
            raise StoreRefusedError(
                f"{target}: is there already; name a path that is not, and put the new store in its place afterwards",
                reason="exists",
            )
        refuse_removed(target)
        require_room(folder, sum(map(_bytes_of, used)), "rebuilding a store")
        pieces = Pieces(folder / "pieces.db")
        try:
            reader = Reader(pieces, folder, turn, key=key)
            read_all(done.sources, reader, may_skip=may_skip)
            _refuse_damaged(done.sources, may_skip=may_skip)
            turn.progress("sorting", 0, 0)
            pieces.sort()
            decided = _decided(pieces, reader, turn, done, is_pruned_wanted=is_pruned_wanted)
            if turn.is_dry:
                done.pins = sum(1 for cells in decided if cells[0] in reader.pins)
                _refuse_nothing(done, target)
                return done
            _write(folder / "new.db", decided, pieces, reader, turn, done, bounds)
            _refuse_nothing(done, target)
        finally:
            pieces.close()
        done.bytes = (folder / "new.db").stat().st_size
        turn.keep_on()
        publish(folder / "new.db", target, is_store=True)
    return done


def _decided(pieces: Pieces, reader: Reader, turn: Turn, done: Rebuilt, *, is_pruned_wanted: bool) -> Iterator[Cells]:
    """The rows of the new store; on the way all is counted, and their history kept."""
    past: list[tuple[int, int, str, str | None, str | None]] = []
    looked = 0
    for job_id, rows, changes in pieces.jobs():
        decision = decide(job_id, rows, changes, is_pruned_wanted=is_pruned_wanted, snapshots=reader.snapshots)
        done.add(job_id, decision)
        looked += 1
        if looked % _BATCH_ROWS == 0:
            turn.keep_on()
            turn.progress("merging", looked, 0)
        if decision.cells is None:
            continue
        if isinstance(job_id, str):
            done.changes += len(decision.changes)
            past += [(at, n, job_id, old, new) for n, (at, old, new) in enumerate(decision.changes)]
        if len(past) >= _BATCH_ROWS:
            pieces.add_past(past)
            past = []
        yield decision.cells
    pieces.add_past(past)


def _write(  # noqa: PLR0913, PLR0917 - all that a store is made of
    file: Path,
    decided: Iterator[Cells],
    pieces: Pieces,
    reader: Reader,
    turn: Turn,
    done: Rebuilt,
    bounds: Sequence[float],
) -> None:
    """Fill the new file, and prove that it holds what was decided."""
    store = NewStore(file)
    with contextlib.closing(store):
        batch: list[Cells] = []
        for cells in decided:
            batch.append(cells)
            if len(batch) >= _BATCH_ROWS:
                store.add(batch)
                batch = []
        store.add(batch)
        store.index(lambda built, all_: turn.progress("indexes", built, all_))
        turn.keep_on()
        if done.changes:
            turn.progress("history", 0, 0)
            store.keep_past(pieces.past(), now=turn.now, bounds=bounds, keep_on=turn.keep_on)
        done.pins = store.pin(reader.pins.values())
    prove_database(file, turn.keep_on, level="quick")

    def told(jobs: int) -> None:
        turn.keep_on()
        turn.progress("proving", jobs, done.jobs)

    found = content_of(file, told)
    if found != store.content or found.jobs != done.jobs:
        raise BackupDamagedError(
            f"{file}: the new store does not hold what was written into it; nothing was made: try another disk"
        )


def _refuse_damaged(sources: list[Source], *, may_skip: bool) -> None:
    damaged = [source for source in sources if source.state is State.DAMAGED]
    if damaged and not may_skip:
        said = "; ".join(f"{source.path}: {source.message}" for source in damaged)
        raise SourcesDamagedError(
            f"{len(damaged)} of the pieces are damaged: {said}; bring better copies, or repeat it with --skip-damaged, "
            "which uses what can be read of them"
        )


def _refuse_nothing(done: Rebuilt, target: Path) -> None:
    if done.jobs:
        return
    pruned = done.origins[Origin.PRUNED]
    said = (
        f"all {pruned:,} jobs found had been pruned; --with-pruned brings them back" if pruned else "no job was found"
    )
    raise StoreRefusedError(f"{target}: {said}; nothing was made", reason="nothing")


def _bytes_of(source: Source) -> int:
    """About how much room a piece takes, as scratch and in the new store."""
    files = all_files(source.path) if source.kind is Kind.AUDIT else [source.path]
    size = sum(file.stat().st_size for file in files if file.exists())
    return size * (_PACKED if source.path.suffix in {".zst", ".gz"} else 2)
