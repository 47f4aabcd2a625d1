"""The few connections that the threads of one process share."""

from __future__ import annotations

import os
import threading
import weakref
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
        # appending and popping are atomic, so a call takes no lock of ours
        self._idle = [first]
        self._all = weakref.WeakSet((first,))
        self._lock = threading.Lock()
        self._is_closed = False
        self._pid = os.getpid()

    def take(self) -> Connection:
        """Return a connection that nobody else uses until :meth:`give`; each refuses by itself to be used in a child.

        Raises:
            StoreClosedError: the store is closed, or was opened before this process forked.
        """
        if self._is_closed:
            raise StoreClosedError(f"{self._path}: the store is closed; open it again")
        try:
            return self._idle.pop()
        except IndexError:
            pass
        if os.getpid() != self._pid:
            raise StoreClosedError(
                f"{self._path}: the store was opened before this process forked; open it again in the child"
            )
        connection = self._connect()
        query.register(connection.raw)
        with self._lock:
            self._all.add(connection)
        return connection

    def give(self, connection: Connection) -> None:
        """Take a connection back."""
        if len(self._idle) >= _KEPT:
            connection.close()
            return
        self._idle.append(connection)
        if self._is_closed:
            self._close_idle()

    def interrupt(self) -> None:
        """End what is running on the connections."""
        with self._lock:
            connections = list(self._all)
        for connection in connections:
            connection.interrupt()

    def close(self) -> None:
        """Close the idle connections now and the lent ones when they come back."""
        self._is_closed = True
        if os.getpid() == self._pid:
            self._close_idle()

    def _close_idle(self) -> None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            connection.close()
