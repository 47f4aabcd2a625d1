"""The store for a scrape: one read snapshot on a connection that is kept, by a deadline."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hyperjobs.errors import StoreBusyError, StoreError, StoreInterruptedError
from hyperjobs.store import query
from hyperjobs.store.connection import Connection
from hyperjobs.store.facts import read_store_facts
from hyperjobs.store.flavour import recognise, require_job_store
from hyperjobs.store.identity import Hold
from hyperjobs.store.ledger.view import read_view
from hyperjobs.store.ledger.window import PastHours

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    import apsw

    from hyperjobs.clock import Clock
    from hyperjobs.store.facts import StoreFacts
    from hyperjobs.store.ledger.options import LedgerOptions
    from hyperjobs.store.ledger.view import LedgerView

T = TypeVar("T")

_LOCK_WAIT_S = 0.25
"""A reader waits for a lock only while a file is recovered or not in WAL mode; a scrape has better things to do."""
_LONGEST_S = 10.0
_STEPS_BETWEEN_LOOKS = 20_000  # of SQLite's virtual machine, some hundred microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The store at one moment."""

    view: LedgerView
    facts: StoreFacts
    flavour: str


class Troubles:
    """How often the store could not be read or tended, by the error's reason. Thread-safe."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def note(self, error: StoreError) -> None:
        """Count one failure."""
        with self._lock:
            self.counts[error.reason] += 1


class StoreReader:
    """Reads snapshots; called by one thread at a time, :meth:`interrupt` by any."""

    def __init__(
        self,
        path: Path,
        *,
        options: LedgerOptions,
        troubles: Troubles,
        clock: Clock,
        scanned: Callable[[], LedgerView | None] = lambda: None,
    ) -> None:
        """``scanned`` gives the numbers while the store has no ledger, else ``None``."""
        self._path = path
        self._options = options
        self._troubles = troubles
        self._clock = clock
        self._scanned = scanned
        self._connection: Connection | None = None
        self._hold = Hold(path, self._let_go)
        self._using = threading.Lock()
        self._flavour = ""
        self._past = PastHours()

    def snapshot(self, *, now: datetime, deadline_s: float | None = None) -> Snapshot:
        """The store now.

        Args:
            now: ages are counted to.
            deadline_s: in the clock's ``monotonic``; a snapshot that takes longer is given up.

        Raises:
            StoreError: it cannot be read; the next call opens it anew.
        """
        return self.read(lambda db, flavour: self._snapshot(db, flavour, now), deadline_s=deadline_s)

    def read(self, work: Callable[[apsw.Connection, str], T], *, deadline_s: float | None = None) -> T:
        """What ``work`` finds in one snapshot of the store, whose flavour it is told; it may be called twice.

        Raises:
            StoreError: it cannot be read; the next call opens it anew.
        """
        until_s = self._clock.monotonic() + _LONGEST_S if deadline_s is None else deadline_s
        with self._using:
            return self._read(work, until_s)

    def _read(self, work: Callable[[apsw.Connection, str], T], until_s: float) -> T:
        try:
            connection = self._connected()
            connection.raw.set_progress_handler(lambda: self._clock.monotonic() > until_s, _STEPS_BETWEEN_LOOKS)
            return connection.read(lambda db: work(db, self._flavour))
        except StoreInterruptedError as exc:
            self._drop()
            timeout = StoreInterruptedError(
                f"{self._path}: not read by the deadline; is the disk slow, or the log long?"
            )
            timeout.reason = "timeout"
            self._troubles.note(timeout)
            raise timeout from exc
        except StoreError as exc:
            self._drop()
            self._troubles.note(exc)
            raise

    def interrupt(self) -> None:
        """End a read that goes on."""
        connection = self._connection
        if connection is not None:
            connection.interrupt()

    def close(self) -> None:
        """Let the store go."""
        with self._using:
            self._drop()

    def _let_go(self) -> None:
        """Close what is not in use and no longer the store's file; from any thread."""
        if self._using.acquire(blocking=False):
            try:
                if not self._hold.is_current:
                    self._drop()
            finally:
                self._using.release()

    def _snapshot(self, db: apsw.Connection, flavour: str, now: datetime) -> Snapshot:
        view = self._scanned() or read_view(db, self._options, now=now, past=self._past)
        return Snapshot(view=view, facts=read_store_facts(db), flavour=flavour)

    def _connected(self) -> Connection:
        if self._connection is not None and not self._hold.is_current:
            self._drop()
        if self._connection is None:
            if not self._hold.is_free():
                raise StoreBusyError(
                    f"{self._path}: the file was replaced, and this agent is about to let the old one go"
                )
            connection = Connection(self._path, read_only=True, busy_timeout_s=_LOCK_WAIT_S, clock=self._clock)
            try:
                recognition = recognise(connection)
                require_job_store(recognition, self._path)
                query.register(connection.raw)
            except BaseException:  # KeyboardInterrupt and a stop too; it is raised again
                connection.close()
                raise
            self._connection = connection
            self._hold.take()
            self._flavour = recognition.flavour
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release(is_same_file=self._hold.is_current)
            self._hold.release()
