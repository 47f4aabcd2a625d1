"""The few connections that the threads of one process share."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from hyperjobs.errors import StoreClosedError
from hyperjobs.store import query

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.store.connection import Connection

_KEPT = 4
"""Idle connections beyond these are closed: each holds a page cache of 2 MB and three descriptors."""


class Pool:
    """Lends each caller a connection of its own, and keeps the last few for the next.

    Args:
        connect: opens one more.
        first: one that is open already.
    """

    def __init__(self, connect: Callable[[], Connection], first: Connection) -> None:
        query.register(first.raw)
        self._connect = connect
        self._path = first.path
        self._idle = [first]
        self._lent: set[Connection] = set()
        self._lock = threading.Lock()
        self._is_closed = False
        self._pid = os.getpid()

    def take(self) -> Connection:
        """Return a connection that nobody else uses until :meth:`give`.

        Raises:
            StoreClosedError: the store is closed, or was opened before this process forked.
        """
        if os.getpid() != self._pid:
            raise StoreClosedError(
                f"{self._path}: the store was opened before this process forked; open it again in the child"
            )
        with self._lock:
            if self._is_closed:
                raise StoreClosedError(f"{self._path}: the store is closed; open it again")
            if self._idle:
                connection = self._idle.pop()
                self._lent.add(connection)
                return connection
        connection = self._connect()
        query.register(connection.raw)
        with self._lock:
            self._lent.add(connection)
        return connection

    def give(self, connection: Connection) -> None:
        """Take a connection back."""
        with self._lock:
            self._lent.discard(connection)
            if not self._is_closed and len(self._idle) < _KEPT:
                self._idle.append(connection)
                return
        connection.close()

    def interrupt(self) -> None:
        """End what is running on the connections that are lent."""
        with self._lock:
            lent = list(self._lent)
        for connection in lent:
            connection.interrupt()

    def close(self) -> None:
        """Close the idle connections now and the lent ones when they come back."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
