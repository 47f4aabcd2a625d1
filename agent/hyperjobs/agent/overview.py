"""What the status page and the API show of one store, put together; reading it holds up neither writers nor scrapes."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from hyperjobs import __version__
from hyperjobs.agent.shaping import (
    backups_of,
    counts_of,
    destinations_of,
    drill_of,
    failure_of,
    holds_of,
    hours_of,
    run_of,
    running_of,
    success_of,
    task_of,
)
from hyperjobs.errors import HyperjobsError, StoreClosedError, StoreError
from hyperjobs.maintenance.backup.catalogue import read_catalogue
from hyperjobs.store.facts import read_file_facts
from hyperjobs.store.ledger.window import PastHours
from hyperjobs.store.overview import StoreOverview, read_overview
from hyperjobs.store.runs import Outcome
from hyperjobs.web.notices import notices_of
from hyperjobs.web.shapes import Overview, Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.agent.look import Look
    from hyperjobs.agent.night import Night
    from hyperjobs.agent.workshop import Workshop
    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.backup.catalogue import Entry
    from hyperjobs.store.ledger.view import LedgerView
    from hyperjobs.web import shapes

T = TypeVar("T")

_RUNS_OF_EACH = 60
_CHECKPOINTS = 12
"""Of each task so many runs are shown; of the one that runs every few minutes, the last hour."""


class Overviews:
    """Looks at one store for people; thread-safe."""

    def __init__(  # noqa: PLR0913 - the parts of the agent that it looks at, each by name
        self,
        path: Path,
        look: Look,
        workshop: Workshop,
        night: Night,
        *,
        scanned: Callable[[], LedgerView | None],
        stalled: Callable[[], dict[str, int] | None],
        clock: Clock,
    ) -> None:
        """``scanned`` and ``stalled`` are as for the reader of scrapes and its source of jobs."""
        self._path = path
        self._look = look
        self._shop = workshop
        self._night = night
        self._scanned = scanned
        self._stalled = stalled
        self._clock = clock
        self._past = PastHours()
        self._last: tuple[StoreOverview, datetime] | None = None
        self._catalogue: tuple[int, list[Entry]] | None = None

    def find(self, deadline_s: float, *, has_jobs: bool, has_reload_failed: bool) -> Overview:
        """What can be known by the deadline (in the clock's ``monotonic``); what cannot is left out and said.

        Args:
            deadline_s: for reading the store.
            has_jobs: whether ids, names and errors of jobs may be told.
            has_reload_failed: whether the configuration on disk is not the one in force.

        Raises:
            StoreClosedError: the look is closed, and another may have taken its place.
        """
        now = self._clock.now()
        read, trouble = self._read(now, deadline_s)
        no_entries: list[Entry] = []
        no_runs: tuple[shapes.Run, ...] = ()
        no_tasks: tuple[shapes.Task, ...] = ()
        no_places: tuple[shapes.Destination, ...] = ()
        no_holds: tuple[shapes.Hold, ...] = ()
        shop, parts = self._shop, _Parts()
        entries = parts.get(self._entries, no_entries)
        runs = parts.get(self._runs, no_runs)
        seen = Overview(
            at=now,
            version=__version__,
            store=self._store(read, trouble, now, parts),
            holds=parts.get(lambda: holds_of(shop.holds, now), no_holds),
            runs=runs,
            tasks=parts.get(lambda: self._tasks(now, runs), no_tasks),
            backups=backups_of(entries),
            destinations=parts.get(
                lambda: destinations_of(shop.backups.path, entries, shop.condition.destinations), no_places
            ),
            drill=parts.get(lambda: drill_of(shop.runs.last_ended("drill", Outcome.OK, Outcome.FAILED)), None),
            has_jobs=has_jobs,
        )
        if self._last is not None:
            seen = self._with_numbers(seen, self._last[0], parts)
        return replace(seen, notices=notices_of(seen, has_reload_failed=has_reload_failed, trouble=parts.trouble))

    def _read(self, now: datetime, deadline_s: float) -> tuple[StoreOverview | None, StoreError | None]:
        try:
            read = self._look.read(
                lambda db, flavour: read_overview(
                    db, flavour, self._shop.options, now=now, past=self._past, scanned=self._scanned
                ),
                deadline_s,
            )
        except StoreClosedError:
            raise
        except StoreError as exc:
            return None, exc
        self._last = read, now
        return read, None

    def _store(self, read: StoreOverview | None, trouble: StoreError | None, now: datetime, parts: _Parts) -> Store:
        known, at = (read, now) if read is not None else self._last or (None, None)
        view = known.view if known is not None else None
        numbers = None if view is None else "counting" if not view.is_ready else "scan" if not view.uuid else "ledger"
        try:
            files = read_file_facts(self._path)
        except OSError:
            files = None
        condition = self._shop.condition
        return Store(
            path=os.fspath(self._path),
            is_readable=read is not None,
            reason=trouble.reason if trouble is not None else None,
            message=str(trouble) if trouble is not None else None,
            read_at=at,
            flavour=str(known.flavour) if known is not None else None,
            numbers=numbers,
            unfolded_rows=view.unfolded_rows if view is not None else 0,
            size_bytes=files.size_bytes if files is not None else {},
            freelist_bytes=known.facts.freelist_bytes if known is not None else None,
            filesystem_avail_bytes=files.filesystem_avail_bytes if files is not None else None,
            filesystem_size_bytes=files.filesystem_size_bytes if files is not None else None,
            is_whole=parts.get(lambda: condition.is_whole, None),
            anomalies=parts.get(lambda: condition.anomalies, None),
        )

    def _with_numbers(self, seen: Overview, known: StoreOverview, parts: _Parts) -> Overview:
        """What the store says, or last said: the page shows since when."""
        now = seen.at
        jobs, providers = counts_of(known.view) if known.view.is_ready else (None, ())
        stalled = self._stalled()
        seen = replace(
            seen,
            jobs=jobs,
            providers=providers,
            success=success_of(known.view),
            hours=hours_of(known.hours, now) if known.view.is_ready else (),
            stalled_jobs=None if stalled is None else sum(stalled.values()),
        )
        if not seen.has_jobs:
            return seen
        unmoved: dict[str, tuple[float, float]] = {}
        stood = parts.get(self._shop.state.progress, unmoved)
        after_s = self._shop.config.metrics.stalled_after.total_seconds()
        return replace(
            seen,
            running=tuple(running_of(job, now, stood.get(job.id), after_s) for job in known.running),
            failures=tuple(failure_of(kind, known, now) for kind in known.failures),
            failures_read=known.failures_read,
        )

    def _entries(self) -> list[Entry]:
        """The directory of backups, read again when something appeared in it or went."""
        directory = self._shop.backups.path
        try:
            changed_ns = directory.stat().st_mtime_ns
        except OSError:
            return []
        if self._catalogue is None or self._catalogue[0] != changed_ns:
            self._catalogue = changed_ns, read_catalogue(directory, self._path)
        return self._catalogue[1]

    def _runs(self) -> tuple[shapes.Run, ...]:
        names = sorted({*self._shop.runs.statuses(), *self._night.planned()})
        found = [
            run_of(run)
            for task in names
            for run in self._shop.runs.latest(task, _CHECKPOINTS if task == "checkpoint" else _RUNS_OF_EACH)
        ]
        return tuple(sorted(found, key=lambda run: run.run or 0, reverse=True))

    def _tasks(self, now: datetime, runs: tuple[shapes.Run, ...]) -> tuple[shapes.Task, ...]:
        statuses, planned = self._shop.runs.statuses(), self._night.planned()
        last = {run.task: run for run in reversed(runs) if run.outcome is not None}
        running = {run.task for run in runs if run.outcome is None}
        found = (
            task_of(
                entry,
                planned[entry.task],
                statuses.get(entry.task),
                last.get(entry.task),
                now,
                is_running=entry.task in running,
            )
            for entry in self._night.entries
        )
        return tuple(sorted(found, key=lambda task: (task.next_at is None, task.next_at or now)))


class _Parts:
    """Parts of an overview, each guarded: the rest of the page does not wait for a state file that is broken."""

    def __init__(self) -> None:
        self.trouble: str | None = None

    def get(self, look: Callable[[], T], otherwise: T) -> T:
        """What a part says, or something else, and then why."""
        try:
            return look()
        except (HyperjobsError, OSError) as exc:
            self.trouble = str(exc)
            return otherwise
