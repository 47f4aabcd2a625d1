"""The one way a task runs, from the schedule and from the command line: lock, gates, record, log line."""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from hyperjobs.errors import (
    HyperjobsError,
    MaintenanceHeldError,
    StoreInterruptedError,
    StorePermissionError,
    TaskRunningError,
)
from hyperjobs.maintenance.disk import name_holder
from hyperjobs.maintenance.task import Report, Turn
from hyperjobs.store.holds import frozen_error
from hyperjobs.store.runs import Outcome, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.task import Task
    from hyperjobs.store.holds import Holds
    from hyperjobs.store.runs import Runs

log = structlog.get_logger(__name__)

_LOOK_FOR_FREEZE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that ended.

    Attributes:
        run: as it is recorded.
        error: what ended it, when it failed, was refused or interrupted.
    """

    run: Run
    error: Exception | None = None


class Runner:
    """Runs tasks of one store. Thread-safe; one task never overlaps with itself, in whatever process."""

    def __init__(  # noqa: PLR0913 - what it works with, and whom it tells
        self,
        runs: Runs,
        holds: Holds,
        *,
        locks: Path,
        clock: Clock,
        observe: Callable[[Finished], object] = lambda _finished: None,
        begun: Callable[[Run], object] = lambda _run: None,
    ) -> None:
        """``locks`` is the path that each task's lock file begins with.

        ``begun`` is told of each recorded run before its task begins, unless it is held; ``observe`` of its end.
        """
        self._begun = begun
        self._observe = observe
        self._runs = runs
        self._holds = holds
        self._locks = locks
        self._clock = clock

    def run(  # noqa: PLR0913 - a task, and what its turn is made of
        self,
        task: Task,
        *,
        slot: str | None = None,
        is_dry: bool = False,
        is_stopping: Callable[[], bool] = lambda: False,
        wait: Callable[[float], bool] = lambda _seconds: False,
        progress: Callable[[str, int, int], object] = lambda _what, _done, _all: None,
    ) -> Finished | None:
        """Run a task once, and tell how it went; nothing that the task raises comes out of it.

        Args:
            task: what to run.
            slot: the nominal time, from the schedule; a person's run has none and does not heed a pause.
            is_dry: change nothing, record nothing.
            is_stopping: see :class:`~hyperjobs.maintenance.task.Turn`, as for the others.
            wait: see there.
            progress: see there.

        Returns:
            The run; ``None`` when its slot had one already.

        Raises:
            TaskRunningError: a person's run finds the task running, here or in another process.
            StoreError: the state file cannot be written.
        """
        # A slot whose task a person runs at the moment is recorded as skipped.
        partial: list[Report] = []
        watch = _FreezeWatch(self._holds, self._clock, is_stopping, is_on=task.heeds_freeze and not is_dry)
        turn = Turn(
            now=self._clock.now(),
            clock=self._clock,
            is_stopping=watch.is_stopping,
            wait=wait,
            progress=progress,
            partly=partial.append,
            is_dry=is_dry,
        )
        run = Run(id=0, task=task.name, slot=slot, started_at=turn.now)
        if is_dry:
            return self._finish(run, *self._attempt(task, turn, partial))
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._alone(task.name))
            except TaskRunningError as exc:
                if slot is None:
                    raise
                return self._give_way(run, exc)
            self._runs.end_dead(task.name, turn.now)
            run_id = self._runs.begin(task.name, slot, turn.now)
            if run_id is None:
                return None
            run = replace(run, id=run_id)
            held = self._held(task, slot, turn.now)
            if held is None:
                self._begun(run)
            report, error, seconds = (Report(summary=""), held, 0.0) if held else self._attempt(task, turn, partial)
            if isinstance(error, StoreInterruptedError) and watch.is_frozen:
                error = self._held(task, slot, turn.now) or error
            finished = self._finish(run, report, error, seconds)
            try:
                self._runs.end(finished.run, report.counts)
                self._observe(finished)
            finally:
                _tell(finished.run, error)
            return finished

    def end_dead(self) -> None:
        """Record what a killed process left running as interrupted."""
        for task in {run.task for run in self._runs.running()}:
            with contextlib.suppress(TaskRunningError), self._alone(task):
                self._runs.end_dead(task, self._clock.now())

    def _give_way(self, run: Run, error: TaskRunningError) -> Finished | None:
        """Record that a slot was left to a run that a person has under way."""
        run_id = self._runs.begin(run.task, run.slot, run.started_at)
        if run_id is None:
            return None
        report = Report(summary=str(error), skipped=error.reason)
        finished = self._finish(replace(run, id=run_id), report, None, 0.0)
        self._runs.end(finished.run, {})
        _tell(finished.run, None)
        return finished

    def _held(self, task: Task, slot: str | None, now: datetime) -> MaintenanceHeldError | None:
        if task.heeds_freeze and (frozen := self._holds.frozen()):
            return frozen_error(task.name, frozen[0])
        if slot is not None and (paused := self._holds.paused(now)) is not None:
            return MaintenanceHeldError(
                f"{task.name}: maintenance is paused until {paused.until:%Y-%m-%dT%H:%M:%SZ} ({paused.reason}); "
                "'hyperjobs resume' ends it",
                reason="paused",
            )
        return None

    def _attempt(self, task: Task, turn: Turn, partial: list[Report]) -> tuple[Report, Exception | None, float]:
        began_s = self._clock.monotonic()
        report, error = Report(summary=""), None
        try:
            report = task.run(turn)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is a run that failed, and the next one goes on
            error = exc
            report = partial[-1] if partial else report  # what was done before it stays done
        return report, error, self._clock.monotonic() - began_s

    def _finish(self, run: Run, report: Report, error: Exception | None, seconds: float) -> Finished:
        outcome, reason, summary = Outcome.OK, "", report.summary
        if isinstance(error, MaintenanceHeldError):
            outcome, reason, summary = Outcome.SKIPPED, error.reason, str(error)
        elif isinstance(error, StoreInterruptedError):
            outcome, reason, summary = Outcome.INTERRUPTED, error.reason, report.summary or str(error)
        elif isinstance(error, HyperjobsError):
            outcome, reason, summary = Outcome.FAILED, error.reason, str(error)
        elif error is not None:
            outcome, reason, summary = Outcome.FAILED, "unexpected", f"unexpected {type(error).__name__}: {error}"
        elif report.skipped is not None:
            outcome, reason = Outcome.SKIPPED, report.skipped
        detail: dict[str, Any] = {**report.detail, "seconds": round(seconds, 3)}
        ended = replace(run, ended_at=self._clock.now(), outcome=outcome, reason=reason, summary=summary, detail=detail)
        return Finished(run=ended, error=error)

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        path = self._locks.with_name(f"{self._locks.name}.{name}.lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        except OSError as exc:
            raise StorePermissionError(
                f"{path}: cannot take the lock: {exc.strerror}; run as who runs the agent"
            ) from exc
        with contextlib.suppress(OSError):  # what root makes, the agent must be able to use
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                holder = os.read(descriptor, 40).decode(errors="replace").strip()
                raise TaskRunningError(
                    f"{name} is running already ({holder or 'its process is not named'}); try again after it"
                ) from exc
            name_holder(descriptor)
            yield
        finally:
            os.close(descriptor)


class _FreezeWatch:
    """A stop that also comes when the store is frozen while the task runs."""

    def __init__(self, holds: Holds, clock: Clock, is_stopping: Callable[[], bool], *, is_on: bool) -> None:
        self.is_frozen = False
        self._holds = holds
        self._clock = clock
        self._is_asked = is_stopping
        self._is_on = is_on
        self._looked_s = clock.monotonic()

    def is_stopping(self) -> bool:
        now_s = self._clock.monotonic()
        if self._is_on and not self.is_frozen and now_s - self._looked_s >= _LOOK_FOR_FREEZE_S:
            self._looked_s = now_s
            self.is_frozen = bool(self._holds.frozen())
        return self.is_frozen or self._is_asked()


def _tell(run: Run, error: Exception | None) -> None:
    """One line in the log for one run."""
    told: dict[str, Any] = {"task": run.task, "run": run.id, "summary": run.summary, **_told(run.detail)}
    told |= {"slot": run.slot} if run.slot else {}
    told |= {"reason": run.reason} if run.reason else {}
    if run.outcome is Outcome.FAILED:
        is_ours = error is None or isinstance(error, HyperjobsError)
        log.error("task.failed", **told, **({} if is_ours else {"exc_info": error}))
    elif run.outcome is Outcome.INTERRUPTED:
        log.warning("task.interrupted", **told)
    else:
        log.info("task.ended", outcome=str(run.outcome), **told)


def _told(detail: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers and words of a detail; lists and mappings are for the record."""
    return {name: value for name, value in detail.items() if isinstance(value, int | float | str)}
