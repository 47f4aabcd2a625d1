"""From the store into the audit log: what folds have put aside, each change once, whatever happens in between."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from hyperjobs.errors import HyperjobsError
from hyperjobs.maintenance.audit.line import is_same
from hyperjobs.maintenance.audit.log import AuditLog, AuditSettings
from hyperjobs.store.ledger import outbox
from hyperjobs.store.ledger.rollup import read_meta

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.clock import Clock
    from hyperjobs.store.connection import Connection

log = structlog.get_logger(__name__)

_BATCH: Final = 1_000
_TRY_AGAIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class AuditState:
    """How the log is kept up.

    Attributes:
        is_written: what is to be written is, or there is nothing.
        waiting: changes that are in the store and not in the log.
        last_s: epoch seconds of the last addition; after a start, of the log's last line; ``None`` before there is one.
    """

    is_written: bool
    waiting: int
    last_s: float | None


class AuditSink:
    """Writes what waits in a store; called by one thread, :meth:`close` by any.

    A log that cannot be written stops nothing: changes wait in the store until it can, and that is said once.
    """

    def __init__(self, settings: AuditSettings, *, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._log: AuditLog | None = None
        self._store = ""
        self._trouble: str | None = None
        self._due_s = float("-inf")
        self._state: AuditState | None = None
        self._last_s: float | None = None
        self._using = threading.Lock()

    def settle(self, connection: Connection) -> None:
        """Make the store ready for its next fold."""
        with self._using:
            self._store = outbox.short(connection.read(read_meta)["uuid"])
            audit = self._opened()
            if audit is None and self._is_known(connection):
                return  # where the log stands is not known now; folds go on putting aside what they find
            seq = self._seq(audit)
            if connection.read(lambda db: outbox.is_settled(db, store_seq=seq)):
                return
            now_s = int(self._clock.now().timestamp())
            while connection.write(lambda db: outbox.settle(db, store_seq=seq, now_s=now_s)):
                pass

    @property
    def state(self) -> AuditState | None:
        """How it stood after the last turn; ``None`` before the first. From any thread."""
        return self._state

    def write(self, connection: Connection, is_stopping: Callable[[], bool]) -> None:
        """Write what waits, until nothing does or a stop comes."""
        with self._using:
            while not is_stopping():
                audit = self._opened()
                if audit is None:
                    anchor = connection.read(outbox.read_anchor)
                    self._state = AuditState(
                        is_written=False, waiting=anchor.waiting if anchor else 0, last_s=self._last_s
                    )
                    return
                waiting = connection.read(lambda db: outbox.waiting(db, most=_BATCH))
                if not waiting:
                    self._state = AuditState(is_written=True, waiting=0, last_s=self._last_s)
                    return
                self._write(connection, audit, waiting)

    def close(self) -> None:
        """Let the log go; the next turn opens it again."""
        with self._using:
            self._close()

    def _write(self, connection: Connection, audit: AuditLog, waiting: list[outbox.Entry]) -> None:
        seq = self._seq(audit)
        if seq is not None and waiting[0].seq <= seq:
            self._skip_written(connection, audit, seq)
            return
        try:
            audit.append(self._store, waiting, lambda number: connection.write(lambda db: outbox.keep_from(db, number)))
        except OSError as exc:
            self._tell(exc)
            return
        self._last_s = self._clock.now().timestamp()
        self._forget(connection, audit, waiting[-1].seq)
        if self._trouble is not None:
            self._trouble = None
            log.info("audit.written_again", path=str(self._settings.path))

    def _skip_written(self, connection: Connection, audit: AuditLog, seq: int) -> None:
        """Forget what a kill left here though it is in the log; in an older state of the store it is not."""
        assert audit.last is not None  # noqa: S101 - it has a number
        here = connection.read(lambda db: outbox.entry(db, seq))
        if here is not None and is_same(here, audit.last.entry):
            self._forget(connection, audit, seq)
            return
        now_s = int(self._clock.now().timestamp())
        connection.write(lambda db: outbox.renumber(db, seq, now_s))

    @staticmethod
    def _forget(connection: Connection, audit: AuditLog, seq: int) -> None:
        number = audit.last.number if audit.last else 0
        connection.write(lambda db: outbox.written(db, seq, number=number, digest=audit.digest))

    def _seq(self, audit: AuditLog | None) -> int | None:
        """The number of the last entry that the log has of this store."""
        last = audit.last if audit is not None else None
        return last.entry.seq if last is not None and last.store == self._store else None

    def _is_known(self, connection: Connection) -> bool:
        return connection.read(outbox.read_anchor) is not None

    def _opened(self) -> AuditLog | None:
        if self._log is None and self._clock.monotonic() >= self._due_s:
            try:
                self._log = AuditLog(self._settings)
                if self._last_s is None and self._log.last is not None:
                    self._last_s = float(self._log.last.entry.at)
            except (HyperjobsError, OSError) as exc:
                self._tell(exc)
        return self._log

    def _tell(self, exc: Exception) -> None:
        self._close()
        self._due_s = self._clock.monotonic() + _TRY_AGAIN_S
        trouble = str(exc)
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("audit.not_written", path=str(self._settings.path), error=trouble)

    def _close(self) -> None:
        audit, self._log = self._log, None
        if audit is not None:
            audit.close()
