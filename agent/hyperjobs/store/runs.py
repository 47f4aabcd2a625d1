"""The run ledger: every run of every task, once a slot, kept in the state file."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from hyperjobs import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    import apsw

    from hyperjobs.store.state import StateFile

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS run(id INTEGER PRIMARY KEY, task TEXT NOT NULL, slot TEXT, started REAL NOT NULL,
        ended REAL, outcome TEXT, reason TEXT, summary TEXT, detail TEXT, host TEXT, version TEXT, pid INTEGER,
        UNIQUE(task, slot))""",
    """CREATE TABLE IF NOT EXISTS task(name TEXT PRIMARY KEY, first REAL NOT NULL, mark TEXT, schedule TEXT, last_started REAL,
        last_success REAL, last_seconds REAL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS tally(name TEXT, a TEXT, b TEXT, value INTEGER NOT NULL, PRIMARY KEY(name, a, b))
        WITHOUT ROWID""",
)
_COLUMNS = "id,task,slot,started,ended,outcome,reason,summary,detail,host,version,pid"
_ADD = "INSERT INTO tally VALUES(?,?,?,?) ON CONFLICT DO UPDATE SET value=value+excluded.value"
_RUNS, _MISSED = "task_runs", "task_missed_runs"
_KEPT_RUNS = 1000
"""Of each task; three years of nights, and enough of what runs every few minutes to see a pattern."""
HELD: Final = frozenset({"frozen", "paused", "running"})
"""Reasons to skip a run that say nothing of the task: it was not its turn."""


class Outcome(StrEnum):
    """How a run ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one task.

    Attributes:
        id: of the run; 0 for one that was not recorded, as a dry run is not.
        slot: the nominal time it was for; ``None`` when a person asked for it.
        outcome: ``None`` while it goes on.
        reason: a fixed word for what failed or why it was skipped; empty when all was well.
        summary: one line for a person.
        detail: the same in numbers.
    """

    id: int
    task: str
    slot: str | None
    started_at: datetime
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    reason: str = ""
    summary: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    host: str = ""
    version: str = ""
    pid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatus:
    """What is known of one task; times are epoch seconds.

    Attributes:
        last_success: until a run succeeded, when the task was first known, so that a new one is not overdue.
    """

    last_success: float
    last_started: float | None
    last_seconds: float | None


