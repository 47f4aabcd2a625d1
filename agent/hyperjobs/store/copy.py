"""A store in a file that nobody writes any more, such as a backup's database, read as any store is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hyperjobs.clock import SystemClock
from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import recognise, require_job_store
from hyperjobs.store.job_store import SQLiteJobStore

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.clock import Clock


def open_copy(path: Path, *, clock: Clock | None = None) -> SQLiteJobStore:
    """Open it for reading; no lock is taken and no file is made beside it.

    Raises:
        StoreError: it cannot be opened, or is no job store.
    """

    def connect() -> Connection:
        return Connection(path, immutable=True, clock=clock)

    first = connect()
    with contextlib.ExitStack() as undo:
        undo.callback(first.close)
        recognition = recognise(first)
        require_job_store(recognition, path)
        undo.pop_all()
    return SQLiteJobStore(first, connect, recognition, clock=clock or SystemClock(), read_only=True)
