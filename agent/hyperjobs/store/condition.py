"""What maintenance last found of the store's health, kept in the state file so that a restart does not forget it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hyperjobs.store.state import StateFile

_OK, _MESSAGES, _ANOMALIES, _BLOCKED = "integrity_ok", "integrity_messages", "anomalies", "checkpoint_blocked"
_DESTINATIONS = "destination_facts"


class Condition:
    """The last findings; what was never looked at is ``None``."""

    def __init__(self, state: StateFile) -> None:
        self._state = state

    def set_integrity(self, is_ok: bool, messages: Sequence[str]) -> None:  # noqa: FBT001 - the finding, by its name
        """Remember what the newest integrity check of the live store said."""
        self._save(_OK, is_ok)
        self._save(_MESSAGES, list(messages))

    @property
    def is_whole(self) -> bool | None:
        """Whether the newest check found the live store whole."""
        return self._read(_OK)  # type: ignore[no-any-return]

    @property
    def messages(self) -> list[str]:
        """The first messages of that check; none of a whole store."""
        return self._read(_MESSAGES) or []

    def set_anomalies(self, kinds: Mapping[str, int]) -> None:
        """Remember how many rows of each kind a check found impossible."""
        self._save(_ANOMALIES, dict(kinds))

    @property
    def anomalies(self) -> dict[str, int] | None:
        """Kind → rows, of the newest check of rows."""
        return self._read(_ANOMALIES)  # type: ignore[no-any-return]

    def set_checkpoint_blocked(self, is_blocked: bool) -> None:  # noqa: FBT001 - as above
        """Remember whether a reader keeps checkpoints from finishing."""
        self._save(_BLOCKED, is_blocked)

    @property
    def is_checkpoint_blocked(self) -> bool | None:
        """Whether a reader keeps checkpoints from finishing."""
        return self._read(_BLOCKED)  # type: ignore[no-any-return]

    def set_destinations(self, facts: Sequence[Mapping[str, Any]]) -> None:
        """Remember what the second destinations of backups hold: to ask them takes too long for a scrape."""
        self._save(_DESTINATIONS, list(facts))

    @property
    def destinations(self) -> list[dict[str, Any]]:
        """What each destination held when it was last asked."""
        return self._read(_DESTINATIONS) or []

    def _save(self, name: str, value: Any) -> None:
        if self._read(name) != value:
            self._state.save_facts(**{name: json.dumps(value)})

    def _read(self, name: str) -> Any:
        found = self._state.fact(name)
        return None if found is None else json.loads(found)
