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
    from pathlib import Path

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


def fill(  # noqa: PLR0913 - each by name
    found: Survey,
    holes: dict[Any, Hole],
    sources: Sequence[Source],
    into: NewStore,
    *,
    deleted: Callable[[Any, datetime], bool],
    keep_on: Callable[[], None],
) -> Filled:
    """Put rows of backups and archives where rows are lost.

    Args:
        found: what the damaged store had.
        holes: id → what is lost; those that are filled are taken out.
        sources: the newest first.
        into: the new store.
        deleted: whether a job of an id is known to have been deleted after a time.
        keep_on: called often; what it raises ends the work.
    """
    filled = Filled()
    gone: dict[Any, datetime] = {}
    is_newest = True
    for source in sources:
        taken = Taken(source=source)
        try:
            if source.kind == "archive":
                _from_archive(source, holes, gone, into, taken, filled, keep_on)
            else:
                _from_backup(
                    found if is_newest else None,
                    source,
                    holes,
                    into,
                    taken,
                    filled,
                    lambda job_id, at: deleted(job_id, at) or job_id in gone and gone[job_id] > at,
                    keep_on,
                )
                is_newest = False
        except HyperjobsError as exc:
            filled.troubles.append(f"{source.name}: {exc}")
        if taken.jobs:
            filled.taken.append(taken)
        keep_on()
    return filled


def _from_archive(  # noqa: PLR0913, PLR0917 - of one source
    source: Source,
    holes: dict[Any, Hole],
    gone: dict[Any, datetime],
    into: NewStore,
    taken: Taken,
    filled: Filled,
    keep_on: Callable[[], None],
) -> None:
    """Jobs that were pruned and came back later are in no newer backup; all others of an archive stay deleted."""
    for count, cells in enumerate(archive_rows(source.path)):
        if count % _PAGE_ROWS == 0:
            keep_on()
        job_id = id_of(cells)
        hole = holes.get(job_id)
        if hole is not None and hole.known:
            _put(job_id, cells, hole, holes, into, taken, filled)
        gone.setdefault(job_id, source.at)


def _from_backup(  # noqa: PLR0913, PLR0917 - of one source
    found: Survey | None,
    source: Source,
    holes: dict[Any, Hole],
    into: NewStore,
    taken: Taken,
    filled: Filled,
    deleted: Callable[[Any, datetime], bool],
    keep_on: Callable[[], None],
) -> None:
    with source.database(keep_on) as path, contextlib.closing(Connection(path, immutable=True)) as backup:
        require_hypersdk(recognise(backup), path, "salvage")
        for job_id, hole in list(holes.items()):
            keep_on()
            condition, values = by_id(job_id)
            rows = read_cells(backup.raw, f"WHERE {condition}", values)
            if rows and (hole.known or not deleted(job_id, source.at)):
                _put(job_id, rows[0][1], hole, holes, into, taken, filled)
        if found is None:
            return
        for rowid, cells in _between(backup, found, keep_on):
            job_id = id_of(cells)
            if not found.heard.may_have(job_id) or deleted(job_id, source.at) or into.has_rowid(rowid):
                continue
            if into.add(rowid, cells):
                taken.jobs += 1
                taken.unvouched += 1
                filled.rows[rowid] = cells


def _between(backup: Connection, found: Survey, keep_on: Callable[[], None]) -> Iterator[tuple[int, Cells]]:
    """The rows of a backup whose rowids lie in the gaps, where the index of ids has gaps as well."""
    if found.heard.has_ids and not found.heard.id_gaps:
        return
    for gap in found.gaps:
        at, high = gap.low + 1, gap.high
        while at <= high:
            keep_on()
            page = read_cells(
                backup.raw,
                "WHERE rowid BETWEEN ? AND ? ORDER BY rowid LIMIT ?",
                (max(at, -(2**63)), high, _PAGE_ROWS),
                extra="rowid",
            )
            yield from page
            if len(page) < _PAGE_ROWS:
                break
            at = page[-1][0] + 1


def _put(  # noqa: PLR0913, PLR0917 - one row, and where it is counted
    job_id: Any,
    cells: Cells,
    hole: Hole,
    holes: dict[Any, Hole],
    into: NewStore,
    taken: Taken,
    filled: Filled,
) -> None:
    is_equal = hole.cells is not None and is_same(hole.cells, cells)
    if not (hole.known or is_equal) or not into.add(hole.rowid, cells):
        return
    del holes[job_id]
    taken.jobs += 1
    if any(not is_same((value,), (cells[column],)) for column, value in hole.known.items()):
        taken.behind += 1
    elif is_equal:
        taken.confirmed += 1
    filled.rows[hole.rowid] = cells
