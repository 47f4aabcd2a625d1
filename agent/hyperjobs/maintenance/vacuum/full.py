"""Writing the whole store anew, which stops its writers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hyperjobs.errors import StoreError
from hyperjobs.store.space import temporary_files_beside
from hyperjobs.store.wal import LOCK_WAIT_S, empty, move

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hyperjobs.store.connection import Connection


def require_lock(connection: Connection) -> None:
    """Return when the write lock can be had at once.

    Raises:
        StoreBusyError: it cannot; the message names who has it.
    """
    with _waiting(connection, LOCK_WAIT_S):
        connection.write(lambda _db: None)


def rewrite(connection: Connection, *, to_incremental: bool = False) -> None:
    """Run a VACUUM; its copy lies on the store's own disk.

    The ledger's log is not hurt when rows get new rowids: a rowid in it is only ever compared with others of the same
    statement, and no VACUUM runs inside one.

    Args:
        connection: in no transaction; its ``is_stopping`` ends the VACUUM, and nothing is changed then.
        to_incremental: let the file be made smaller in steps from now on.

    Raises:
        StoreBusyError: the lock was not to be had at once.
        StoreFullError: the disk filled up; the store is as it was.
    """
    with _waiting(connection, LOCK_WAIT_S), temporary_files_beside(connection):
        if to_incremental:
            connection.rows("PRAGMA auto_vacuum=INCREMENTAL")
        connection.rows("VACUUM")


def give_back_wal(connection: Connection, wait: Callable[[float], object], *, is_replicated: bool) -> None:
    """Take back what a VACUUM put into the -wal, whether it went well or filled the disk."""
    # whoever is in the way, and a failure of which another error tells already, leave it to the next checkpoint
    with contextlib.suppress(StoreError):
        if is_replicated:
            move(connection, wait)
        else:
            empty(connection, wait)


@contextlib.contextmanager
def _waiting(connection: Connection, seconds: float) -> Iterator[None]:
    """Let the connection wait no longer than this for locks, for the length of a block."""
    before, connection.busy_timeout_s = connection.busy_timeout_s, seconds
    try:
        yield
    finally:
        connection.busy_timeout_s = before
