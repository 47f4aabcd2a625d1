"""The task that deletes finished jobs past their time, having archived them."""

from __future__ import annotations

import contextlib
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import ArchiveDamagedError, ConfigError, StoreInterruptedError
from hyperjobs.maintenance.opened import opened
from hyperjobs.maintenance.prune.archive import Archive
from hyperjobs.maintenance.prune.directory import NOT_KEPT, ArchiveDirectory
from hyperjobs.maintenance.prune.expire import expired, remove
from hyperjobs.maintenance.prune.guard import refuse_clock_jump
from hyperjobs.maintenance.prune.plan import (
    Plan,
    by_status,
    count_common_ages,
    each_status,
    make_plan,
    newest_created,
)
from hyperjobs.maintenance.prune.reading import manifest_of, recover
from hyperjobs.maintenance.room import require_room
from hyperjobs.maintenance.task import Report
from hyperjobs.size import mebibytes
from hyperjobs.store.flavour import recognise, require_hypersdk
from hyperjobs.store.pruning import Pruning, refuse_triggers

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hyperjobs.maintenance.task import Turn
    from hyperjobs.store.connection import Connection
    from hyperjobs.store.retention import Retention

_CACHE: Final = "PRAGMA cache_size=-32768"
"""32 MiB: the pages of one batch do not fit into SQLite's 2, and would be written twice."""
_WAL_ROW_BYTES: Final = 16_384
_WAL_BYTES: Final = 96 * 1024 * 1024
"""What the -wal grows by a deleted row, as far as checkpoints let it."""


