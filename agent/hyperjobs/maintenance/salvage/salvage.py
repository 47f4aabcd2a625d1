"""A damaged store read to the last row, and a new one made of it; the damaged one is never written to."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import NotAJobStoreError, StoreDamagedError, StoreNotFoundError, StoreRefusedError
from hyperjobs.maintenance.backup.pack import new_file
from hyperjobs.maintenance.backup.proof import prove_database
from hyperjobs.maintenance.disk import disk_errors
from hyperjobs.maintenance.publish import publish, refuse_journal
from hyperjobs.maintenance.restore.kept import BESIDE
from hyperjobs.maintenance.restore.swap import take_after
from hyperjobs.maintenance.room import require_room
from hyperjobs.maintenance.salvage.copy import Copy, copy_live, copy_store, size_of
from hyperjobs.maintenance.salvage.fill import Filled, Filling, Hole, holes_of
from hyperjobs.maintenance.salvage.report import LostRange, Salvaged
from hyperjobs.maintenance.salvage.sources import Places, sources_of
from hyperjobs.maintenance.scratch import private_folder
from hyperjobs.store.ledger.history import job_events
from hyperjobs.store.path import check_path
from hyperjobs.store.salvage.building import NewStore
from hyperjobs.store.salvage.header import Header, settle_header
from hyperjobs.store.salvage.others import Others, bring_others
from hyperjobs.store.salvage.pages import PageFile
from hyperjobs.store.salvage.settle import settle_journals
from hyperjobs.store.salvage.survey import Survey, survey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from hyperjobs.maintenance.task import Turn
    from hyperjobs.store.cells import Cells
    from hyperjobs.store.ledger.options import LedgerOptions
    from hyperjobs.store.salvage.tree import Gap

_ROOM: Final = 3
"""The copy, the new store, and what its indexes are built in."""
_ROWS_BETWEEN_LOOKS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How it is to be done.

    Attributes:
        places: where lost rows are looked for.
        ledger: how a ledger is kept, where the damaged store had one.
        with_doubtful: put in what is in doubt, too.
        is_live: others have the store open, and go on.
        origin: the store whose backups and archives count, when the damaged one is a copy of it.
    """

    places: Places
    ledger: LedgerOptions
    with_doubtful: bool = False
    is_live: bool = False
    origin: Path | None = None


def salvage(store: Path, target: Path | None, wish: Wish, turn: Turn) -> Salvaged:
    """Make a new store of all that can be read of a damaged one.

    Args:
        store: the damaged one.
        target: of the new one, which nothing has; ``None`` on a dry run.
        wish: how.
        turn: on a dry run all is done in a folder that goes, and nothing stays.

    Raises:
        StoreRefusedError: the target is there, the store is in use, or it is none of hypersdk's own client.
        NotAJobStoreError: it never was a job store.
        StoreDamagedError: nothing of it can be read.
        StoreFullError: there is no room for it.
        StoreInterruptedError: a stop came; nothing was made.
    """
    real = check_path(store)
    if not size_of(real):
        raise NotAJobStoreError(f"{real}: an empty file; restore the newest verified backup")
    if target is not None:
        target = Path(os.path.realpath(target.parent)) / target.name
        _refuse_target(target)
    parent = Path(tempfile.gettempdir()) if target is None else target.parent
    require_room(parent, _ROOM * size_of(real), "a salvage")
    name = real.name if target is None else target.name
    with private_folder(parent, f".{name}.hyperjobs-salvage-") as folder:
        work = _Work(real, folder, wish, turn)
        with disk_errors(parent, "a salvage failed; nothing was made, and the damaged store is as it was"):
            done = work.run(None if turn.is_dry else target)
        if not turn.is_dry and target is not None:
            turn.keep_on()
            with disk_errors(target, "the salvaged store could not be given its name"):
                take_after(work.made, real)
            publish(work.made, target)
    return done


def _refuse_target(target: Path) -> None:
    refuse_journal(target)
    if not target.parent.is_dir():
        raise StoreNotFoundError(f"{target}: there is no directory {target.parent}; make it first")
    for path in (target, *(target.with_name(target.name + suffix) for suffix in BESIDE)):
        if os.path.lexists(path):
            raise StoreRefusedError(f"{path}: is there already; name a path that is not", reason="exists")


