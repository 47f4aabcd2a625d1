"""The ledger's housekeeping, turn by turn: install, baseline, fold, notice rollbacks."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.errors import StoreError, StoreInterruptedError, StoreRefusedError
from hyperjobs.store.connection import Connection
from hyperjobs.store.continuity import LEDGER
from hyperjobs.store.flavour import Flavour, recognise, require_job_store
from hyperjobs.store.identity import Hold
from hyperjobs.store.ledger.baseline import take_baseline
from hyperjobs.store.ledger.drift import repair_drift
from hyperjobs.store.ledger.fold import fold
from hyperjobs.store.ledger.history import trim_history
from hyperjobs.store.ledger.install import install
from hyperjobs.store.ledger.rollup import SCHEMA_VERSION, log_span, read_meta, touch_past
from hyperjobs.store.ledger.schema import has_tables, has_triggers, ours
from hyperjobs.store.ledger.view import read_view
from hyperjobs.store.wal import use_wal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import apsw

    from hyperjobs.clock import Clock
    from hyperjobs.store.continuity import Continuity
    from hyperjobs.store.ledger.options import LedgerOptions
    from hyperjobs.store.ledger.outbox import Audit
    from hyperjobs.store.state import StateFile

_OPEN_WAIT_S = 0.5
_LOCK_WAIT_S = 5.0  # hypersdk itself waits as long
_FOLDS_A_TURN = 100
"""Beside a writer that is never done the log is never empty: what else a turn does must not wait for that."""
_HELD_S = 0.05
"""The next look at a file that was replaced, while others of this process still hold what was there before."""
_TRIM_EVERY_S = 600.0
_NO_WAL = "cannot use WAL, so a ledger would stop its writers; set store.ledger to scan"
_TRIM_ROWS = 1_000


@dataclass(slots=True)
class Counts:
    """What the keeper did since it started.

    Attributes:
        drift: jobs by which gauges were off, when found.
        rebaselines: how often the store was counted anew because its triggers were lost.
        epoch: how often the store was found rolled back or replaced; kept in the state file.
    """

    folds: int = 0
    drift: int = 0
    rebaselines: int = 0
    epoch: int = 0


class Keeper:
    """Keeps one store's ledger; :meth:`turn` is called from one thread, :meth:`interrupt` from any.

    Its connection is synchronous=NORMAL on purpose: a fold and the trim of its log are one commit, so what a power
    cut takes back is folded again, and a sync inside the write lock would be the writers' wait.
    """

    def __init__(  # noqa: PLR0913 - what it works with, each by name
        self,
        path: Path,
        *,
        options: LedgerOptions,
        state: StateFile,
        continuity: Continuity,
        clock: Clock,
        fold_interval_s: float = 0.5,
        audit: Audit | None = None,
    ) -> None:
        self.counts = Counts(epoch=int(state.facts().get("epoch", 0)))
        self._path = path
        self._options = options
        self._state = state
        self._continuity = continuity
        self._clock = clock
        self._fold_interval_s = fold_interval_s
        self._audit = audit
        self._connection: Connection | None = None
        self._hold = Hold(path)
        self._schema_version: int | None = None
        self._data_version: int | None = None
        self._known = self._remembered()
        self._trim_due_s = 0.0
        self._is_settled = False
        self._stopped = threading.Event()

    def turn(self, is_stopping: Callable[[], bool]) -> float:
        """Do what is due.

        Returns:
            Seconds until the next turn is wanted.

        Raises:
            StoreError: the store cannot be served now; the next turn tries again from the start.
        """
        if not self._hold.is_free():
            if not self._hold.is_current:
                self.close()
            return _HELD_S
        connection = self._connected()
        try:
            self._keep_installed(connection, is_stopping)
            if self._audit is not None:
                self._audit.settle(connection)
            is_behind = self._fold_all(connection, is_stopping)
            if self._audit is not None:
                self._audit.write(connection, is_stopping)
            self._trim(connection)
        except BaseException:  # KeyboardInterrupt and a stop too; it is raised again
            self.close()
            raise
        return 0.0 if is_behind else self._fold_interval_s

    @property
    def is_serving(self) -> bool:
        """Whether it has the store open, as it does between two turns that went well."""
        return self._connection is not None

    def check_drift(self) -> int:
        """Compare the ledger with the table and put the gauges right; returns by how many jobs they were off."""
        drift = repair_drift(self._connected(), self._options, now=self._clock.now())
        self.counts.drift += drift
        return drift

    def interrupt(self) -> None:
        """End what is running, for good; from any thread."""
        self._stopped.set()
        connection = self._connection
        if connection is not None:
            connection.interrupt()

    def close(self) -> None:
        """Let the store go, and the audit log; the next turn opens them again."""
        if self._audit is not None:
            self._audit.close()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with contextlib.suppress(StoreError):
            # An interrupt that met no statement would stop the checkpoint that the last to close makes.
            connection.value("SELECT 1")
        connection.release(is_same_file=self._hold.is_current)
        self._hold.release()

    def _connected(self) -> Connection:
        if self._connection is not None and not self._hold.is_current:
            self.close()
        if self._connection is None:
            # Nothing can interrupt an open, so it waits shortly; the next turn tries again.
            connection = Connection(self._path, synchronous="NORMAL", busy_timeout_s=_OPEN_WAIT_S, clock=self._clock)
            try:
                self._require_hypersdk(connection)
                # without it every long read, the first count above all, would stop the writers
                use_wal(connection, _NO_WAL)
                connection.busy_timeout_s = _LOCK_WAIT_S
            except BaseException:  # KeyboardInterrupt and a stop too; it is raised again
                connection.close()
                raise
            self._connection = connection
            self._hold.take()
            self._schema_version = self._data_version = None
            self._is_settled = False
        return self._connection

    def _require_hypersdk(self, connection: Connection) -> None:
        recognition = recognise(connection)
        require_job_store(recognition, self._path)
        if recognition.flavour is not Flavour.HYPERSDK:
            raise StoreRefusedError(
                f"{self._path}: this store is of hypersdk's daemon; triggers are not for it; set store.ledger to scan",
                reason="flavour",
            )

    def _keep_installed(self, connection: Connection, is_stopping: Callable[[], bool]) -> None:
        version = connection.value("PRAGMA schema_version")
        if version == self._schema_version:
            return
        found = connection.read(ours)
        if (
            not (has_tables(found) and has_triggers(found))
            or connection.read(read_meta).get("schema_version") != SCHEMA_VERSION
        ):
            done = install(connection, now=self._clock.now(), bounds=self._options.bounds)
            self.counts.rebaselines += done.lost_triggers
        meta = connection.read(read_meta)
        if meta["state"] != "ready":
            pace = _Pace(is_stopping, self._stopped)
            if meta.get("is_counted"):
                self._fold_before_baseline(connection, pace)
            take_baseline(connection, self._options, clock=self._clock, pace=pace)
            self._is_settled = False
        self._schema_version = connection.value("PRAGMA schema_version")
        self._data_version = None

    def _fold_before_baseline(self, connection: Connection, pace: _Pace) -> None:
        """Count what was logged before the triggers were lost as it was: the baseline would drop it.

        Raises:
            StoreInterruptedError: the pace said so; the next turn goes on.
        """
        behind = 1
        while behind:
            if pace.is_stopping():
                raise StoreInterruptedError(f"{self._path}: stopped before the log was folded; the next start goes on")
            started_s = self._clock.monotonic()
            behind = fold(connection, self._options, now=self._clock.now()).behind
            pace.rest(self._clock.monotonic() - started_s)

    def _fold_all(self, connection: Connection, is_stopping: Callable[[], bool]) -> bool:
        """Fold until the log is empty or a turn's share is done; returns whether more waits."""
        data_version = connection.value("PRAGMA data_version")
        if data_version == self._data_version:
            self._continuity.save()  # a scrape since the last fold showed what a kill must not forget
            return False
        self._notice_rollback(connection)
        hidden = is_behind = False
        for _ in range(_FOLDS_A_TURN):
            if is_stopping():
                break
            started_s = self._clock.monotonic()
            folded = fold(connection, self._options, now=self._clock.now())
            self.counts.folds += bool(folded.rows)
            hidden = hidden or folded.hidden
            is_behind = folded.behind > 0
            if not is_behind:
                break
            if folded.rows:
                # Behind after a time away: leave the writers as much of the lock as we take.
                self._stopped.wait(self._clock.monotonic() - started_s)
        if not (is_behind or self._is_settled):
            self._settle(connection)
        if hidden:
            self.check_drift()
        self._data_version = None if is_behind else data_version
        self._remember(connection)
        return is_behind

    def _notice_rollback(self, connection: Connection) -> None:
        """Raise the offsets at once when the store is an older copy of itself, or another store.

        Nothing of it is dropped: a file's rollups and log belong together, so they agree with its rows.
        """
        uuid, generation, last_seq = self._position(connection)
        known_uuid, known_generation, known_seq = self._known
        if known_uuid is not None and (uuid != known_uuid or (generation, last_seq) < (known_generation, known_seq)):
            self.counts.epoch += 1
            self._state.save_facts(epoch=self.counts.epoch)
            connection.write(touch_past)
            self._settle(connection)

    def _settle(self, connection: Connection) -> None:
        """Let counters go on from what was shown; with a log too long for one look, once enough of it is folded."""
        shown = self._continuity.shown()
        view = connection.read(lambda db: read_view(db, self._options, now=self._clock.now()))
        self._is_settled = view.is_whole
        if view.is_whole:
            self._continuity.settle(view.rollup.totals, LEDGER, shown)

    def _position(self, connection: Connection) -> tuple[str, int, int]:
        def read(db: apsw.Connection) -> tuple[str, int, int]:
            meta = read_meta(db)
            return meta["uuid"], meta["generation"], log_span(db)[1]

        return connection.read(read)

    def _remembered(self) -> tuple[str | None, int, int]:
        facts = self._state.facts()
        return facts.get("uuid"), facts.get("generation", 0), facts.get("last_seq", -1)

    def _remember(self, connection: Connection) -> None:
        position = self._position(connection)
        if position != self._known:
            uuid, generation, last_seq = self._known = position
            self._state.save_facts(uuid=uuid, generation=generation, last_seq=last_seq)
        self._continuity.save()

    def _trim(self, connection: Connection) -> None:
        now_s = self._clock.monotonic()
        if now_s < self._trim_due_s:
            return
        before_s = int((self._clock.now() - self._options.history).timestamp())
        if connection.write(lambda db: trim_history(db, before_s=before_s, most=_TRIM_ROWS)) < _TRIM_ROWS:
            self._trim_due_s = now_s + _TRIM_EVERY_S


@dataclass(frozen=True, slots=True)
class _Pace:
    """The keeper's stop, as the baseline asks for it."""

    asked: Callable[[], bool]
    stopped: threading.Event

    def is_stopping(self) -> bool:
        return self.asked()

    def rest(self, seconds: float) -> None:
        self.stopped.wait(seconds)
