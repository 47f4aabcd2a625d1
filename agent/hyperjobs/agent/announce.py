"""What the agent's doings are as events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperjobs.notify.event import Event
from hyperjobs.store.runs import HELD, Outcome

if TYPE_CHECKING:
    from hyperjobs.notify.notifier import Notifier
    from hyperjobs.store.runs import Run

_DAMAGE: Final = frozenset({"damaged", "backup_damaged"})


class Announcer:
    """Tells a notifier of runs."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    def begun(self, run: Run) -> None:
        """A run begins."""
        self._notifier.tell(Event(name="task.started", subject=_subject(run.task), at=run.started_at, task=run.task))

    def ended(self, run: Run) -> None:
        """A run has ended."""
        self.state(run)
        if run.outcome is not Outcome.FAILED:
            at, subject = run.ended_at or run.started_at, _subject(run.task)
            name = f"task.{run.outcome}"
            self._notifier.tell(
                Event(name=name, subject=subject, at=at, task=run.task, reason=run.reason, detail=run.summary)
            )

    def state(self, run: Run) -> None:
        """Whether a task is well, by its newest run; telling the same twice tells nothing."""
        at = run.ended_at or run.started_at
        if run.outcome is Outcome.FAILED:
            self._notifier.bad(
                Event(
                    name=_failure(run),
                    subject=_subject(run.task),
                    at=at,
                    task=run.task,
                    reason=run.reason,
                    # the words of a fault that nobody foresaw may hold anything, a job's own words too
                    detail="" if run.reason == "unexpected" else run.summary,
                    occasion=run.id,
                )
            )
        elif run.outcome is Outcome.OK or (run.outcome is Outcome.SKIPPED and run.reason not in HELD):
            self._notifier.good(_subject(run.task), at, occasion=run.id)


def _failure(run: Run) -> str:
    if run.reason in _DAMAGE:
        return "integrity.damaged"
    return "backup.failed" if run.task == "backup" else "task.failed"


def _subject(task: str) -> str:
    return f"task:{task}"
