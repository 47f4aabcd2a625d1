"""What may be bad without any run telling so: looked at every few seconds, and told to who wants to know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperjobs.notify.event import Event
from hyperjobs.store.runs import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

    from hyperjobs.agent.announce import Announcer
    from hyperjobs.clock import Clock
    from hyperjobs.notify.notifier import Notifier
    from hyperjobs.store.holds import Holds
    from hyperjobs.store.runs import Runs

LOOK_S: Final = 2.0
DOWN_AFTER_S: Final = 15.0
"""A store that is locked or swapped for a moment is no news."""
MISSED_SCRAPES: Final = 3


class Watch:
    """Compares how things are with what was told of them; so a restart, or a person at the command line, is noticed too."""

    def __init__(  # noqa: PLR0913 - what it looks at, each by name
        self,
        notifier: Notifier,
        announcer: Announcer,
        *,
        runs: Runs,
        holds: Holds,
        tasks: Callable[[], Iterable[str]],
        store_trouble: Callable[[], tuple[str | None, float] | None],
        is_configured: Callable[[], bool],
        scrapes: Callable[[], int],
        expected: Callable[[], timedelta | None],
        clock: Clock,
    ) -> None:
        """Look at nothing yet.

        Args:
            notifier: is told.
            announcer: knows what runs are as events.
            runs: the run ledger.
            holds: the freezes.
            tasks: the scheduled tasks.
            store_trouble: why the store is not served and for how many seconds; ``None`` while nobody knows.
            is_configured: whether the configuration in the files is the one in force.
            scrapes: how often somebody scraped.
            expected: the time between two scrapes; ``None`` expects none.
            clock: dates and measures.
        """
        self._notifier = notifier
        self._announcer = announcer
        self._runs = runs
        self._holds = holds
        self._tasks = tasks
        self._store_trouble = store_trouble
        self._is_configured = is_configured
        self._scrapes = scrapes
        self._expected = expected
        self._clock = clock
        self._seen_scrapes = 0
        self._scraped_s = clock.monotonic()
        self._is_scraped = False

    def turn(self, _is_stopping: Callable[[], bool]) -> float:
        """Look once; returns the seconds to wait until the next time.

        Raises:
            StoreError: the state file cannot be read.
        """
        if (scrapes := self._scrapes()) != self._seen_scrapes:
            self._seen_scrapes, self._scraped_s, self._is_scraped = scrapes, self._clock.monotonic(), True
        if self._notifier.is_used:
            self._look_at_tasks()
            frozen = self._holds.frozen()
            self._tell(
                "store.frozen", "frozen", frozen[0].reason if frozen else None, frozen[0].message if frozen else ""
            )
            if (trouble := self._store_trouble()) is not None and (trouble[0] is None or trouble[1] >= DOWN_AFTER_S):
                self._tell("store.down", "store", trouble[0])
            self._tell("reload.failed", "configuration", None if self._is_configured() else "config")
            self._look_at_scrapes()
        return LOOK_S

    def _look_at_tasks(self) -> None:
        for task in self._tasks():
            last = self._runs.last_ended(task, Outcome.OK, Outcome.FAILED, Outcome.SKIPPED)
            # a person who runs a task sees for themselves that it fails
            if last is not None and not (last.outcome is Outcome.FAILED and last.slot is None):
                self._announcer.state(last)

    def _look_at_scrapes(self) -> None:
        expected = self._expected()
        if expected is None:
            return
        silent_s = self._clock.monotonic() - self._scraped_s
        if silent_s > MISSED_SCRAPES * expected.total_seconds():
            self._tell("agent.not_scraped", "scrapes", "silence")
        elif self._is_scraped:
            self._tell("agent.not_scraped", "scrapes", None)

    def _tell(self, name: str, subject: str, reason: str | None, detail: str = "") -> None:
        now = self._clock.now()
        if reason is None:
            self._notifier.good(subject, now)
        else:
            self._notifier.bad(Event(name=name, subject=subject, at=now, reason=reason, detail=detail))
