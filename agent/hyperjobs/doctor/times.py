"""Checks of the clock, the zones it is read in, and the schedules that go by both."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hyperjobs.agent.timetable import entries
from hyperjobs.cron.expression import Schedule
from hyperjobs.cron.shift import Shift, shift_of
from hyperjobs.cron.zone import find_zone
from hyperjobs.doctor.finding import FAILED, Finding, failed, ok, warning
from hyperjobs.errors import HyperjobsError, StoreError
from hyperjobs.maintenance.backup.catalogue import newest_verified, read_catalogue
from hyperjobs.maintenance.plan import next_slot
from hyperjobs.store import instant
from hyperjobs.store.process import shown
from hyperjobs.store.runs import Runs
from hyperjobs.store.timekeeper import Timekeeper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperjobs.doctor.case import Case
    from hyperjobs.maintenance.timetable import TimetableEntry

_EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
_BACK: Final = timedelta(minutes=10)
_DAY: Final = timedelta(days=1)
_YEAR: Final = timedelta(days=400)
_NIGHT: Final = timedelta(hours=8)
_PROBE_ZONES: Final = ("Europe/Berlin", "America/New_York", "Asia/Tokyo")
_SET_CLOCK: Final = "set the clock (timedatectl); prune refuses until it is right"


def look_at_clock(case: Case) -> Iterator[Finding]:
    """Whether the wall clock can be right."""
    now = case.clock.now()
    if not _EARLIEST < now < _LATEST:
        yield failed(f"the clock says {now:%Y-%m-%d}, which cannot be", _SET_CLOCK, FAILED, now=now.isoformat())
        return
    found = [*_against_records(case, now), *_against_backups(case, now), *_against_jobs(case, now)]
    yield from found or [ok(f"it is {now:%Y-%m-%dT%H:%M:%SZ}, and nothing contradicts that", now=now.isoformat())]


def _against_records(case: Case, now: datetime) -> Iterator[Finding]:
    jump = case.config.maintenance.prune.max_clock_jump
    try:
        with case.state() as state:
            expected = Timekeeper(state, clock=case.clock, max_jump=jump).expected()
    except StoreError:
        return
    # after a start of the machine nobody knows how long it was off: only backwards is then a contradiction
    if expected is not None and not -_BACK <= now - expected <= max(jump, _YEAR):
        off = shown(abs((now - expected).total_seconds()))
        yield warning(
            f"the clock is {off} from where its last reading puts it", _SET_CLOCK, expected=expected.isoformat()
        )


def _against_backups(case: Case, now: datetime) -> Iterator[Finding]:
    try:
        newest = newest_verified(read_catalogue(case.config.maintenance.backup.directory, case.path))
    except HyperjobsError:
        return
    if newest is not None and newest.name.at > now + _BACK:
        yield warning(f"the newest backup is dated {newest.name.at:%Y-%m-%dT%H:%M:%SZ}, which is to come", _SET_CLOCK)


def _against_jobs(case: Case, now: datetime) -> Iterator[Finding]:
    if case.recognition is None:
        return
    with case.opened(1.0) as connection:
        # text of another zone can be a day ahead in its order, and is not in its instant
        newest = connection.rows("SELECT CAST(created_at AS BLOB) FROM jobs ORDER BY created_at DESC LIMIT 1")
    text = newest[0][0] if newest else None
    at = instant.parse(text.decode(errors="replace")) if isinstance(text, bytes) else None
    if at is not None and at > now + _DAY:
        yield warning(
            f"the newest job was created {at:%Y-%m-%dT%H:%M:%SZ}, which is to come: this clock, or a writer's, is off",
            "compare the clocks of this host and of hypersdk's (timedatectl)",
        )


def look_at_zones(case: Case) -> Iterator[Finding]:
    """Whether time zones can be read, and those that are configured are among them."""
    care = case.config.maintenance
    names = {care.timezone, *(entry.zone.key for entry in entries(case.config))}
    missing = sorted(name for name in (*names, *_PROBE_ZONES) if not _is_zone(name))
    if missing:
        yield failed(f"time zones cannot be read: {', '.join(missing)}", "install tzdata", FAILED, missing=missing)
        return
    version = _tzdata()
    yield ok(f"{', '.join(sorted(names))} can be read{f' (tzdata {version})' if version else ''}", tzdata=version)


def _is_zone(name: str) -> bool:
    try:
        find_zone(name)
    except ValueError:
        return False
    return True


def _tzdata() -> str:
    for folder in zoneinfo.TZPATH:
        try:
            with Path(folder, "tzdata.zi").open(encoding="utf-8") as file:
                first = file.readline()
        except OSError:
            continue
        return first.removeprefix("# version ").strip() if first.startswith("# version ") else ""
    return ""


def look_at_schedule(case: Case) -> Iterator[Finding]:
    """Whether the tasks come when they should, and in their order."""
    now, timetable = case.clock.now(), entries(case.config)
    found: list[Finding] = [*_never(timetable, now), *_order(timetable, now), *_gaps(timetable, now)]
    found += _overlaps(case, timetable, now)
    if case.config.maintenance.backup.schedule is None:
        found.append(warning("no backup is scheduled", "set maintenance.backup.schedule, and reload"))
    tasks = [entry.task for entry in timetable]
    yield from found or [ok(f"{len(tasks)} tasks are scheduled, in order: {', '.join(tasks)}", tasks=tasks)]


def _never(timetable: list[TimetableEntry], now: datetime) -> Iterator[Finding]:
    for entry in timetable:
        if next_slot(entry, now) is None:
            yield failed(
                f"{entry.task} never runs by {entry.schedule}", f"correct the schedule of {entry.task}", FAILED
            )


def _order(timetable: list[TimetableEntry], now: datetime) -> Iterator[Finding]:
    """A prune shortly before the night's backup deletes what no backup of that night holds."""
    by_task = {entry.task: entry.schedule for entry in timetable}
    if not {"prune", "backup"} <= by_task.keys():
        return
    for slot in islice(by_task["prune"].after(now), 3):
        after = next(by_task["backup"].after(slot.at), None)
        before = next(by_task["backup"].before(slot.at), None)
        if after and before and after.at - slot.at < _NIGHT and slot.at - before.at > _NIGHT:
            yield warning(
                f"prune runs {shown((after.at - slot.at).total_seconds())} before the backup, which then lacks what it deleted",
                "put maintenance.prune.schedule after maintenance.backup.schedule",
            )
            return


