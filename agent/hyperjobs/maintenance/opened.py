"""The store opened for one run of a task."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hyperjobs.errors import StoreBusyError
from hyperjobs.store.connection import Connection
from hyperjobs.store.identity import Hold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hyperjobs.maintenance.task import Turn


@contextlib.contextmanager
def opened(
    store: Path, turn: Turn, *, read_only: bool = False, synchronous: str = "FULL", busy_timeout_s: float = 5.0
) -> Iterator[Connection]:
    """A connection whose statements, and waits for locks, end when the run is to stop.

    Args:
        store: path of the store.
        turn: the run.
        read_only: as for :class:`~hyperjobs.store.connection.Connection`, like the rest.
        synchronous: ``NORMAL`` where a power cut may take the last commits back because they are done again.
        busy_timeout_s: how long a lock is waited for.

    Raises:
        StoreError: the store cannot be opened.
    """
    hold = Hold(store)
    if not hold.is_free():
        raise StoreBusyError(f"{store}: the file is being replaced; try again in a moment")
    connection = Connection(
        store,
        read_only=read_only,
        synchronous=synchronous,
        busy_timeout_s=busy_timeout_s,
        clock=turn.clock,
        is_stopping=turn.is_stopping,
    )
    hold.take()
    try:
        yield connection
    finally:
        connection.release(is_same_file=hold.is_current)
        hold.release()
