"""Whether there is news: a failure is told once, and its end once."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hyperjobs.notify.event import KINDS, Event, recovery_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class _Open:
    """What is bad.

    Attributes:
        first: the event that it began with.
        latest: the newest one.
        told_at: when it was last given out to be told; ``None`` after that came to nothing.
        is_delivered: whether somebody has heard of it.
    """

    first: Event
    latest: Event
    told_at: datetime | None
    is_delivered: bool = False


class Tracker:
    """What one channel has been told to be bad. Thread-safe.

    Args:
        repeat: tell what stays bad again after this time; zero tells every failure, ``None`` only the first.
        told: what ``dump`` gave before a restart.
    """

    def __init__(self, repeat: timedelta | None = None, told: str | None = None) -> None:
        self.repeat = repeat
        self._lock = threading.Lock()
        self._open: dict[str, _Open] = {}
        self._good: dict[str, int] = {}
        for event, told_at in _read(told):
            self._open[event.subject] = _Open(event, event, told_at, is_delivered=True)

    def bad(self, event: Event) -> Event | None:
        """The event, when it is news; one that is older than what was good since is none."""
        with self._lock:
            if 0 < event.occasion <= self._good.get(event.subject, 0):
                return None
            known = self._open.get(event.subject)
            if known is None:
                self._open[event.subject] = _Open(event, event, event.at)
                return event
            is_other = known.latest.name != event.name
            is_next = self.repeat == timedelta(0) and known.latest.occasion != event.occasion
            known.latest = event
            if known.told_at is None or is_other or is_next or self._is_due(known, event.at):
                known.told_at = event.at
                return event
            return None

    def good(self, subject: str, at: datetime, *, occasion: int = 0) -> Event | None:
        """The recovery, when it is one; what was good before it got bad is none."""
        with self._lock:
            known = self._open.get(subject)
            if known is not None and 0 < occasion < known.latest.occasion:
                return None
            self._good[subject] = max(occasion, self._good.get(subject, 0))
            self._open.pop(subject, None)
        return None if known is None else recovery_of(replace(known.latest, at=known.first.at), at)

    def due(self, now: datetime) -> list[Event]:
        """What has been bad for so long that it is to be told again."""
        with self._lock:
            found = [known for known in self._open.values() if self.repeat and self._is_due(known, now)]
            for known in found:
                known.told_at = now
        return [known.latest for known in found]

    def next_due(self) -> datetime | None:
        """When something is to be told again."""
        with self._lock:
            if not self.repeat:
                return None
            told = [known.told_at for known in self._open.values() if known.told_at is not None]
        return min(told) + self.repeat if told else None

    def sent(self, event: Event) -> bool:
        """Remember that an event arrived; whether that changes what ``dump`` says."""
        with self._lock:
            known = self._open.get(event.subject)
            if known is not None and event.kind.recovery is not None:
                known.is_delivered = True
        return event.kind.recovery is not None or event.since is not None

    def lost(self, event: Event) -> None:
        """Let what did not arrive be news again the next time that it is seen."""
        with self._lock:
            known = self._open.get(event.subject)
            if known is not None and event.kind.recovery is not None:
                known.told_at = None

    def dump(self) -> str:
        """What somebody has heard to be bad, for the time after a restart; what nobody has is news again then."""
        with self._lock:
            heard = [known for known in self._open.values() if known.is_delivered]
        return json.dumps([_shape(known) for known in heard])

    def _is_due(self, known: _Open, now: datetime) -> bool:
        return bool(self.repeat) and known.told_at is not None and now - known.told_at >= (self.repeat or timedelta.max)


def _shape(known: _Open) -> dict[str, object]:
    event, told_at = known.latest, known.told_at or known.latest.at
    return {
        "name": event.name,
        "subject": event.subject,
        "at": known.first.at.isoformat(),
        "told_at": told_at.isoformat(),
        "task": event.task,
        "reason": event.reason,
        "occasion": event.occasion,
    }


def _read(told: str | None) -> Iterator[tuple[Event, datetime]]:
    """The events of a dump, and when each was told; nothing of one that another version or a fault wrote."""
    try:
        found = [
            (
                Event(
                    name=str(shape["name"]),
                    subject=str(shape["subject"]),
                    at=datetime.fromisoformat(shape["at"]),
                    task=shape["task"],
                    reason=str(shape["reason"]),
                    occasion=int(shape["occasion"]),
                ),
                datetime.fromisoformat(shape["told_at"]),
            )
            for shape in json.loads(told or "[]")
        ]
    except (ValueError, TypeError, KeyError):
        return
    for event, told_at in found:
        if event.name in KINDS and event.kind.recovery is not None:
            yield event, told_at
