"""Rows for the holes: what is lost, and what a backup or an archive still has of it.

A job that was deleted is in old backups too, and must not come back. So a row is taken only where the store itself says
that it was there, or where the damage has taken all that could say whether it was.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import HyperjobsError
from hyperjobs.maintenance.prune.reading import archive_rows
from hyperjobs.store.cells import Cells, by_id, id_of, is_same, read_cells
from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import recognise, require_hypersdk
from hyperjobs.store.salvage.leaf import Doubt, words_of
from hyperjobs.store.salvage.witness import ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from hyperjobs.maintenance.salvage.sources import Source
    from hyperjobs.store.salvage.building import NewStore
    from hyperjobs.store.salvage.pages import PageFile
    from hyperjobs.store.salvage.survey import Survey

_PAGE_ROWS: Final = 500


@dataclass(slots=True)
class Hole:
    """A row that is not in the new store, and that the old one had.

    Attributes:
        rowid: it had.
        known: column → value, as far as indexes say; empty when none knows it.
        cells: what was found of it and is in doubt; ``None`` when nothing was.
        why: it is in doubt, in words.
    """

    rowid: int
    known: Mapping[int, Any] = field(default_factory=dict)
    cells: Cells | None = None
    why: tuple[str, ...] = ()


def holes_of(found: Survey, pages: PageFile) -> tuple[dict[Any, Hole], list[Hole]]:
    """What the damaged store had and is not certain.

    Returns:
        Holes by the ids of their jobs, and those whose id nothing says.
    """
    named: dict[Any, Hole] = {}
    nameless: list[Hole] = []
    heard, rows = found.heard, found.rows
    for at in found.doubtful():
        rowid, cells = rows.rowids[at], found.cells(pages, at)
        known = dict(heard.otherwise.get(rowid, {}))
        if rows.by_id[at]:
            known[ID] = cells[ID]
        hole = Hole(rowid, known, cells, words_of(Doubt(rows.doubts[at])))
        job_id = known.get(ID, cells[ID])
        if job_id in named:
            nameless.append(hole)
        else:
            named[job_id] = hole
    doubted = {hole.rowid for hole in named.values()}
    for rowid, known in heard.lost.items():
        if ID in known and known[ID] not in named:
            named[known[ID]] = Hole(rowid, known)
        elif rowid not in doubted and len(known) > 1:  # one entry alone may be what is left of a deleted row
            nameless.append(Hole(rowid, known))
    return named, nameless


@dataclass(slots=True, kw_only=True)
class Taken:
    """What came of one source.

    Attributes:
        jobs: rows.
        behind: of those, rows that an index shows to have been changed since.
        unvouched: of those, rows that nothing says were still there.
        confirmed: rows in doubt that are, to the bit, those of the source.
    """

    source: Source
    jobs: int = 0
    behind: int = 0
    unvouched: int = 0
    confirmed: int = 0


@dataclass(slots=True, kw_only=True)
class Filled:
    """What came of all sources.

    Attributes:
        rows: rowid → values, of each row that was put in.
        troubles: sources that could not be read, and why.
    """

    taken: list[Taken] = field(default_factory=list)
    rows: dict[int, Cells] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


class Filling:
    """Rows of backups and archives put where rows are lost.

    Args:
        found: what the damaged store had.
        holes: id → what is lost; those that are filled are taken out.
        into: the new store.
        deleted: whether a job of an id is known to have been deleted after a time.
        keep_on: called often; what it raises ends the work.
    """

    def __init__(
        self,
        found: Survey,
        holes: dict[Any, Hole],
        into: NewStore,
        *,
        deleted: Callable[[Any, datetime], bool],
        keep_on: Callable[[], None],
    ) -> None:
        self._found, self._holes, self._into = found, holes, into
        self._deleted, self._keep_on = deleted, keep_on
        self._pruned: dict[Any, datetime] = {}
        self._is_newest = True
        self._done = Filled()

    def fill(self, sources: Sequence[Source]) -> Filled:
        """Ask each source, the newest first; one that cannot be read is told, and passed over."""
        for source in sources:
            taken = Taken(source=source)
            try:
                if source.kind == "archive":
                    self._from_archive(source, taken)
                else:
                    self._from_backup(source, taken)
            except HyperjobsError as exc:
                self._done.troubles.append(f"{source.name}: {exc}")
            if taken.jobs:
                self._done.taken.append(taken)
            self._keep_on()
        return self._done

    def _from_archive(self, source: Source, taken: Taken) -> None:
        """Jobs that were pruned and came back later are in no newer backup; all others of an archive stay deleted."""
        for count, cells in enumerate(archive_rows(source.path)):
            if count % _PAGE_ROWS == 0:
                self._keep_on()
            job_id = id_of(cells)
            hole = self._holes.get(job_id)
            if hole is not None and hole.known:
                self._put(job_id, cells, hole, taken)
            self._pruned.setdefault(job_id, source.at)

    def _from_backup(self, source: Source, taken: Taken) -> None:
        with source.database(self._keep_on) as path, contextlib.closing(Connection(path, immutable=True)) as backup:
            require_hypersdk(recognise(backup), path, "salvage")
            for job_id, hole in list(self._holes.items()):
                self._keep_on()
                condition, values = by_id(job_id)
                rows = read_cells(backup.raw, f"WHERE {condition}", values)
                if rows and (hole.known or not self._is_deleted(job_id, source.at)):
                    self._put(job_id, rows[0][1], hole, taken)
            if self._is_newest:  # what it has not, an older one has only because it was deleted between the two
                self._is_newest = False
                self._from_ranges(backup, source, taken)

    def _from_ranges(self, backup: Connection, source: Source, taken: Taken) -> None:
        """Take what nothing speaks for or against: rows of the lost ranges, with ids that the index cannot speak of."""
        for rowid, cells in self._between(backup):
            job_id = id_of(cells)
            if not self._found.heard.may_have(job_id) or self._is_deleted(job_id, source.at):
                continue
            if self._into.add(rowid, cells):
                taken.jobs += 1
                taken.unvouched += 1
                self._done.rows[rowid] = cells

    def _between(self, backup: Connection) -> Iterator[tuple[int, Cells]]:
        """The rows of a backup whose rowids lie in the gaps, where the index of ids has gaps as well."""
        heard = self._found.heard
        if heard.has_ids and not heard.id_gaps:
            return
        for gap in self._found.gaps:
            at, high = gap.low + 1, gap.high
            while at <= high:
                self._keep_on()
                rest = "WHERE rowid BETWEEN ? AND ? ORDER BY rowid LIMIT ?"
                page = read_cells(backup.raw, rest, (max(at, -(2**63)), high, _PAGE_ROWS), extra="rowid")
                yield from page
                if len(page) < _PAGE_ROWS:
                    break
                at = page[-1][0] + 1

    def _is_deleted(self, job_id: Any, since: datetime) -> bool:
        """Whether a job that a backup of a time has is known to have been deleted after it."""
        pruned_at = self._pruned.get(job_id)
        return (pruned_at is not None and pruned_at > since) or self._deleted(job_id, since)

    def _put(self, job_id: Any, cells: Cells, hole: Hole, taken: Taken) -> None:
        is_equal = hole.cells is not None and is_same(hole.cells, cells)
        if not (hole.known or is_equal) or not self._into.add(hole.rowid, cells):
            return
        del self._holes[job_id]
        taken.jobs += 1
        if any(not is_same((value,), (cells[column],)) for column, value in hole.known.items()):
            taken.behind += 1
        elif is_equal:
            taken.confirmed += 1
        self._done.rows[hole.rowid] = cells
