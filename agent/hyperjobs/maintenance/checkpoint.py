"""The checkpoint task: keeps the -wal short, knows who keeps it long, and gets a store off a full disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperjobs.errors import StoreFullError
from hyperjobs.maintenance.opened import opened
from hyperjobs.maintenance.task import Report
from hyperjobs.size import mebibytes
from hyperjobs.store.holder import command_of, described, readers_of
from hyperjobs.store.neighbour import LITESTREAM, litestream_beside
from hyperjobs.store.wal import LOCK_WAIT_S, Mode, Moved, checkpoint, empty, move, wal_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.maintenance.reserve import Reserve
    from hyperjobs.maintenance.task import Turn
    from hyperjobs.store.connection import Connection


class CheckpointTask:
    """Moves the -wal into the store beside its writers, and empties it when nobody minds.

    Args:
        store: path of the store.
        truncate: whether the -wal is to be emptied at this time, by night for instance.
        reserve: let go when the disk is full, and kept else; ``None`` has none.

    Attributes:
        is_blocked: whether a reader has kept the -wal from being moved for two runs; ``None`` before the first.
    """

    name = "checkpoint"
    heeds_freeze = False

    def __init__(
        self,
        store: Path,
        *,
        truncate: Callable[[datetime], bool] = lambda _now: False,
        reserve: Reserve | None = None,
    ) -> None:
        self.is_blocked: bool | None = None
        self._store = store
        self._truncate = truncate
        self._reserve = reserve
        self._before: tuple[int, frozenset[int]] | None = None

    def run(self, turn: Turn) -> Report:
        """Checkpoint once; waits for no reader, but for at most a quarter of a second when it empties the -wal.

        Raises:
            StoreFullError: the disk is full; the reserve was let go if there was one, and the message says so.
            StoreError: as :class:`~hyperjobs.store.connection.Connection` says.
        """
        # before the store is opened, for which a full disk may have no room
        is_full = not turn.is_dry and self._reserve is not None and self._reserve.is_disk_full
        is_released = is_full and self._release()
        with opened(self._store, turn, synchronous="NORMAL", busy_timeout_s=LOCK_WAIT_S) as connection:
            is_replicated = litestream_beside(connection, connection.path)
            if is_full:
                raise _relieved(connection, turn, is_released=is_released, is_replicated=is_replicated)
            if turn.is_dry:
                looked = checkpoint(connection, Mode.LOOK)
                return _report(
                    connection.path, looked, is_replicated=is_replicated, readers=readers_of(connection.path)
                )
            moved = self._move(connection, turn, is_replicated=is_replicated)
            readers = readers_of(connection.path) if moved.remaining else []
            self._judge(moved, frozenset(readers), is_replicated=is_replicated)
            is_emptied = False
            if not is_replicated and moved.frames >= 0 and self._truncate(turn.now):
                is_emptied = empty(connection, turn.wait).is_empty
            if self._reserve is not None:
                self._reserve.keep()
            return _report(
                connection.path,
                moved,
                is_replicated=is_replicated,
                is_emptied=is_emptied,
                is_blocked=bool(self.is_blocked),
                readers=readers,
            )

    def _move(self, connection: Connection, turn: Turn, *, is_replicated: bool) -> Moved:
        try:
            return move(connection, turn.wait)
        except StoreFullError:
            is_released = self._release()
        raise _relieved(connection, turn, is_released=is_released, is_replicated=is_replicated)

    def _release(self) -> bool:
        return self._reserve is not None and self._reserve.release()

    def _judge(self, moved: Moved, readers: frozenset[int], *, is_replicated: bool) -> None:
        """Tell a reader that stays from those that come and go: the same place, and the same reader, twice.

        Litestream always reads, and moves the -wal itself when it is due; and what keeps the -wal unseen where it is at
        work, in another container, is taken for it.
        """
        before, self._before = self._before, None
        if is_replicated:
            readers = frozenset(pid for pid in readers if command_of(pid) != LITESTREAM)
        if moved.remaining and (readers or not is_replicated):
            self._before = (moved.moved, readers)
        self.is_blocked = (
            before is not None
            and self._before is not None
            and before[0] == moved.moved
            and (bool(before[1] & readers) or not (before[1] or readers))
        )


def _relieved(connection: Connection, turn: Turn, *, is_released: bool, is_replicated: bool) -> StoreFullError:
    """Move and empty the -wal now that the reserve was let go, and return the error that says what happened."""
    full = f"{connection.path}: its disk is full"
    before = wal_bytes(connection.path)
    try:
        move(connection, turn.wait)
        if not is_replicated:
            empty(connection, turn.wait)
    except StoreFullError:
        what = (
            f"and the reserve, let go, is too small for a -wal of {mebibytes(before)}"
            if is_released
            else "without a reserve"
        )
        return StoreFullError(f"{full} {what}; make room now, writers are failing")
    if not is_released:
        return StoreFullError(f"{full} and there is no reserve to let go; make room now, writers are failing")
    return StoreFullError(
        f"{full}; the reserve was let go and the -wal ({mebibytes(before)}) moved, so writers go on for now; make room, or prune"
    )


def _report(  # noqa: PLR0913 - what there is to say
    path: Path,
    moved: Moved,
    *,
    is_replicated: bool,
    is_emptied: bool = False,
    is_blocked: bool = False,
    readers: list[int] | None = None,
) -> Report:
    if moved.frames < 0 and not moved.is_busy:
        return Report(summary=f"{path}: the store has no -wal", skipped="no_wal")
    names = [described(pid) for pid in readers or []]
    size = wal_bytes(path)
    summary = (
        f"{max(moved.moved, 0):,} of {max(moved.frames, 0):,} frames are in the store; the -wal is {mebibytes(size)}"
    )
    if is_emptied:
        summary = f"moved {max(moved.frames, 0):,} frames and emptied the -wal"
    elif moved.remaining:
        who = ", ".join(names) or "a reader that the system does not name"
        summary += f"; the rest is held {'still ' if is_blocked else ''}by {who}"
    if is_replicated:
        summary += "; Litestream looks after the -wal, so it is not emptied"
    detail: dict[str, Any] = {
        "frames": moved.frames,
        "moved": moved.moved,
        "wal_bytes": size,
        "is_emptied": is_emptied,
        "is_blocked": is_blocked,
        "readers": names,
        "is_replicated": is_replicated,
    }
    return Report(summary=summary, detail=detail)
