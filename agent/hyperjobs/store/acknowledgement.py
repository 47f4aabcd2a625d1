"""A person's word that a configuration may delete what it would, good for one reload within an hour."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hyperjobs.store.state import StateFile

VALID: Final = timedelta(hours=1)
_ACKNOWLEDGED, _IN_FORCE = "reload_acknowledged", "maintenance_in_force"


class Acknowledgements:
    """The acknowledgement of one store's next reload, and what its agent has in force; both in the state file."""

    def __init__(self, state: StateFile) -> None:
        self._state = state

    def give(self, digest: str, *, by: str, now: datetime) -> datetime:
        """Acknowledge exactly this configuration, in place of any other; until when it is good."""
        value = {"digest": digest, "by": by, "at": now.timestamp()}
        self._state.save_facts(**{_ACKNOWLEDGED: json.dumps(value)})
        return now + VALID

    def take(self, digest: str, *, now: datetime) -> str | None:
        """Use the acknowledgement up if it is of this configuration; who gave it, ``None`` without one that holds."""
        with self._state.writing() as db:
            rows: list[Any] = db.execute("SELECT value FROM fact WHERE key=?", (_ACKNOWLEDGED,)).fetchall()
            if not rows:
                return None
            value = json.loads(rows[0][0])
            age = now - datetime.fromtimestamp(value["at"], UTC)
            if value["digest"] != digest or not timedelta(0) <= age <= VALID:
                return None
            db.execute("DELETE FROM fact WHERE key=?", (_ACKNOWLEDGED,))
        return str(value["by"]) or "somebody"

    def set_in_force(self, maintenance: str) -> None:
        """Remember what the agent goes by, as JSON: by now its file may say something else."""
        self._state.save_facts(**{_IN_FORCE: maintenance})

    @property
    def in_force(self) -> str | None:
        """What the agent went by last; ``None`` when none ran yet."""
        maintenance: str | None = self._state.fact(_IN_FORCE)
        return maintenance
