"""The -wal: switched on, and moved into the store; asked of SQLite and answered in frames."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import StoreRefusedError
from hyperjobs.store.holder import readers_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.store.connection import Connection

LOCK_WAIT_S: Final = 0.25
"""For readers to end while a TRUNCATE holds the write lock: the writers wait as long."""
_TRIES: Final = 5
_TRY_AGAIN_S: Final = 0.02


class Mode(StrEnum):
    """How far a checkpoint goes: https://sqlite.org/pragma.html#pragma_wal_checkpoint."""

    LOOK = "NOOP"
    """Only count the frames."""
    PASSIVE = "PASSIVE"
    """Move what no reader needs; waits for nobody and nobody waits for it."""
    RESTART = "RESTART"
    """Move everything, so that the next write begins the -wal anew; writers wait as for TRUNCATE, and the file stays."""
    TRUNCATE = "TRUNCATE"
    """Move everything and empty the -wal; writers wait while it waits for readers, so its timeout is to be short."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a checkpoint answered.

    Attributes:
        is_busy: somebody was in the way: another checkpoint, or for TRUNCATE a reader or writer.
        frames: in the -wal; -1 when there is none, or another checkpoint was at work.
        moved: of them in the store.
    """

    is_busy: bool
    frames: int
    moved: int

    @property
    def remaining(self) -> int:
        """Frames that a reader holds back; 0 when nothing is known."""
        return max(0, self.frames - self.moved)

    @property
    def is_empty(self) -> bool:
        """Whether a TRUNCATE did its work; a store that has no -wal has an empty one."""
        return not self.is_busy and self.frames <= 0


def checkpoint(connection: Connection, mode: Mode) -> Moved:
    """Run one checkpoint; for PASSIVE and LOOK it returns at once.

    Being busy is an answer, not an error: SQLite gives it as a row.

    Raises:
        StoreFullError: the store would have to grow, and its disk is full.
        StoreError: as :class:`~hyperjobs.store.connection.Connection` says.
    """
    busy, frames, moved = connection.rows(f"PRAGMA wal_checkpoint({mode})")[0]
    return Moved(bool(busy), frames, moved)


def move(connection: Connection, wait: Callable[[float], object]) -> Moved:
    """Run a PASSIVE checkpoint, and again where another one is at work: a writer's own, or the agent's, is done soon.

    Args:
        connection: in no transaction.
        wait: sleeps so many seconds; ``True`` ends the waiting.
    """
    moved = checkpoint(connection, Mode.PASSIVE)
    for _ in range(_TRIES):
        if not moved.is_busy or wait(_TRY_AGAIN_S):
            break
        moved = checkpoint(connection, Mode.PASSIVE)
    return moved


def empty(connection: Connection, wait: Callable[[float], object]) -> Moved:
    """Move the -wal into the store and empty it, without keeping a writer longer than ``LOCK_WAIT_S``.

    TRUNCATE holds the write lock all along, so PASSIVE does the work before it, beside the writers. Where no reader is
    in the way it was another checkpoint, for which SQLite does not wait.
    """
    before, connection.busy_timeout_s = connection.busy_timeout_s, LOCK_WAIT_S
    try:
        for _ in range(_TRIES):
            move(connection, wait)
            moved = checkpoint(connection, Mode.TRUNCATE)
            if moved.is_empty or readers_of(connection.path) or wait(_TRY_AGAIN_S):
                break
    finally:
        connection.busy_timeout_s = before
    return moved


def use_wal(connection: Connection, refusal: str) -> None:
    """Switch a store to WAL, once, as hypersdk's own client does; does nothing where it is.

    Args:
        connection: in no transaction.
        refusal: what is said of a store that cannot be switched.

    Raises:
        StoreRefusedError: this is one (reason ``no_wal``).
    """
    if connection.value("PRAGMA journal_mode") != "wal" and connection.value("PRAGMA journal_mode=WAL") != "wal":
        raise StoreRefusedError(f"{connection.path}: {refusal}", reason="no_wal")


def wal_bytes(path: Path) -> int:
    """Size of a store's -wal; 0 when it has none. By stat alone: an open would drop our locks."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size
    except OSError:
        return 0
