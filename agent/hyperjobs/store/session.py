"""Which connection a call of this thread runs on: one of the pool's, or the one of its open transaction."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from hyperjobs.errors import TransactionError
from hyperjobs.store.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import apsw

    from hyperjobs.store.connection import Connection

T = TypeVar("T")


class _Local(threading.local):
    """What each thread has of its own."""

    connection: Connection | None = None


class Session:
    """Runs work on the store, joining the transaction that the calling thread has open.

    Args:
        connect: opens one more connection.
        first: one that is open already.
    """

    def __init__(self, connect: Callable[[], Connection], first: Connection) -> None:
        self._path = first.path
        self.pool = Pool(connect, first)
        self._local = _Local()

    @property
    def joined(self) -> Connection | None:
        """The connection of the transaction that this thread is in."""
        return self._local.connection

    def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Return what ``work`` finds in one snapshot."""
        return self._on_some(lambda connection: connection.read(work))

    def run(self, work: Callable[[apsw.Connection], T]) -> T:
        """Return what ``work`` finds by one statement, which needs no transaction around it."""
        return self._on_some(lambda connection: connection.run(work))

    def write(self, work: Callable[[apsw.Connection], T]) -> T:
        """Return what ``work`` gives, all of it committed or nothing."""
        return self._on_some(lambda connection: connection.write(work))

    def change(self, sql: str, bindings: tuple[Any, ...]) -> int:
        """Run one statement that writes, its own transaction or part of this thread's; return the rows changed."""
        joined = self._local.connection
        if joined is not None:
            return joined.change(sql, bindings)
        pool = self.pool
        connection = pool.take()
        try:
            return connection.change(sql, bindings)
        finally:
            pool.give(connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the calls of this thread within ``with`` one unit."""
        if self.joined is not None:
            raise TransactionError(
                f"{self._path}: this thread is in a transaction already, and SQLite cannot commit a part of one; "
                "leave out the inner transaction(), its calls belong to the outer"
            )
        connection = self.pool.take()
        try:
            connection.begin()
            self._local.connection = connection
            try:
                yield
            except BaseException:  # KeyboardInterrupt and a stop too; it is raised again
                connection.rollback()
                raise
            finally:
                self._local.connection = None
            connection.commit()
        finally:
            self.pool.give(connection)

    def _on_some(self, use: Callable[[Connection], T]) -> T:
        joined = self.joined
        if joined is not None:
            return use(joined)
        connection = self.pool.take()
        try:
            return use(connection)
        finally:
            self.pool.give(connection)
