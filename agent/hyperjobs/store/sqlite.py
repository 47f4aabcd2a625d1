"""Opening the job store in an SQLite file: it is recognised first."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hyperjobs.clock import SystemClock
from hyperjobs.errors import StoreReadOnlyError
from hyperjobs.store import creation
from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import Flavour, recognise, require_job_store
from hyperjobs.store.job_store import SQLiteJobStore

if TYPE_CHECKING:
    import os

    from hyperjobs.clock import Clock

__all__ = ["SQLiteJobStore", "open_store"]


def open_store(  # noqa: PLR0913 - all but the path have a default
    path: str | os.PathLike[str],
    *,
    create: bool = False,
    read_only: bool = False,
    busy_timeout_s: float = 5.0,
    synchronous: str = "FULL",
    clock: Clock | None = None,
    may_be_remote: bool = False,
) -> SQLiteJobStore:
    """Open the job store at ``path``; it is recognised first, and nothing is ever created over anything.

    Args:
        path: the file; a symbolic link is followed once.
        create: lay out a store where there is no file, or an empty one.
        read_only: refuse every write.
        busy_timeout_s: how long another process's lock is waited for.
        synchronous: ``FULL`` keeps each acknowledged write through a power cut; ``NORMAL``, which hypersdk uses, is
            faster and can lose the last ones.
        clock: stamps what is saved without a time.
        may_be_remote: open it on a network file system too; only where this host alone uses the file.

    Raises:
        StoreNotFoundError: there is no file, and ``create`` was not asked for.
        NotAJobStoreError: the file is something else (reason ``not_a_store`` or ``foreign``).
        StoreRefusedError: serving it would not be safe (``newer``, ``hard_link``, ``network_filesystem``).
        StoreError: one of its other kinds: busy, damaged, permission.
    """
    if create and read_only:
        raise StoreReadOnlyError(f"{path}: a store cannot be created read-only; leave out one of the two")
    if create:
        creation.make_file(path)
    real: str | os.PathLike[str] = path

    def connect() -> Connection:
        return Connection(
            real,
            read_only=read_only,
            busy_timeout_s=busy_timeout_s,
            synchronous=synchronous,
            clock=clock,
            may_be_remote=may_be_remote,
        )

    first = connect()
    # the same file for ever, even if a link is turned elsewhere
    real = first.path
    with contextlib.ExitStack() as undo:
        undo.callback(first.close)
        recognition = recognise(first)
        if create and recognition.flavour is Flavour.EMPTY:
            creation.lay_out(first)
            recognition = recognise(first)
        require_job_store(recognition, first.path)
        undo.pop_all()
    return SQLiteJobStore(first, connect, recognition, clock=clock or SystemClock(), read_only=read_only)
