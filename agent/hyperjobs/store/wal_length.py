"""Keeping the -wal short while it is written to faster than it begins anew by itself.

SQLite begins it anew when a write finds that all of it is in the store and that nobody reads from it. Beside a writer
that commits every two milliseconds there is hardly such an instant: a long checkpoint ends many commits behind. So the
bulk is moved beside the writers, the last frames between two commits, and where that fails while nobody can write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperjobs.store.neighbour import litestream_beside
from hyperjobs.store.wal import Mode, checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.store.connection import Connection

_LONG_FRAMES: Final = 8_192
"""32 MiB, from where on it is to begin anew."""
_FEW_FRAMES: Final = 128
"""So many may be moved while the write lock is held: two syncs, and nearly nothing to sync."""
_FREE_TRIES: Final = 4
"""To move them between two commits of the writers. On a quick disk one of these does it, and nobody waits."""
_LOCK_WAIT_S: Final = 0.005
"""For a reader to end, or another writer; the writers wait as long."""
_TRIES: Final = 100
_PAUSE_S: Final = 0.01
"""After a second a long -wal is left alone until the next call: a slow disk, or a reader that stays."""


class WalLength:
    """Of one store, looked after between two transactions of its connection.

    Args:
        connection: in no transaction when asked.
        pause: sleeps so many seconds; ``True`` ends the waiting.
    """

    def __init__(self, connection: Connection, pause: Callable[[float], object]) -> None:
        self._connection = connection
        self._pause = pause

    def is_long(self) -> bool:
        """Whether it has grown so far that it is to begin anew."""
        return checkpoint(self._connection, Mode.LOOK).frames >= _LONG_FRAMES

    def keep_short(self) -> bool:
        """Move what there is to move; where it is long, wait until it can begin anew.

        At once after a transaction of ours: a writer whose commit finds 1,000 frames moves them itself before it answers,
        unless another is at it.

        Returns:
            Whether writers were kept waiting just now.

        Raises:
            StoreError: as :class:`~hyperjobs.store.connection.Connection` says.
        """
        moved = None
        for _ in range(_TRIES):
            is_busy = checkpoint(self._connection, Mode.PASSIVE).is_busy
            found = checkpoint(self._connection, Mode.LOOK)
            if found.frames < _LONG_FRAMES:
                break
            if not is_busy and found.remaining <= _FEW_FRAMES:
                return self._begin_anew()
            # Another is at work on it, or a reader keeps it: then nothing more of it is moved.
            if not is_busy and found.moved == moved:
                break
            moved = found.moved
            if self._pause(_PAUSE_S):
                break
        return False

    def _begin_anew(self) -> bool:
        for _ in range(_FREE_TRIES):
            checkpoint(self._connection, Mode.PASSIVE)
            if not checkpoint(self._connection, Mode.LOOK).remaining:
                return False  # whoever writes next begins it
        if litestream_beside(self._connection, self._connection.path):
            return False  # it reads all along, and asks its neighbours for PASSIVE alone
        before, self._connection.busy_timeout_s = self._connection.busy_timeout_s, _LOCK_WAIT_S
        try:
            checkpoint(self._connection, Mode.RESTART)
        finally:
            self._connection.busy_timeout_s = before
        return True