class PruneTask:
    """Deletes finished jobs past their time, the oldest first, in batches that writers do not notice.

    Without a retention it counts what common ones would delete, and deletes nothing.

    Args:
        store: path of the store.
        retention: how long jobs are kept.
        archive_directory: where they go before they are deleted; ``None`` is nowhere.
        archive_keep: how long an archive is kept.
        max_share: of all jobs of the store, at most so many go in one run (0 to 1); the rest in the next ones.
        max_clock_jump: how far the clock may be from where it was last seen.
        last_seen: what the clock showed last, ``None`` when nobody remembers.
        keep_newest: the finished jobs that ended last; so many stay whatever their age.
        is_backed_up: whether the newest backup is a good one; asked when nothing is archived, for what is deleted then
            is nowhere else.

    Raises:
        ConfigError: a value that makes no sense; the message names it.
    """

    name = "prune"
    heeds_freeze = True

    def __init__(  # noqa: PLR0913 - one for each setting
        self,
        store: Path,
        *,
        retention: Retention,
        archive_directory: Path | None,
        archive_keep: timedelta = timedelta(days=90),
        max_share: float = 0.5,
        max_clock_jump: timedelta = timedelta(days=1),
        last_seen: Callable[[], datetime | None] = lambda: None,
        keep_newest: int = 0,
        is_backed_up: Callable[[], bool] = lambda: True,
    ) -> None:
        if not 0 < max_share <= 1:
            raise ConfigError(f"prune max_share={max_share!r}: give more than 0 and at most 1, which is 100%")
        if keep_newest < 0:
            raise ConfigError(f"prune keep_newest={keep_newest!r}: give 0 or more jobs")
        if archive_keep <= timedelta(0) or max_clock_jump <= timedelta(0):
            raise ConfigError("prune archive.keep and max_clock_jump: give more than 0s")
        self._store = Path(os.path.realpath(store))
        self._retention = retention
        self._directory = None if archive_directory is None else ArchiveDirectory(archive_directory)
        self._archive_keep = archive_keep
        self._max_share = max_share
        self._max_clock_jump = max_clock_jump
        self._last_seen = last_seen
        self._keep_newest = keep_newest
        self._is_backed_up = is_backed_up

    def run(self, turn: Turn) -> Report:
        """Prune once.

        Raises:
            StoreRefusedError: it would not be safe (reasons ``clock``, ``triggers``, ``daemon_store``).
            StoreFullError: there is no room for the archive; found out before anything is deleted.
            StoreInterruptedError: a stop came; what was deleted stays deleted, and archived.
            HyperjobsError: it could not be done.
        """
        is_set = self._retention.is_set
        with opened(self._store, turn, read_only=turn.is_dry or not is_set, synchronous="NORMAL") as connection:
            recognition = recognise(connection)
            require_hypersdk(recognition, self._store, "prune")
            if not is_set:
                return _advice(count_common_ages(connection, turn.now))
            if self._directory is None and not self._is_backed_up():
                return Report(
                    summary="nothing was pruned: archives are off, and the newest backup is not a good one",
                    skipped="no_backup",
                )
            refuse_triggers(recognition, self._store)
            refuse_clock_jump(
                turn.now,
                last_seen=self._last_seen(),
                max_jump=self._max_clock_jump,
                newest=newest_created(connection),
            )
            turn.progress("looking for jobs past their time", 0, 0)
            plan = make_plan(
                connection,
                self._retention,
                now=turn.now,
                max_share=self._max_share,
                keep_newest=self._keep_newest,
            )
            return self._foretold(plan) if turn.is_dry else self._prune(connection, plan, turn)

    def _foretold(self, plan: Plan) -> Report:
        where = "" if self._directory is None else f", archived into about {mebibytes(plan.archive_bytes)}"
        if not plan.going:
            where = ""
        return Report(summary=f"would prune {_described(plan, plan.going)}{where}", detail=plan.detail())

    def _prune(self, connection: Connection, plan: Plan, turn: Turn) -> Report:
        with contextlib.ExitStack() as stack:
            archive: Archive | None = None
            notes: dict[str, Any] = {}
            if self._directory is not None:
                stack.enter_context(self._directory.adding(NOT_KEPT))
                notes = self._recover(self._directory, connection, turn)
                name = self._directory.next_name(self._store, turn.now)
                archive = Archive(self._directory, name, store=self._store, cutoffs=plan.rule.cutoffs, clock=turn.clock)
                stack.callback(archive.close)
            self._require_room(plan)
            connection.rows(_CACHE)
            pruning = Pruning(
                connection,
                plan.rule,
                clock=turn.clock,
                pause=lambda seconds: turn.wait(seconds) or turn.is_stopping(),
                keeping=archive,
                most=plan.going,
                progress=lambda jobs: turn.progress("pruning", jobs, plan.going),
            )
            is_told = False
            try:
                is_whole = pruning.run()
                is_told = True
                self._require_whole(plan, pruning, is_whole=is_whole)
                if archive is not None:
                    archive.finish()
                if self._directory is not None:
                    notes["expired_archives"] = self._expire(self._directory, turn)
            except BaseException:  # KeyboardInterrupt and a stop too; it is raised again
                if archive is not None and not archive.is_finished:
                    archive.break_off(connection, is_told=is_told)
                turn.partly(self._report(plan, pruning, archive, notes))
                raise
            return self._report(plan, pruning, archive, notes)

    def _require_whole(self, plan: Plan, pruning: Pruning, *, is_whole: bool) -> None:
        if not is_whole:
            raise StoreInterruptedError(
                f"{self._store}: stopped with {pruning.done.total:,} of {plan.going:,} jobs pruned; that stays, "
                "the next prune goes on"
            )

    def _recover(self, directory: ArchiveDirectory, connection: Connection, turn: Turn) -> dict[str, Any]:
        """Complete what a prune that was killed left; what cannot be completed is named and left alone."""
        recovered, unreadable = [], []
        for name in directory.names():
            try:
                if manifest_of(directory, name) is None and recover(directory, name, connection, clock=turn.clock):
                    recovered.append(str(name))
            except ArchiveDamagedError:
                unreadable.append(str(name))
        found = {"recovered_archives": recovered, "unreadable_archives": unreadable}
        return {key: names for key, names in found.items() if names}

    def _expire(self, directory: ArchiveDirectory, turn: Turn) -> list[str]:
        names = expired(directory, self._store, now=turn.now, keep=self._archive_keep)
        remove(directory, names)
        return [str(name) for name in names]

    def _require_room(self, plan: Plan) -> None:
        wal = min(plan.going * _WAL_ROW_BYTES, _WAL_BYTES)
        if self._directory is None:
            require_room(self._store.parent, wal, "a prune's -wal")
            return
        # later rows may compress worse than those of the sample
        archive = plan.archive_bytes * 3 // 2
        is_shared = self._directory.path.stat().st_dev == self._store.stat().st_dev
        require_room(self._directory.path, archive + (wal if is_shared else 0), "an archive of pruned jobs")
        require_room(self._store.parent, wal, "a prune's -wal")

    def _report(self, plan: Plan, pruning: Pruning, archive: Archive | None, notes: dict[str, Any]) -> Report:
        jobs = pruning.done.jobs
        detail = {
            **plan.detail(),
            "pruned_jobs": pruning.done.total,
            "pruned": by_status(jobs),
            "left_jobs": plan.survey.total - pruning.done.total,
            **{name: value for name, value in notes.items() if value},
        }
        where = ""
        if archive is not None and archive.bytes:
            detail |= {"archive": str(archive.name), "archive_bytes": archive.bytes}
            where = f"; archive {archive.name}, {mebibytes(archive.bytes)}"
        return Report(
            summary=f"pruned {_described(plan, pruning.done.total)}{where}",
            detail=detail,
            counts={("pruned_jobs", status): count for status, count in each_status(jobs).items() if count},
        )


def _described(plan: Plan, jobs: int) -> str:
    text = f"{jobs:,} of {plan.jobs:,} jobs"
    left = plan.survey.total - jobs
    return f"{text}, {left:,} more are past their time and go in the next runs" if left else text


def _advice(counts: dict[str, int]) -> Report:
    listed = ", ".join(f"{age} would delete {jobs:,}" for age, jobs in counts.items())
    return Report(
        summary=f"no retention is set, so nothing was pruned: {listed} finished jobs",
        detail={"would_prune_jobs": counts},
        skipped="no_retention",
    )
