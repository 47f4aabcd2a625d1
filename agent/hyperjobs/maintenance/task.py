"""What a task is, what it is given for one run, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from hyperjobs.errors import StoreInterruptedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from hyperjobs.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One run, as the task sees it.

    Attributes:
        now: when it began; what "30 days ago" is counted from.
        clock: for durations.
        is_stopping: whether a stop came; asked often enough that a stop is obeyed within a second.
        wait: sleeps so many seconds, or less when a stop comes; returns whether one came.
        progress: told what is being done, how much of it is done, and how much there is.
        is_dry: look, and say what would be done; change nothing.
        partly: told what was done before a task raises, a stop or a failure: that stays, and counts.
    """

    now: datetime
    clock: Clock
    is_stopping: Callable[[], bool] = lambda: False
    wait: Callable[[float], bool] = lambda _seconds: False
    progress: Callable[[str, int, int], object] = lambda _what, _done, _all: None
    is_dry: bool = False
    partly: Callable[[Report], object] = lambda _report: None

    def keep_on(self) -> None:
        """Return, or raise StoreInterruptedError when a stop came."""
        if self.is_stopping():
            raise StoreInterruptedError("stopped before it was done; what was done stays, the next run goes on")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run did.

    Attributes:
        summary: one line for a person and the log.
        detail: the same in numbers, for the run's record: JSON values by short names with their unit.
        counts: by how much counters grow: ``("pruned_jobs", "failed")`` → jobs.
        skipped: a fixed word when there was nothing to do or it would not have paid; the summary says why.
    """

    summary: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    skipped: str | None = None


class Task(Protocol):
    """One kind of maintenance, made with all it needs to know.

    Attributes:
        name: as in the configuration and in metric labels: ``integrity-quick``.
        heeds_freeze: whether a frozen store keeps it from running; what only reads or adds goes on.
    """

    name: str
    heeds_freeze: bool

    def run(self, turn: Turn) -> Report:
        """Do it once.

        Raises:
            StoreInterruptedError: a stop came.
            HyperjobsError: it could not be done; the message says why and what to do.
        """
        ...