def _gaps(timetable: list[TimetableEntry], now: datetime) -> Iterator[Finding]:
    for entry in timetable:
        schedule = entry.schedule
        if not isinstance(schedule, Schedule) or schedule.is_interval:
            continue
        slots = takewhile(lambda slot: slot.at < now + _YEAR, schedule.after(now))
        moved = next((slot for slot in slots if shift_of(schedule, slot) is Shift.GAP), None)
        if moved is not None:
            yield warning(
                f"{entry.task}: the clocks of {schedule.zone} skip {moved.nominal.partition(' ')[0]}, so it runs right after",
                f"hyperjobs schedule preview --task {entry.task}; another hour, or UTC, has no such day",
            )


def _overlaps(case: Case, timetable: list[TimetableEntry], now: datetime) -> Iterator[Finding]:
    """Tasks whose last run took until after the next one's time; they wait for each other, and come late."""
    try:
        with case.state() as state:
            took = {task: status.last_seconds or 0.0 for task, status in Runs(state).statuses().items()}
    except StoreError:
        return
    heavy = [entry for entry in timetable if not entry.is_light]
    planned = sorted(filter(None, (next_slot(entry, now) for entry in heavy)), key=lambda each: each.starts)
    for early, late in pairwise(planned):
        seconds = took.get(early.entry.task, 0.0)
        if early.starts < late.starts < early.starts + timedelta(seconds=seconds):
            yield warning(
                f"{early.entry.task} took {shown(seconds)} last time, so {late.entry.task} will begin late",
                f"give {late.entry.task} a later schedule",
            )