class Runs:
    """The runs of one store's tasks; thread-safe, and shared with other processes through the state file."""

    def __init__(self, state: StateFile) -> None:
        self._state = state
        if len(state.rows("SELECT 1 FROM sqlite_schema WHERE name IN ('run','task','tally')")) < len(_SCHEMA):
            with state.writing() as db:
                for sql in _SCHEMA:
                    db.execute(sql)

    def begin(self, task: str, slot: str | None, started_at: datetime) -> int | None:
        """Record that a run began; its id, or ``None`` when the slot had a run already."""
        with self._state.writing() as db:
            db.execute(
                "INSERT OR IGNORE INTO run(task,slot,started,host,version,pid) VALUES(?,?,?,?,?,?)",
                (task, slot, started_at.timestamp(), socket.gethostname(), __version__, os.getpid()),
            )
            if not db.changes():
                return None
            run_id = db.last_insert_rowid()
            _know(db, task, started_at)
            db.execute("UPDATE task SET last_started=? WHERE name=?", (started_at.timestamp(), task))
            db.execute(
                "DELETE FROM run WHERE task=?1 AND id<=(SELECT id FROM run WHERE task=?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (task, _KEPT_RUNS),
            )
        return run_id

    def end(self, run: Run, counts: Mapping[tuple[str, str], int]) -> None:
        """Record how a run ended, and add to the counters, in one transaction."""
        assert run.ended_at is not None  # noqa: S101 - it ended
        assert run.outcome is not None  # noqa: S101 - as above
        with self._state.writing() as db:
            db.execute(
                "UPDATE run SET ended=?,outcome=?,reason=?,summary=?,detail=? WHERE id=?",
                (
                    run.ended_at.timestamp(),
                    run.outcome.value,
                    run.reason,
                    run.summary,
                    json.dumps(dict(run.detail)),
                    run.id,
                ),
            )
            _end_task(db, run)
            db.execute(_ADD, (_RUNS, run.task, run.outcome.value, 1))
            db.executemany(_ADD, [(name, label, "", count) for (name, label), count in counts.items() if count])

    def release_slot(self, run: Run) -> None:
        """Let the slot of a run that a stop ended be run again; the run keeps its record."""
        with self._state.writing() as db:
            db.execute("UPDATE run SET slot=? WHERE id=?", (f"{run.slot} (stopped, run {run.id})", run.id))

    def end_dead(self, task: str, now: datetime) -> int:
        """Record the runs of a task that never ended as interrupted; to be called with the task's lock held."""
        with self._state.writing() as db:
            db.execute(
                "UPDATE run SET ended=?,outcome='interrupted',reason='killed',"
                "summary='the process ended before the run did' WHERE task=? AND outcome IS NULL",
                (now.timestamp(), task),
            )
            if dead := db.changes():
                db.execute(_ADD, (_RUNS, task, Outcome.INTERRUPTED.value, dead))
        return dead

    def know(self, tasks: list[str], now: datetime) -> None:
        """Remember since when these tasks are scheduled."""
        with self._state.writing() as db:
            for task in tasks:
                _know(db, task, now)

    def mark(self, task: str, schedule: str) -> datetime | None:
        """Until when the slots of a task by this schedule have been looked at."""
        rows = self._state.rows("SELECT mark FROM task WHERE name=? AND schedule=?", (task, schedule))
        return datetime.fromisoformat(rows[0][0]) if rows else None

    def set_mark(self, task: str, schedule: str, at: datetime) -> None:
        """Remember until when the slots of a task have been looked at."""
        with self._state.writing() as db:
            _know(db, task, at)
            # as text, for it is exact to the microsecond
            db.execute("UPDATE task SET mark=?,schedule=? WHERE name=?", (at.isoformat(), schedule, task))

    def has_run(self, task: str, slot: str) -> bool:
        """Whether there was a run for this slot."""
        return bool(self._state.rows("SELECT 1 FROM run WHERE task=? AND slot=?", (task, slot)))

    def add_missed(self, task: str, count: int) -> None:
        """Count slots that no run was made for."""
        with self._state.writing() as db:
            db.execute(_ADD, (_MISSED, task, "", count))

    def latest(self, task: str | None = None, limit: int = 20) -> list[Run]:
        """The newest runs, newest first; of one task, or of all."""
        where, bindings = ("WHERE task=?", (task, limit)) if task is not None else ("", (limit,))
        rows = self._state.rows(f"SELECT {_COLUMNS} FROM run {where} ORDER BY id DESC LIMIT ?", bindings)  # noqa: S608 - ours
        return [_run(row) for row in rows]

    def last_ended(self, task: str, *outcomes: Outcome) -> Run | None:
        """The newest run of a task that ended so; in any way without ``outcomes``."""
        marks = ",".join("?" * len(outcomes or Outcome))
        rows = self._state.rows(
            f"SELECT {_COLUMNS} FROM run WHERE task=? AND outcome IN ({marks}) ORDER BY id DESC LIMIT 1",  # noqa: S608 - ours
            (task, *(outcome.value for outcome in outcomes or Outcome)),
        )
        return _run(rows[0]) if rows else None

    def running(self) -> list[Run]:
        """The runs that have begun and not ended."""
        rows = self._state.rows(f"SELECT {_COLUMNS} FROM run WHERE outcome IS NULL ORDER BY id")  # noqa: S608 - ours
        return [_run(row) for row in rows]

    def statuses(self) -> dict[str, TaskStatus]:
        """What is known of each task."""
        rows = self._state.rows("SELECT name,coalesce(last_success,first),last_started,last_seconds FROM task")
        return {
            name: TaskStatus(last_success=success, last_started=started, last_seconds=seconds)
            for name, success, started, seconds in rows
        }

    def tallies(self) -> dict[tuple[str, str, str], int]:
        """The counters: (name, label, label) → value; ``task_runs`` has task and outcome, the others one label."""
        return {(name, a, b): value for name, a, b, value in self._state.rows("SELECT name,a,b,value FROM tally")}


def _know(db: apsw.Connection, task: str, now: datetime) -> None:
    db.execute("INSERT OR IGNORE INTO task(name,first) VALUES(?,?)", (task, now.timestamp()))


def _end_task(db: apsw.Connection, run: Run) -> None:
    assert run.ended_at is not None  # noqa: S101 - see the caller
    if run.outcome is Outcome.SKIPPED and run.reason in HELD:
        return  # neither a success nor a duration
    seconds = run.detail.get("seconds", 0.0)
    db.execute("UPDATE task SET last_seconds=? WHERE name=?", (seconds, run.task))
    if run.outcome in {Outcome.OK, Outcome.SKIPPED}:
        db.execute("UPDATE task SET last_success=? WHERE name=?", (run.ended_at.timestamp(), run.task))


def _run(row: tuple[Any, ...]) -> Run:
    run_id, task, slot, started, ended, outcome, reason, summary, detail, host, version, pid = row
    return Run(
        id=run_id,
        task=task,
        slot=slot,
        started_at=datetime.fromtimestamp(started, UTC),
        ended_at=None if ended is None else datetime.fromtimestamp(ended, UTC),
        outcome=None if outcome is None else Outcome(outcome),
        reason=reason or "",
        summary=summary or "",
        detail=json.loads(detail) if detail else {},
        host=host or "",
        version=version or "",
        pid=pid or 0,
    )
