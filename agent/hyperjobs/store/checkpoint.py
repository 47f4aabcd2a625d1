"""Keeping the WAL short beside busy writers, so that they seldom have to checkpoint it themselves.

A commit that leaves 1,000 frames in the WAL makes its own process checkpoint: it writes the pages back and syncs
twice before it answers. Done here instead, by PASSIVE checkpoints that wait for nobody and that nobody waits for, it
gives a writer at full speed more than the ledger's triggers cost him (docs/performance.md); and it is done by an
SQLite without the WAL-reset bug, which is a bug of whoever checkpoints: https://sqlite.org/wal.html#walresetbug.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import apsw

from hyperjobs.store.connection import Connection
from hyperjobs.store.failure import translate
from hyperjobs.store.identity import Hold

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.clock import Clock

_FRAMES_A_LOOK = 100
"""What a look should find to move: a tenth of what makes a writer do it himself, so that one late look does no harm."""
_SHORTEST_S = 0.002
_LONGEST_S = 0.5
_STEP = 4.0  # the wait changes by no more at once, for one look says little


class Checkpointer:
    """Looks often while there is much to move, and twice a second while there is not."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._connection: Connection | None = None
        self._hold = Hold(path, self._let_go)
        self._using = threading.Lock()
        self._frames = 0
        self._wait_s = _LONGEST_S

    def turn(self, is_stopping: Callable[[], bool]) -> float:
        """Checkpoint what is there.

        Returns:
            Seconds until the next look.

        Raises:
            StoreError: the store cannot be opened now.
        """
        if is_stopping():
            return 0.0
        with self._using:
            if not self._hold.is_free():
                self._close_stale()
                return _LONGEST_S
            return self._look()

    def _look(self) -> float:
        connection = self._connected()
        frames = self._frames
        # A neighbour that checkpoints, Litestream or a writer past its 1,000 frames, does the same work.
        try:
            frames, _ = connection.raw.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (apsw.BusyError, apsw.LockedError):
            pass
        except apsw.Error as exc:
            self._close()
            raise translate(exc, self._path) from exc
        grown = frames - self._frames if frames >= self._frames else frames  # less than before: it began anew
        self._frames = frames
        change = min(_STEP, max(1 / _STEP, _FRAMES_A_LOOK / max(grown, 1)))
        self._wait_s = min(_LONGEST_S, max(_SHORTEST_S, self._wait_s * change))
        return self._wait_s

    def close(self) -> None:
        """Let the store go; the next turn opens it again."""
        with self._using:
            self._close()

    def _let_go(self) -> None:
        """Close what is not in use and no longer the store's file; from any thread."""
        if self._using.acquire(blocking=False):
            try:
                self._close_stale()
            finally:
                self._using.release()

    def _close_stale(self) -> None:
        if self._connection is not None and not self._hold.is_current:
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release(is_same_file=self._hold.is_current)
            self._hold.release()

    def _connected(self) -> Connection:
        self._close_stale()
        if self._connection is None:
            # NORMAL: the writers' own setting; a checkpoint syncs the WAL before it moves a page.
            self._connection = Connection(self._path, synchronous="NORMAL", busy_timeout_s=0.0, clock=self._clock)
            self._hold.take()
        return self._connection
