"""The vacuum task: look, decide, say why, and do it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hyperjobs.errors import StoreFullError, StoreInterruptedError
from hyperjobs.maintenance.opened import opened
from hyperjobs.maintenance.room import require_room
from hyperjobs.maintenance.vacuum import full
from hyperjobs.maintenance.vacuum.incremental import Freed, free_pages
from hyperjobs.maintenance.vacuum.outcome import report, would
from hyperjobs.maintenance.vacuum.plan import Method, Mode, Plan, Terms, plan
from hyperjobs.store.flavour import recognise, require_job_store
from hyperjobs.store.holder import described, readers_of
from hyperjobs.store.neighbour import litestream_beside
from hyperjobs.store.space import AutoVacuum, Space, read_space
from hyperjobs.store.wal import empty

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.task import Report, Turn
    from hyperjobs.store.connection import Connection

_REMEDY = "make room on this disk; where the file allows it, the mode incremental needs little"


class VacuumTask:
    """Gives free pages back, the way that pays.

    Args:
        store: path of the store.
        mode: see :class:`~hyperjobs.maintenance.vacuum.plan.Mode`.
        min_free: the share of free pages from which on it pays, 0 to 1.
        is_in_window: whether writers may be stopped for a while at this time; asked for a full VACUUM only.
        speed: the last ``mb_per_second`` in a report of this task; ``None`` before the first.
        write_back_share: the last of that name, as for ``speed``.
        is_forced: a person wants it whatever the window, the share and the block; never whatever the room.
        longest_block_s: what ``auto`` lets the writers wait; it gives up when it takes longer.
        longest_write_back_s: what ``auto`` lets the end of it take, in which it heeds no stop; it does not begin when it
            would take longer.
    """

    name = "vacuum"
    heeds_freeze = True

    def __init__(  # noqa: PLR0913 - all but the path have a default
        self,
        store: Path,
        *,
        mode: str = "auto",
        min_free: float = 0.2,
        is_in_window: Callable[[datetime], bool] = lambda _now: True,
        speed: Callable[[], float | None] = lambda: None,
        write_back_share: Callable[[], float | None] = lambda: None,
        is_forced: bool = False,
        longest_block_s: float = 4.0,
        longest_write_back_s: float = 2.0,
    ) -> None:
        self._store = store
        self._is_in_window = is_in_window
        self._speed = speed
        self._write_back_share = write_back_share
        self._terms = Terms(
            mode=Mode(mode),
            min_free=min_free,
            is_forced=is_forced,
            longest_block_s=longest_block_s,
            longest_write_back_s=longest_write_back_s,
        )

    def run(self, turn: Turn) -> Report:
        """Decide, and do it; on a dry run only say what would be done.

        Raises:
            StoreFullError: there is no room for it; found out before anything is written.
            StoreBusyError: a writer holds the lock.
            StoreInterruptedError: a stop came. A full VACUUM then leaves the store as it was; once its copy is made and
                only has to be written back, 4 to 8 ms a megabyte, it is done to its end, unless the process ends.
            StoreError: as :class:`~hyperjobs.store.connection.Connection` says.
        """
        limit = _Limit(turn.clock)
        limited = replace(turn, is_stopping=lambda: turn.is_stopping() or limit.is_passed())
        with opened(self._store, limited, synchronous="NORMAL") as connection:
            require_job_store(recognise(connection), connection.path)
            space = read_space(connection)
            terms = replace(
                self._terms,
                is_in_window=self._is_in_window(turn.now),
                mb_per_second=self._speed(),
                write_back_share=self._write_back_share(),
                is_replicated=litestream_beside(connection, connection.path),
            )
            chosen = plan(space, terms)
            if chosen.method is Method.NONE:
                return report(chosen, space, skipped=chosen.reason)
            try:
                require_room(connection.path.parent, chosen.room_bytes, f"a vacuum ({chosen.method})", remedy=_REMEDY)
            except StoreFullError as exc:
                if not turn.is_dry:
                    raise
                return report(chosen, space, summary=str(exc), skipped="no_room")
            if turn.is_dry:
                return report(chosen, space, summary=would(chosen))
            if chosen.method is Method.INCREMENTAL:
                return _incremental(connection, turn, chosen, space)
            return self._full(connection, turn, chosen, space, terms, limit)

    def _full(  # noqa: PLR0913, PLR0917 - what run has found out
        self, connection: Connection, turn: Turn, chosen: Plan, space: Space, terms: Terms, limit: _Limit
    ) -> Report:
        if chosen.method is Method.CONVERT and space.auto_vacuum is AutoVacuum.FULL:
            # from one kind of auto_vacuum to the other nothing is written anew
            connection.rows("PRAGMA auto_vacuum=INCREMENTAL")
            return report(chosen, space)
        held_up = _held_up(connection, turn, is_replicated=terms.is_replicated)
        if held_up and not terms.is_forced:
            why = f"the file would not become smaller while its -wal is held: {held_up}"
            return report(replace(chosen, why=why), space, skipped="busy_readers")
        turn.progress("writing the store anew", 0, 1)
        started_s = turn.clock.monotonic()
        if terms.mode is Mode.AUTO and not terms.is_forced:
            limit.until(started_s + terms.longest_block_s)
        try:
            full.rewrite(connection, to_incremental=chosen.method is Method.CONVERT)
        except BaseException as exc:  # KeyboardInterrupt too; all but our own limit is raised again
            blocked_s = turn.clock.monotonic() - started_s
            was_limited = limit.lift() and isinstance(exc, StoreInterruptedError) and not turn.is_stopping()
            full.give_back_wal(connection, turn.wait, is_replicated=terms.is_replicated)
            if not was_limited:
                raise
            why = f"it stopped the writers for {blocked_s:.1f} s and was not done, so it was given up; nothing was changed"
            # slower than that, for it was not done: so the next run does not even try
            return report(replace(chosen, why=why), space, skipped="blocks_too_long", blocked_s=1.25 * blocked_s)
        limit.lift()
        ended_s = turn.clock.monotonic()
        # from the last look at a stop to the end nothing could have ended it
        blocked_s, write_back_s = ended_s - started_s, ended_s - max(limit.looked_s, started_s)
        if not turn.is_stopping():  # else the next checkpoint does it: it would take longer than a stop has
            full.give_back_wal(connection, turn.wait, is_replicated=terms.is_replicated)
        turn.progress("writing the store anew", 1, 1)
        after = read_space(connection)
        if connection.path.stat().st_size > after.size_bytes:
            chosen = replace(chosen, why=f"{chosen.why}; the file itself shrinks with the next checkpoint")
        return report(chosen, space, after=after, blocked_s=blocked_s, write_back_s=write_back_s)


class _Limit:
    """A moment past which a VACUUM is given up, so that its writers do not.

    Attributes:
        looked_s: when it was last asked, which is when a stop was last looked for.
    """

    def __init__(self, clock: Clock) -> None:
        self.looked_s = 0.0
        self._clock = clock
        self._until_s: float | None = None

    def until(self, moment_s: float) -> None:
        self._until_s = moment_s

    def is_passed(self) -> bool:
        self.looked_s = self._clock.monotonic()
        return self._until_s is not None and self.looked_s > self._until_s

    def lift(self) -> bool:
        """Forget it; returns whether it was passed."""
        passed = self._until_s is not None and self._clock.monotonic() > self._until_s
        self._until_s = None
        return passed


def _held_up(connection: Connection, turn: Turn, *, is_replicated: bool) -> str:
    """Return who keeps the -wal from being emptied; empty when nobody does.

    Raises:
        StoreBusyError: it is a writer, so that a VACUUM could not begin.
    """
    if is_replicated:
        full.require_lock(connection)
        return ""  # always in the way; whoever asks for it all the same knows
    if empty(connection, turn.wait).is_empty:
        return ""
    full.require_lock(connection)
    return readers_named(connection.path)


def readers_named(path: Path) -> str:
    """Return who reads the store at the moment, for a person."""
    return ", ".join(map(described, readers_of(path))) or "a reader that the system does not name"


def _incremental(connection: Connection, turn: Turn, chosen: Plan, space: Space) -> Report:
    started_s = turn.clock.monotonic()
    freed = Freed()
    try:
        free_pages(connection, turn, freed)
    except BaseException:  # KeyboardInterrupt and a stop too; it is raised again
        # without a look at the store: it is in the way of a stop, or may be what failed
        if freed.pages:
            chosen = replace(chosen, why="ended before all was free; the next run goes on")
            turn.partly(report(chosen, space, freed_pages=freed.pages, took_s=turn.clock.monotonic() - started_s))
        raise
    took_s = turn.clock.monotonic() - started_s
    after = read_space(connection)
    if freed.is_held_up:
        why = f"ended early, the -wal grew too long: {readers_named(connection.path)} holds it; the next run goes on"
        chosen = replace(chosen, why=why)
    return report(chosen, space, after=after, freed_pages=freed.pages, took_s=took_s, is_held_up=freed.is_held_up)
