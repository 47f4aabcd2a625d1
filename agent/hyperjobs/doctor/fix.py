"""Mending what has one right answer, and undoing that: the rows as they were are kept first."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.doctor.images import Images, find_images, read_head, read_images, remove_expired
from hyperjobs.errors import StoreRefusedError
from hyperjobs.maintenance.opened import opened
from hyperjobs.maintenance.prune.directory import ArchiveDirectory
from hyperjobs.maintenance.room import require_room
from hyperjobs.store.cells import is_same, text_of
from hyperjobs.store.flavour import COLUMNS, recognise, require_hypersdk
from hyperjobs.store.mend import KINDS, mend
from hyperjobs.store.mending import BATCH_ROWS, Change, apply_changes, find_changes, restore_changes
from hyperjobs.store.pruning import refuse_triggers
from hyperjobs.store.source import source_sha256
from hyperjobs.store.unfinished import count_unended

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import timedelta

    from hyperjobs.maintenance.task import Turn
    from hyperjobs.store.connection import Connection

_WHAT: Final = "mending rows"
_ROW_BYTES: Final = 2_048
"""Of the -wal for one row that is changed."""
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Example:
    """One value that would be mended, as it can be shown."""

    job_id: str
    column: str
    before: str
    after: str


@dataclass(slots=True)
class Plan:
    """What a fix would do.

    Attributes:
        rows: that would be changed.
        kinds: kind → rows.
        examples: kind → one of them.
        unended: finished jobs whose end nothing tells; they stay as they are.
    """

    rows: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Example] = field(default_factory=dict)
    unended: int = 0


@dataclass(slots=True)
class Fixed:
    """What a fix, or its undo, did.

    Attributes:
        run: its name.
        rows: that were changed.
        left: rows that were not as they had been read, and so were left alone.
        kinds: kind → rows; of an undo nothing.
    """

    run: str
    rows: int = 0
    left: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


def plan_fix(store: Path, only: Collection[str], turn: Turn) -> Plan:
    """Read every row, and say what a fix would change.

    Raises:
        StoreRefusedError: it is the daemon's own store, or strange triggers sit on the table.
        StoreInterruptedError: a stop came.
    """
    plan = Plan()
    with _opened(store, turn, read_only=True) as connection:
        jobs, looked = connection.value("SELECT count(*) FROM jobs"), 0

        def note(rows: int) -> None:
            nonlocal looked
            looked += rows
            turn.progress("looking at rows", looked, max(jobs, looked))
            turn.keep_on()

        for change in find_changes(connection, only, looked=note):
            plan.rows += 1
            for kind in change.kinds:
                plan.kinds[kind] += 1
                plan.examples.setdefault(kind, _example(change, kind))
        plan.unended = count_unended(connection) - plan.kinds["completed_at_missing"]
    return plan


def fix(  # noqa: PLR0913 - what it works with, three of it by name
    store: Path,
    images: Path,
    plan: Plan,
    *,
    only: Collection[str],
    turn: Turn,
    keep: timedelta | None = None,
    fixed: Fixed | None = None,
) -> Fixed:
    """Mend the rows, batch by batch, beside writers that go on; each row is kept as it was before it is changed.

    A stop, or a kill, leaves whole batches done; the same again does the rest.

    Args:
        store: path of the store.
        images: the directory of what is kept.
        plan: what was found.
        only: the kinds to mend.
        turn: when to stop.
        keep: how old the images of earlier fixes may become; ``None`` keeps them all.
        fixed: told as it goes, for who wants to know after an error.

    Raises:
        ArchiveBusyError: another fix is at work.
        StoreFullError: there is no room, in the store's file system or for what is kept.
        StoreInterruptedError: a stop came.
        StoreError: the store could not do it; batches that were committed stay.
    """
    real, directory = Path(os.path.realpath(store)), ArchiveDirectory(images)
    with directory.adding("the rows as they were could not be kept"), _opened(real, turn) as connection:
        require_room(real.parent, plan.rows * _ROW_BYTES, _WHAT)
        name = directory.next_name(real, turn.clock.now())
        fixed = Fixed("") if fixed is None else fixed
        fixed.run = str(name)
        writer = Images(directory, name, source_sha256(real))
        try:
            for batch in _batches(find_changes(connection, only, looked=lambda _rows: turn.keep_on())):
                writer.keep(batch)
                began_s = turn.clock.monotonic()
                applied = apply_changes(connection, batch)
                fixed.rows += applied.done
                fixed.left += applied.left
                fixed.kinds.update(kind for change in batch for kind in change.kinds)
                turn.progress("mending", fixed.rows, max(plan.rows, fixed.rows))
                # as long again for the writers
                turn.wait(turn.clock.monotonic() - began_s)
                turn.keep_on()
        finally:
            writer.close()
        if keep is not None:
            remove_expired(directory, source_sha256(real), now=turn.clock.now(), keep=keep)
    return fixed


def undo_fix(store: Path, images: Path, run: str, turn: Turn) -> Fixed:
    """Put back what a fix changed, to the bit; a row that was written since is left alone.

    Raises:
        ArchiveNotFoundError: there is no such run.
        ArchiveDamagedError: its images cannot be read.
        StoreRefusedError: it is of another store.
        StoreInterruptedError: a stop came; the same again puts the rest back.
    """
    real, directory = Path(os.path.realpath(store)), ArchiveDirectory(images)
    name = find_images(directory, run)
    path = directory.path / name.data
    with directory.locked():
        if read_head(path).get("source_sha256") != source_sha256(real):
            raise StoreRefusedError(
                f"{real}: {name} is a fix of another store, or of this one at another path; move it back, and repeat",
                reason="other_store",
            )
        undone = Fixed(str(name))
        for _ in read_images(path):  # all of it can be read, or nothing is put back
            turn.keep_on()
        if turn.is_dry:
            undone.rows = sum(len(batch) for batch in read_images(path))
            return undone
        with _opened(real, turn) as connection:
            for batch in read_images(path):
                began_s = turn.clock.monotonic()
                applied = restore_changes(connection, batch)
                undone.rows += applied.done
                undone.left += applied.left
                turn.progress("putting back", undone.rows, 0)
                turn.wait(turn.clock.monotonic() - began_s)
                turn.keep_on()
    return undone


def unknown_kinds(only: Collection[str]) -> list[str]:
    """The words that name no kind."""
    return [kind for kind in only if kind not in KINDS]


@contextlib.contextmanager
def _opened(store: Path, turn: Turn, *, read_only: bool = False) -> Iterator[Connection]:
    with opened(store, turn, read_only=read_only) as connection:
        recognition = recognise(connection)
        require_hypersdk(recognition, connection.path, _WHAT)
        refuse_triggers(recognition, connection.path, _WHAT)
        yield connection


def _batches(changes: Iterator[Change]) -> Iterator[list[Change]]:
    batch: list[Change] = []
    for change in changes:
        batch.append(change)
        if len(batch) >= BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _example(change: Change, kind: str) -> Example:
    """A value of this kind; where a row has several kinds, the first that differs and is of it."""
    if kind == "completed_at_missing":
        place = COLUMNS.index("completed_at")
    else:
        alone, _ = mend(change.before, only={kind})
        pairs = enumerate(zip(change.before, alone, strict=True))
        place = next((place for place, (before, after) in pairs if not is_same((before,), (after,))), 0)
    job_id = text_of(change.before[COLUMNS.index("id")])
    return Example(job_id[:_SHOWN], COLUMNS[place], _shown(change.before[place]), _shown(change.after[place]))


def _shown(cell: Any) -> str:
    """A value as SQL would write it, and not long."""
    if cell is None:
        return "NULL"
    if isinstance(cell, bytes):
        text = f"x'{cell[: _SHOWN // 2].hex()}'"
    else:
        text = "'" + cell.replace("'", "''") + "'" if isinstance(cell, str) else repr(cell)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
