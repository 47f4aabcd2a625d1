"""What keeps maintenance from running: a freeze, which doubt put there, or a pause, which a person did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hyperjobs.errors import MaintenanceHeldError

if TYPE_CHECKING:
    from hyperjobs.store.state import StateFile

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS hold(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, reason TEXT NOT NULL,"
    " message TEXT NOT NULL, since REAL NOT NULL, until REAL, ended REAL, ended_by TEXT)"
)
BY_HAND = "person"
"""The reason of a freeze that a person put there: it says nothing of the store."""
_FREEZE, _PAUSE, _DISTRUST = "freeze", "pause", "distrust"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One freeze or pause.

    Attributes:
        reason: of a freeze a fixed word, such as ``integrity``; of a pause what the person wrote.
        message: what was found.
        until: when it ends by itself; a freeze never does.
    """

    reason: str
    message: str
    since: datetime
    until: datetime | None = None


def frozen_error(what: object, held: Held) -> MaintenanceHeldError:
    """Why ``what`` is not done: a task, or an edit of the store of this path."""
    return MaintenanceHeldError(
        f"{what}: the store is frozen since {held.since:%Y-%m-%dT%H:%M:%SZ} ({held.reason}: {held.message}); "
        "look into it, then 'hyperjobs unfreeze --reason WHY'",
        reason="frozen",
    )


class Holds:
    """The freezes and pauses of one store, in its state file: a damaged store cannot be asked to remember."""

    def __init__(self, state: StateFile) -> None:
        self._state = state
        if not state.rows("SELECT 1 FROM sqlite_schema WHERE name='hold'"):
            with state.writing() as db:
                db.execute(_SCHEMA)

    def freeze(self, reason: str, message: str, now: datetime) -> bool:
        """Stop prune, vacuum and rotation until somebody unfreezes; whether it is news."""
        return self._begin(_FREEZE, reason, message, now, None)

    def frozen(self) -> list[Held]:
        """The freezes in force, oldest first."""
        return self._open(_FREEZE)

    def require_unfrozen(self, what: object) -> None:
        """Return when ``what`` may be done, for nobody doubts the store.

        Raises:
            MaintenanceHeldError: it is frozen (reason ``frozen``).
        """
        if frozen := self.frozen():
            raise frozen_error(what, frozen[0])

    def unfreeze(self, why: str, now: datetime) -> list[Held]:
        """End every freeze, and the distrust in backups; what was ended."""
        ended = [*self.frozen(), *self.distrusted()]
        self._end((_FREEZE, _DISTRUST), why, now)
        return ended

    def distrust(self, backup: str, message: str, now: datetime) -> bool:
        """Stop rotation alone: a backup turned out to be bad."""
        return self._begin(_DISTRUST, backup, message, now, None)

    def distrusted(self) -> list[Held]:
        """The backups that keep rotation from running, oldest first."""
        return self._open(_DISTRUST)

    def pause(self, until: datetime, why: str, now: datetime) -> None:
        """Let no scheduled task start until then; a pause in force is replaced."""
        self._end((_PAUSE,), "replaced", now)
        self._begin(_PAUSE, why, "", now, until)

    def paused(self, now: datetime) -> Held | None:
        """The pause in force."""
        return next((held for held in self._open(_PAUSE) if held.until is not None and now < held.until), None)

    def resume(self, now: datetime) -> Held | None:
        """End the pause; what was ended."""
        held = self.paused(now)
        self._end((_PAUSE,), "resumed", now)
        return held

    def _begin(self, kind: str, reason: str, message: str, now: datetime, until: datetime | None) -> bool:
        with self._state.writing() as db:
            if db.execute("SELECT 1 FROM hold WHERE kind=? AND reason=? AND ended IS NULL", (kind, reason)).fetchall():
                return False
            db.execute(
                "INSERT INTO hold(kind,reason,message,since,until) VALUES(?,?,?,?,?)",
                (kind, reason, message, now.timestamp(), None if until is None else until.timestamp()),
            )
        return True

    def _end(self, kinds: tuple[str, ...], why: str, now: datetime) -> None:
        with self._state.writing() as db:
            for kind in kinds:
                db.execute(
                    "UPDATE hold SET ended=?,ended_by=? WHERE kind=? AND ended IS NULL", (now.timestamp(), why, kind)
                )

    def _open(self, kind: str) -> list[Held]:
        rows: list[Any] = self._state.rows(
            "SELECT reason,message,since,until FROM hold WHERE kind=? AND ended IS NULL ORDER BY id", (kind,)
        )
        return [
            Held(
                reason=reason,
                message=message,
                since=datetime.fromtimestamp(since, UTC),
                until=None if until is None else datetime.fromtimestamp(until, UTC),
            )
            for reason, message, since, until in rows
        ]
