"""Maintenance: what ran, how it went, and when it runs next."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hyperjobs.metrics.catalogue import counter, gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from prometheus_client.core import Metric

    from hyperjobs.metrics.source import Scrape
    from hyperjobs.store.holds import Holds
    from hyperjobs.store.runs import Runs

_STATUSES = ("cancelled", "completed", "failed")
_OUTCOMES = ("ok", "failed", "skipped", "interrupted")


class Planned(NamedTuple):
    """When a task runs next, ``None`` when not by itself, and the time between two runs."""

    next_at: datetime | None
    interval_s: float | None


class TasksSource:
    """The tasks group, from the run ledger; the timetable tells what comes."""

    name = "tasks"

    def __init__(self, runs: Runs, holds: Holds, planned: Callable[[], Mapping[str, Planned]]) -> None:
        self._runs = runs
        self._holds = holds
        self._planned = planned

    def collect(self, scrape: Scrape) -> Iterator[Metric]:
        """The families."""
        planned = self._planned()
        tallies = self._runs.tallies()
        yield from _counters(tallies, planned)
        yield from self._times(planned)
        running = gauge("task_running")
        names = {run.task for run in self._runs.running()}
        for task in sorted(planned.keys() | names):
            running.add_metric([task], task in names)
        yield running
        yield gauge("maintenance_window", self._holds.paused(scrape.now) is not None)

    def _times(self, planned: Mapping[str, Planned]) -> Iterator[Metric]:
        seconds, success = gauge("task_duration_seconds"), gauge("task_last_success_timestamp_seconds")
        started, due = gauge("task_last_run_timestamp_seconds"), gauge("task_next_run_timestamp_seconds")
        interval = gauge("task_expected_interval_seconds")
        for task, status in sorted(self._runs.statuses().items()):
            if status.last_seconds is not None:
                seconds.add_metric([task], status.last_seconds)
            if task in planned:  # one that is not scheduled any more cannot be overdue
                success.add_metric([task], status.last_success)
            if status.last_started is not None:
                started.add_metric([task], status.last_started)
        for task, plan in sorted(planned.items()):
            if plan.next_at is not None:
                due.add_metric([task], plan.next_at.timestamp())
            if plan.interval_s is not None:
                interval.add_metric([task], plan.interval_s)
        yield from (seconds, success, started, due, interval)


def _counters(tallies: Mapping[tuple[str, str, str], int], planned: Mapping[str, Planned]) -> Iterator[Metric]:
    runs, missed = counter("task_runs_total"), counter("task_missed_runs_total")
    tasks = planned.keys() | {a for name, a, _ in tallies if name in {"task_runs", "task_missed_runs"}}
    for task in sorted(tasks):
        for outcome in _OUTCOMES:  # from 0 on, so that the first failure is an increase
            runs.add_metric([task, outcome], tallies.get(("task_runs", task, outcome), 0))
        missed.add_metric([task], tallies.get(("task_missed_runs", task, ""), 0))
    yield from (runs, missed)
    pruned = counter("pruned_jobs_total")
    for status in _STATUSES:
        pruned.add_metric([status], tallies.get(("pruned_jobs", status, ""), 0))
    yield pruned
    yield counter("vacuum_reclaimed_bytes_total", tallies.get(("vacuum_reclaimed_bytes", "", ""), 0))
