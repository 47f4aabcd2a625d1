"""What people and doubts did to a store beside the runs of its tasks: restores, undos, edits of jobs, freezes, pauses.

Kept beside the run ledger and not in it: a restore is no run that could be overdue, and no metric of a task counts it.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hyperjobs import __version__
from hyperjobs.store.runs import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hyperjobs.store.state import StateFile

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS event(id INTEGER PRIMARY KEY, task TEXT NOT NULL, started REAL NOT NULL,"
    " ended REAL NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, summary TEXT NOT NULL, detail TEXT NOT NULL,"
    ' "by" TEXT NOT NULL, host TEXT NOT NULL, version TEXT NOT NULL, pid INTEGER NOT NULL)'
)
_COLUMNS = 'id,task,started,ended,outcome,reason,summary,detail,"by",host,version,pid'
_KEPT = 2000
AGENT = "hyperjobs"
"""Who did it when no person did."""


class EventKind(StrEnum):
    """What happened; the words are stable."""

    RESTORE = "restore"
    UNDO = "undo"
    BACKUP_PRUNE = "backup-prune"
    BACKUP_ADOPT = "backup-adopt"
    CANCEL = "cancel"
    RETRY = "retry"
    SET_STATUS = "set-status"
    DELETE = "delete"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    PAUSE = "pause"
    RESUME = "resume"
    IMPORT = "import"
    COPY = "copy"
    FIX = "fix"
    FIX_UNDO = "fix-undo"
    SALVAGE = "salvage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that was done to a store.

    Attributes:
        id: of the event, counted apart from runs.
        started_at: when it began; what takes no time ended then too.
        outcome: ``ok``, or ``interrupted`` when a stop ended it halfway, or its end is not known yet.
        reason: why, as the person or the check said; may be empty.
        summary: one line for a person.
        detail: the same in numbers.
        by: the user, or ``hyperjobs`` itself.
    """

    id: int = 0
    task: EventKind
    started_at: datetime
    ended_at: datetime
    outcome: Outcome = Outcome.OK
    reason: str = ""
    summary: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    by: str
    host: str = field(default_factory=socket.gethostname)
    version: str = __version__
    pid: int = field(default_factory=os.getpid)


class Events:
    """The events of one store, in its state file."""

    def __init__(self, state: StateFile) -> None:
        self._state = state
        if not state.rows("SELECT 1 FROM sqlite_schema WHERE name='event'"):
            with state.writing() as db:
                db.execute(_SCHEMA)

    def add(self, event: Event) -> int:
        """Record one, in the place of an earlier record where it has that one's id; the oldest of very many go.

        Returns:
            The id it was given, or had.

        Raises:
            StoreError: the state file cannot be written.
        """
        with self._state.writing() as db:
            db.execute(
                f"INSERT OR REPLACE INTO event({_COLUMNS}) VALUES(?{',?' * 11})",
                (
                    event.id or None,
                    str(event.task),
                    event.started_at.timestamp(),
                    event.ended_at.timestamp(),
                    event.outcome.value,
                    event.reason,
                    event.summary,
                    json.dumps(dict(event.detail)),
                    event.by,
                    event.host,
                    event.version,
                    event.pid,
                ),
            )
            event_id = event.id or db.last_insert_rowid()
            db.execute("DELETE FROM event WHERE id<=(SELECT max(id) FROM event)-?", (_KEPT,))
        return event_id

    def remove(self, event_id: int) -> None:
        """Forget one: what it announced did not happen.

        Raises:
            StoreError: the state file cannot be written.
        """
        with self._state.writing() as db:
            db.execute("DELETE FROM event WHERE id=?", (event_id,))

    def add_freeze(self, reason: str, message: str, now: datetime) -> None:
        """Record that doubt froze the store, or rotation: nobody did it but the agent or a check."""
        summary = f"frozen: {message}"
        self.add(Event(task=EventKind.FREEZE, started_at=now, ended_at=now, reason=reason, summary=summary, by=AGENT))

    def latest(self, task: str | None = None, limit: int = 20) -> list[Event]:
        """The newest events, newest first; of one kind, or of all."""
        where, bindings = ("WHERE task=?", (task, limit)) if task is not None else ("", (limit,))
        rows = self._state.rows(f"SELECT {_COLUMNS} FROM event {where} ORDER BY id DESC LIMIT ?", bindings)  # noqa: S608 - ours
        return [_event(row) for row in rows]


def _event(row: tuple[Any, ...]) -> Event:
    event_id, task, started, ended, outcome, reason, summary, detail, by, host, version, pid = row
    return Event(
        id=event_id,
        task=EventKind(task),
        started_at=datetime.fromtimestamp(started, UTC),
        ended_at=datetime.fromtimestamp(ended, UTC),
        outcome=Outcome(outcome),
        reason=reason,
        summary=summary,
        detail=json.loads(detail),
        by=by,
        host=host,
        version=version,
        pid=pid,
    )