class _Work:
    """One salvage in its folder."""

    def __init__(self, store: Path, folder: Path, wish: Wish, turn: Turn) -> None:
        self.made = folder / "made"
        self._store, self._wish, self._turn = store, wish, turn
        self._copy = folder / "copy"
        self._began_s = turn.clock.monotonic()
        self._trouble = ""
        self._refused: set[int] = set()

    def run(self, target: Path | None) -> Salvaged:
        copied = self._copy_it()
        header = self._settle()
        with PageFile(self._copy, header.geometry) as pages:
            turn = self._turn
            found = survey(
                pages,
                self._store,
                is_trusted=header.is_trusted,
                keep_on=turn.keep_on,
                progress=lambda done, total: turn.progress("reading pages", done, total),
            )
            if not found.rows.rowids and found.gaps and not found.heard.lost:
                raise self._nothing(header)
            new_file(self.made).close()
            new = NewStore(self.made, found.layout, pages, clock=turn.clock, is_stopping=turn.is_stopping)
            try:
                done = self._build(new, found, pages, target, copied, header)
            finally:
                new.close()
        proven = prove_database(self.made, turn.keep_on)
        if proven.content.jobs != done.jobs:
            raise StoreDamagedError(f"{self._store}: the new store lost jobs while it was made; repeat it")
        return done

    def _copy_it(self) -> Copy:
        turn = self._turn

        def progress(done: int, total: int) -> None:
            turn.progress("copying the store", done, total)

        if self._wish.is_live:
            return copy_live(self._store, self._copy, is_stopping=turn.is_stopping, progress=progress)
        return copy_store(self._store, self._copy, keep_on=turn.keep_on, progress=progress)

    def _settle(self) -> Header:
        # one that was emptied has a -wal, which SQLite would throw away; a first page may be in it
        if not self._copy.stat().st_size:
            self._trouble = settle_journals(self._copy)
        first = settle_header(self._copy)
        if trouble := settle_journals(self._copy):
            self._trouble = trouble
        last = settle_header(self._copy)
        # a first page that came with the -wal is as good as any
        is_trusted = last.is_trusted and (first.is_trusted or last.head != first.head)
        return Header(last.geometry, is_trusted, first.wrong, last.head)

    def _nothing(self, header: Header) -> StoreDamagedError | NotAJobStoreError:
        if not header.is_trusted:
            return NotAJobStoreError(f"{self._store}: no page of a job store is in it; is the path right?")
        return StoreDamagedError(
            f"{self._store}: nothing of its jobs can be read; restore the newest verified backup ('hyperjobs restore')"
        )

    def _build(  # noqa: PLR0913, PLR0917 - what was found, and where it goes
        self, new: NewStore, found: Survey, pages: PageFile, target: Path | None, copied: Copy, header: Header
    ) -> Salvaged:
        turn = self._turn
        others = bring_others(self._copy, found.layout, new.raw, turn.keep_on)
        holes, nameless = holes_of(found, pages)
        read = self._put_certain(new, found, pages, holes, nameless)
        filled = self._fill(new, found, holes, others)
        included = self._put_doubtful(new, holes) if self._wish.with_doubtful else 0
        turn.progress("building indexes", 0, 0)
        jobs = new.finish(self._wish.ledger if others.ledger != "none" else None)
        self._require_equal(new, found, pages, filled, read + included + len(filled.rows) - jobs)
        others = replace(others, left_out=(*others.left_out, *new.left_out))
        rest = {job_id: hole for job_id, hole in holes.items() if hole.rowid not in filled.rows}
        return Salvaged(
            store=self._store,
            target=target,
            jobs=jobs,
            read=read + included,
            included=included,
            ranges=tuple(self._ranges(new, found, [*rest.values(), *nameless])),
            lost={job_id: hole for job_id, hole in rest.items() if hole.cells is None},
            nameless=len(nameless),
            doubtful={job_id: hole for job_id, hole in rest.items() if hole.cells is not None},
            is_complete=(not found.gaps and not found.is_guessed) or (found.heard.has_ids and not found.heard.id_gaps),
            filled=filled,
            others=others,
            indexes=tuple(found.heard.names),
            healed=header.wrong,
            pages=pages.count,
            copied_bytes=copied.bytes,
            unreadable_bytes=copied.unreadable,
            seconds=turn.clock.monotonic() - self._began_s,
            journal=self._trouble,
            origin=self._wish.origin,
            is_schema_whole=found.layout.is_whole,
            notes=tuple(_notes(found)),
        )

    def _put_certain(
        self, new: NewStore, found: Survey, pages: PageFile, holes: dict[Any, Hole], nameless: list[Hole]
    ) -> int:
        turn, read = self._turn, 0
        total = len(found.rows.rowids)
        for at in found.certain():
            cells = found.cells(pages, at)
            if new.add(found.rows.rowids[at], cells):
                read += 1
            else:  # a constraint that a damaged value breaks, or that somebody added
                self._refused.add(at)
                hole = Hole(found.rows.rowids[at], {}, cells, ("the table does not take it",))
                if holes.setdefault(cells[0], hole) is not hole:
                    nameless.append(hole)
            if read % _ROWS_BETWEEN_LOOKS == 0:
                turn.keep_on()
                turn.progress("saving jobs", read, total)
        return read

    def _fill(self, new: NewStore, found: Survey, holes: dict[Any, Hole], others: Others) -> Filled:
        if not holes and not found.gaps:
            return Filled()
        turn = self._turn
        turn.progress("looking for lost jobs in backups", 0, 0)
        sources, troubles = sources_of(self._wish.origin or self._store, self._wish.places, turn.keep_on)
        has_history = others.ledger == "kept"

        def deleted(job_id: Any, since: datetime) -> bool:
            if not has_history or type(job_id) is not str:
                return False
            events = job_events(new.raw, job_id, now=turn.now)
            return bool(events) and events[-1].new is None and events[-1].at >= since

        filled = Filling(found, holes, new, deleted=deleted, keep_on=turn.keep_on).fill(sources)
        filled.troubles = [*troubles, *filled.troubles]
        return filled

    def _put_doubtful(self, new: NewStore, holes: dict[Any, Hole]) -> int:
        put = [job_id for job_id, hole in holes.items() if hole.cells is not None and new.add(hole.rowid, hole.cells)]
        for job_id in put:
            del holes[job_id]
        return len(put)

    def _require_equal(self, new: NewStore, found: Survey, pages: PageFile, filled: Filled, missing: int) -> None:
        """Return when every row in the new store is, to the bit, what was read.

        Raises:
            StoreDamagedError: one is not.
        """
        turn = self._turn
        total = len(found.rows.rowids)

        def expected() -> Iterator[tuple[int, Cells]]:
            for count, at in enumerate(found.certain()):
                if count % _ROWS_BETWEEN_LOOKS == 0:
                    turn.keep_on()
                    turn.progress("comparing", count, total)
                if at not in self._refused:
                    yield found.rows.rowids[at], found.cells(pages, at)
            yield from filled.rows.items()

        wrong = new.differing(expected())
        if wrong or missing:
            raise StoreDamagedError(
                f"{self._store}: {wrong or missing} jobs are not in the new store as they were read; repeat it"
            )

    def _ranges(self, new: NewStore, found: Survey, holes: list[Hole]) -> Iterator[LostRange]:
        for gaps in _joined(found.gaps):
            low, high = min(gap.low for gap in gaps), max(gap.high for gap in gaps)
            yield LostRange(
                pages=tuple(dict.fromkeys(gap.page for gap in gaps if gap.page)),
                why=gaps[0].why,
                low=low,
                high=high,
                saved=new.count(low, high),
                lost=sum(low < hole.rowid <= high for hole in holes),
                created=(new.created_at(low, before=True), new.created_at(high + 1, before=False)),
            )


def _notes(found: Survey) -> Iterator[str]:
    if found.is_guessed:
        yield "where the table begins was found by its rows"
    if not found.layout.is_whole:
        yield "a part of the schema is lost, and with it the tables, triggers and views that it named"


def _joined(gaps: list[Gap]) -> list[list[Gap]]:
    """Gaps that follow on each other, or lie in each other, together."""
    joined: list[list[Gap]] = []
    for gap in sorted(gaps, key=lambda gap: (gap.low, gap.high)):
        if joined and gap.low <= max(before.high for before in joined[-1]):
            joined[-1].append(gap)
        else:
            joined.append([gap])
    return joined
