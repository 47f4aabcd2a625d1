"""One channel's queue and the thread that empties it, at its own pace and in order."""

from __future__ import annotations

import random
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from hyperjobs.notify.channel import NotSentError
from hyperjobs.notify.event import is_wanted

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from hyperjobs.clock import Clock
    from hyperjobs.notify.channel import Channel
    from hyperjobs.notify.event import Event
    from hyperjobs.notify.tracker import Tracker

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 64
_LONGEST_BACKOFF_S: Final = 60.0
_DEADLINE_S: Final = 900.0
_LOOK_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a channel hears of, and how it is tried.

    Attributes:
        name: of the channel, in logs and metrics.
        events: patterns; ``None`` is what is told unasked.
        tasks: only of these tasks; what is about no task is told all the same. Empty is all.
        repeat: see :class:`~hyperjobs.notify.tracker.Tracker`.
        retry: how often a message that did not arrive is tried again, within a quarter of an hour.
        backoff_s: before the second attempt; twice as long before each further one, a minute at most.
    """

    name: str
    events: tuple[str, ...] | None = None
    tasks: tuple[str, ...] = ()
    repeat: timedelta | None = None
    retry: int = 5
    backoff_s: float = 1.0

    def wants(self, event: Event) -> bool:
        """Whether the channel hears of it."""
        if self.tasks and event.task is not None and event.task not in self.tasks:
            return False
        return is_wanted(event.name, self.events)


class Outbox:
    """Takes events from any thread without making it wait, and delivers them one by one."""

    def __init__(  # noqa: PLR0913 - what it delivers, and whom it reports to
        self,
        rules: Rules,
        channel: Channel,
        tracker: Tracker,
        *,
        clock: Clock,
        count: Callable[[str, str], object],
        remember: Callable[[str, str], object],
    ) -> None:
        """``count`` is told the channel and ``sent``, ``failed`` or ``dropped``; ``remember`` what was told of it."""
        self.rules = rules
        self.channel = channel
        self.tracker = tracker
        self._clock = clock
        self._count = count
        self._remember = remember
        self._waiting: deque[Event] = deque()
        self._changed = threading.Condition()
        self._stop_at_s: float | None = None
        self._is_changed = False
        self._thread = threading.Thread(target=self._run, name=f"notify-{rules.name}", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def bad(self, event: Event) -> None:
        """Tell that something is bad, if that is news."""
        if (news := self.tracker.bad(event)) is not None:
            self.tell(news)

    def good(self, subject: str, at: datetime, *, occasion: int = 0) -> None:
        """Tell that something is good again, if it was not."""
        if (news := self.tracker.good(subject, at, occasion=occasion)) is not None:
            self._note_change()
            self.tell(news)

    def tell(self, *events: Event) -> None:
        """Put events into the queue, if the channel hears of them; the oldest are dropped when it is full."""
        dropped = []
        with self._changed:
            self._waiting.extend(event for event in events if self.rules.wants(event))
            while len(self._waiting) > MAX_WAITING:
                dropped.append(self._waiting.popleft())
            self._changed.notify()
        for event in dropped:
            self._lose(event, "dropped", "too many wait for this channel")

    def ask_to_stop(self, within_s: float) -> None:
        """Try what waits once more, for so long at most; returns at once."""
        with self._changed:
            self._stop_at_s = self._clock.monotonic() + within_s
            self._changed.notify()

    def retire(self) -> list[Event]:
        """Deliver nothing more but what is under way; what waited is the caller's."""
        with self._changed:
            left = list(self._waiting)
            self._waiting.clear()
            self._stop_at_s = self._clock.monotonic()
            self._changed.notify()
        return left

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (event := self._next()) is not None:
            self._deliver(event)
            self._save()
        self._save()

    def _next(self) -> Event | None:
        """The next event, once there is one; ``None`` at the end."""
        while True:
            self._save()
            now = self._clock.now()
            if due := self.tracker.due(now):
                self.tell(*due)
            with self._changed:
                if self._waiting:
                    return self._waiting.popleft()
                if self._stop_at_s is not None:
                    return None
                coming = self.tracker.next_due()
                wait_s = _LOOK_S if coming is None else min(max((coming - now).total_seconds(), 0.05), _LOOK_S)
                if not self._is_changed:
                    self._changed.wait(wait_s)

    def _deliver(self, event: Event) -> None:
        began_s, attempt = self._clock.monotonic(), 0
        while True:
            attempt += 1
            timeout_s, is_last = self._time_left()
            if timeout_s <= 0:
                self._lose(event, "dropped", "the agent stops")
                return
            try:
                self.channel.send(event, timeout_s=timeout_s)
            except NotSentError as exc:
                error, pause_s = exc, self._pause_s(attempt, exc.retry_after_s)
                is_last = is_last or exc.is_final or attempt > self._retries(event)
                is_last = is_last or self._clock.monotonic() + pause_s - began_s > _DEADLINE_S
            except Exception as exc:
                log.exception("notify.channel_failed", channel=self.rules.name)
                error, is_last = NotSentError(f"unexpected {type(exc).__name__}"), True
            else:
                self._count(self.rules.name, "sent")
                self._is_changed |= self.tracker.sent(event)
                return
            if is_last:
                self._lose(event, "failed", str(error), attempts=attempt)
                return
            with self._changed:
                self._changed.wait_for(lambda: self._stop_at_s is not None, pause_s)

    def _time_left(self) -> tuple[float, bool]:
        """Seconds for one attempt, and whether a stop makes it the last."""
        with self._changed:
            if self._stop_at_s is None:
                return self.channel.timeout_s, False
            return min(self.channel.timeout_s, self._stop_at_s - self._clock.monotonic()), True

    def _retries(self, event: Event) -> int:
        return 0 if event.name == "task.started" else self.rules.retry  # late, it would be wrong

    def _pause_s(self, attempt: int, wanted_s: float) -> float:
        backoff_s: float = min(self.rules.backoff_s * 2 ** (attempt - 1), _LONGEST_BACKOFF_S)
        return max(backoff_s * random.uniform(0.5, 1.0), wanted_s)  # noqa: S311 - so that many agents do not come at once

    def _lose(self, event: Event, outcome: str, error: str, **more: object) -> None:
        self._count(self.rules.name, outcome)
        self.tracker.lost(event)
        log.error("notify.failed", channel=self.rules.name, about=event.name, outcome=outcome, error=error, **more)

    def _note_change(self) -> None:
        with self._changed:
            self._is_changed = True
            self._changed.notify()

    def _save(self) -> None:
        """Remember for a restart what was told; by this thread, so that nobody waits for a disk."""
        with self._changed:
            is_changed, self._is_changed = self._is_changed, False
        if is_changed:
            self._remember(self.rules.name, self.tracker.dump())
