"""What is wrong, in words, and what to do about it: the first line of the status page. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hyperjobs.web.shapes import Level, Notice
from hyperjobs.web.words import age, number, size, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperjobs.web.shapes import Overview, Task

_REMEDIES: Final = {
    "missing": "mount its disk, or correct store.path",
    "not_a_store": "correct store.path",
    "foreign": "correct store.path",
    "newer": "upgrade hyperjobs: a newer one put its tables there",
    "damaged": "restore a backup: hyperjobs restore --dry-run shows what it would do",
    "busy": "end the process that holds it locked as a whole; the agent's log names it",
    "permission": "give the agent's user the right to read it; the log names file, owner and mode",
    "readonly": "give the agent's user the right to write beside it; the log names the file",
    "hard_link": "remove the file's other name",
    "no_space": "free some space on its disk",
    "timeout": "look at the disk: the store could not be read in time",
}
_ORDER: Final = (Level.CRITICAL, Level.WARNING, Level.INFO)
_FEW_JOBS: Final = 5
"""A success rate of fewer jobs says nothing, as in the alert on it."""
_WARNING_RATE, _CRITICAL_RATE = 80.0, 50.0
_VERIFIED_WITHIN: Final = timedelta(days=8)
_OLD, _TOO_OLD = 1.5, 3.0
"""Intervals since the last success: one that was missed, and two."""
_LONG_WAL_BYTES: Final = 64 << 20
_FOLDED_LATE_ROWS: Final = 10_000


def notices_of(seen: Overview, *, has_reload_failed: bool = False, trouble: str | None = None) -> tuple[Notice, ...]:
    """Everything worth saying about an overview whose notices are not in it yet, the gravest first.

    Thresholds are those of the alerts, so that the page and the pager say the same.

    Args:
        seen: what is known.
        has_reload_failed: whether the configuration on disk is not the one in force.
        trouble: why some of it is not known, in a sentence.
    """
    found = [*_store(seen), *_holds(seen), *_backups(seen), *_tasks(seen), *_space(seen), *_jobs(seen)]
    if trouble is not None:
        text = f"Some of what is known is not shown: {trouble}"
        found.append(_warning("state", text, "look at store.state_dir and at the directory of backups"))
    if has_reload_failed:
        text = "The configuration could not be read again, so the old one is in force"
        found.append(_warning("config", text, "read why: hyperjobs config check"))
    return tuple(sorted(found, key=lambda notice: _ORDER.index(notice.level)))


def _store(seen: Overview) -> Iterator[Notice]:
    store = seen.store
    if not store.is_readable:
        text = f"The store cannot be read: {store.message or store.reason}"
        yield _critical("store", text, _REMEDIES.get(store.reason or "", "read the agent's log"))
    if store.is_whole is False:
        text = "The last integrity check found the store damaged"
        yield _critical("integrity", text, "restore a backup: hyperjobs restore --dry-run shows what it would do")
    if store.numbers == "counting":
        yield Notice(id="counting", level=Level.INFO, text="The jobs are being counted for the first time")
    if store.unfolded_rows > _FOLDED_LATE_ROWS:
        text = f"The numbers lag: {number(store.unfolded_rows)} changes are not added up yet"
        yield _warning("lag", text, "wait, or see in the log why the ledger is not folded")
    if store.anomalies and (rows := sum(store.anomalies.values())):
        kinds = ", ".join(f"{kind} {number(rows)}" for kind, rows in sorted(store.anomalies.items()) if rows)
        text = f"{_jobs_of(rows)} hold values that cannot be ({kinds})"
        yield Notice(id="anomalies", level=Level.INFO, text=text, remedy="see hyperjobs integrity")


def _holds(seen: Overview) -> Iterator[Notice]:
    for hold in seen.holds:
        since = f"for {age(hold.since, seen.at)}"
        if hold.kind == "paused":
            until = f" until {hold.until:%Y-%m-%d %H:%M} UTC" if hold.until is not None else ""
            text = f"Maintenance is paused{until}: {hold.reason}"
            yield Notice(id="paused", level=Level.INFO, text=text, remedy="hyperjobs resume ends it")
        elif hold.kind == "distrust":
            text = f"Backup {hold.reason} turned out to be bad, so no backup is rotated out"
            yield _warning("distrust", text, "look at it, then hyperjobs unfreeze --reason …")
        else:
            why = f": {hold.message}" if hold.message else ""
            text = f"Maintenance is frozen {since} ({hold.reason}){why}"
            yield _warning("frozen", text, "find out why, then hyperjobs unfreeze --reason …")


def _backups(seen: Overview) -> Iterator[Notice]:
    if seen.drill is not None and not seen.drill.is_ok:
        text = f"The restore drill of {age(seen.drill.at, seen.at)} ago failed: {seen.drill.summary}"
        yield _critical("drill", text, "take a backup and try again: hyperjobs backup create, then hyperjobs drill")
    task = next((task for task in seen.tasks if task.task == "backup" and task.interval_seconds), None)
    if task is None or task.interval_seconds is None:
        return  # nobody asked for backups here, so none is missed
    local = next((place for place in seen.destinations if place.name == "local"), None)
    newest = local.newest_verified_at if local is not None else None
    remedy = "take one now: hyperjobs backup create"
    if newest is None:
        if task.last_success_at is not None and _intervals(task, seen) > _OLD:
            yield _critical("no_backup", "There is no verified backup", remedy)
        return
    behind = (seen.at - newest).total_seconds() / task.interval_seconds
    if behind > _TOO_OLD or seen.at - newest > _VERIFIED_WITHIN:
        yield _critical("old_backup", f"The last verified backup is {age(newest, seen.at)} old", remedy)
    elif behind > _OLD:
        yield _warning("old_backup", f"The last verified backup is {age(newest, seen.at)} old", remedy)
    for place in seen.destinations:
        at = place.newest_verified_at
        if place.name != "local" and (at is None or (seen.at - at).total_seconds() > _OLD * task.interval_seconds):
            text = f"Destination {place.name} has no recent backup"
            yield _warning("destination", text, f"see hyperjobs backup list --from {place.name}")


def _tasks(seen: Overview) -> Iterator[Notice]:
    frozen = {hold.kind for hold in seen.holds} & {"frozen", "paused"}
    last = {run.task: run for run in reversed(seen.runs) if run.outcome is not None}
    for task in seen.tasks:
        run = last.get(task.task)
        if task.last_outcome == "failed" and run is not None and task.task != "drill":
            text = f"The last {task.task} failed {age(run.started_at, seen.at)} ago: {run.summary or run.reason}"
            yield _warning("task_failed", text, f"see hyperjobs runs {task.task}, then hyperjobs {_command(task)}")
    late = [task for task in seen.tasks if task.overdue_seconds is not None and task.last_outcome != "failed"]
    if late and not frozen:
        level = Level.CRITICAL if any(_intervals(task, seen) > _TOO_OLD for task in late) else Level.WARNING
        names = ", ".join(f"{task.task} by {span(task.overdue_seconds)}" for task in late)
        remedy = f"see hyperjobs runs {late[0].task}, then hyperjobs {_command(late[0])}"
        yield Notice(id="overdue", level=level, text=f"Maintenance is overdue: {names}", remedy=remedy)


def _space(seen: Overview) -> Iterator[Notice]:
    store = seen.store
    main, wal = store.size_bytes.get("main", 0), store.size_bytes.get("wal", 0)
    avail = store.filesystem_avail_bytes
    if avail is not None and main and avail < 2 * main:
        text = f"The store's disk has {size(avail)} left, less than twice the store"
        yield _critical("disk", text, "free some space: a vacuum or a backup needs it")
    if wal > max(_LONG_WAL_BYTES, main):
        text = f"The write-ahead log has grown to {size(wal)}"
        yield _warning("wal", text, "find the reader that stays open: hyperjobs checkpoint says who")


def _jobs(seen: Overview) -> Iterator[Notice]:
    if seen.stalled_jobs:
        text = f"{_jobs_of(seen.stalled_jobs)} run without progress"
        yield _warning("stalled", text, "see below, and in the log of hypersdk")
    day = next((each for each in seen.success if each.window == "24h"), None)
    if day is None or day.success_rate is None or day.completed + day.failed < _FEW_JOBS:
        return
    if day.success_rate < _WARNING_RATE:
        level = Level.CRITICAL if day.success_rate < _CRITICAL_RATE else Level.WARNING
        text = f"{number(day.failed)} of {number(day.completed + day.failed)} jobs failed in the last 24 hours"
        yield Notice(id="failing", level=level, text=text, remedy="see the kinds of error below")


def _intervals(task: Task, seen: Overview) -> float:
    """How many of a task's intervals its last success is ago."""
    if task.last_success_at is None or not task.interval_seconds:
        return 0.0
    return (seen.at - task.last_success_at).total_seconds() / task.interval_seconds


def _command(task: Task) -> str:
    return {"backup": "backup create", "integrity-quick": "integrity", "integrity-full": "integrity --full"}.get(
        task.task, task.task
    )


def _jobs_of(count: int) -> str:
    return "1 job" if count == 1 else f"{number(count)} jobs"


def _critical(word: str, text: str, remedy: str) -> Notice:
    return Notice(id=word, level=Level.CRITICAL, text=text, remedy=remedy)


def _warning(word: str, text: str, remedy: str) -> Notice:
    return Notice(id=word, level=Level.WARNING, text=text, remedy=remedy)
