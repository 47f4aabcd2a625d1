"""Moving what is in the -wal into the store, asked of SQLite and answered in frames."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.store.connection import Connection


class Mode(StrEnum):
    """How far a checkpoint goes: https://sqlite.org/pragma.html#pragma_wal_checkpoint."""

    LOOK = "NOOP"
    """Only count the frames."""
    PASSIVE = "PASSIVE"
    """Move what no reader needs; waits for nobody and nobody waits for it."""
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


def wal_bytes(path: Path) -> int:
    """Size of a store's -wal; 0 when it has none. By stat alone: an open would drop our locks."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size
    except OSError:
        return 0
