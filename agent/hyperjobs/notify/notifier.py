"""All channels together: what the agent tells, and what a reload replaces."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

from hyperjobs.notify.outbox import Outbox
from hyperjobs.notify.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from hyperjobs.clock import Clock
    from hyperjobs.notify.channel import Channel
    from hyperjobs.notify.event import Event
    from hyperjobs.notify.outbox import Rules

OUTCOMES: Final = ("sent", "failed", "dropped")


class Notifier:
    """Tells every channel. Thread-safe; nothing of it waits for a receiver, and nothing raises.

    Args:
        clock: dates and measures.
        remember: keeps a text by the channel's name, over restarts.
        recall: the text that was kept by that name.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        remember: Callable[[str, str], object] = lambda _name, _told: None,
        recall: Callable[[str], str | None] = lambda _name: None,
    ) -> None:
        self._clock = clock
        self._remember = remember
        self._recall = recall
        self._lock = threading.RLock()  # an outbox may count while it is set up
        self._outboxes: dict[str, Outbox] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def use(self, channels: Iterable[tuple[Rules, Channel]]) -> None:
        """Deliver through these from now on; one that is as before goes on, and one of the same name takes its place."""
        with self._lock:
            before, found = self._outboxes, {}
            for rules, channel in channels:
                old = before.get(rules.name)
                if old is not None and (old.rules, old.channel) == (rules, channel):
                    found[rules.name] = old
                else:
                    found[rules.name] = self._begin(rules, channel, old)
            self._outboxes = found
            gone = [outbox for name, outbox in before.items() if name not in found]
        for outbox in gone:
            for _ in outbox.retire():
                self._count(outbox.rules.name, "dropped")

    @property
    def is_used(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._outboxes)

    def bad(self, event: Event) -> None:
        """Something is bad; told to who has not heard of it."""
        for outbox in self._all():
            outbox.bad(event)

    def good(self, subject: str, at: datetime, *, occasion: int = 0) -> None:
        """Something is good; told to who heard that it was not."""
        for outbox in self._all():
            outbox.good(subject, at, occasion=occasion)

    def tell(self, event: Event) -> None:
        """Something happened."""
        for outbox in self._all():
            outbox.tell(event)

    def counts(self) -> Mapping[tuple[str, str], int]:
        """(channel, outcome) → messages, of every channel there is or was."""
        with self._lock:
            found = {(name, outcome): 0 for name in self._outboxes for outcome in OUTCOMES}
            return found | self._counts

    def ask_to_stop(self, within_s: float) -> None:
        """Try what waits once more; returns at once."""
        for outbox in self._all():
            outbox.ask_to_stop(within_s)

    def stop(self, timeout_s: float) -> bool:
        """Wait until what waited is delivered or given up; whether that was in time."""
        until_s = self._clock.monotonic() + timeout_s
        self.ask_to_stop(timeout_s)
        ended = [outbox.join(max(0.0, until_s - self._clock.monotonic())) for outbox in self._all()]
        return all(ended)

    def _begin(self, rules: Rules, channel: Channel, old: Outbox | None) -> Outbox:
        tracker = old.tracker if old is not None else Tracker(told=self._recall(rules.name))
        tracker.repeat = rules.repeat
        outbox = Outbox(rules, channel, tracker, clock=self._clock, count=self._count, remember=self._remember)
        if old is not None:
            outbox.tell(*old.retire())
        outbox.start()
        return outbox

    def _all(self) -> list[Outbox]:
        with self._lock:
            return list(self._outboxes.values())

    def _count(self, channel: str, outcome: str) -> None:
        with self._lock:
            self._counts[channel, outcome] += 1
