"""Checks of what stands between a mistake and a loss: backups, their proof, and what holds maintenance."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.agent.timetable import entries
from hyperjobs.doctor.finding import DAMAGED, REFUSED, Finding, failed, ok, skipped, warning
from hyperjobs.errors import StoreError, StoreNotFoundError
from hyperjobs.maintenance.backup.catalogue import newest_verified, read_catalogue
from hyperjobs.store.holds import BY_HAND, Holds
from hyperjobs.store.process import shown
from hyperjobs.store.runs import Outcome, Runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from hyperjobs.doctor.case import Case
    from hyperjobs.store.runs import Run

_LATE: Final = timedelta(hours=2)
_DAMAGE: Final = "integrity"


def look_at_backups(case: Case) -> Iterator[Finding]:
    """How old the newest verified backup is."""
    directory = case.config.maintenance.backup.directory
    entries_found = read_catalogue(directory, case.path)
    newest = newest_verified(entries_found)
    others = len(entries_found) - sum(entry.is_verified for entry in entries_found)
    last = _last_run(case, "backup")
    detail = {"directory": str(directory), "backups": len(entries_found), "not_verified": others}
    if newest is None:
        said = f"{directory}: no verified backup of this store"
        yield warning(f"{said}{_why(last)}", "hyperjobs backup create", **detail, age_seconds=None)
        return
    age = case.clock.now() - newest.name.at
    detail |= {"newest": str(newest.name), "age_seconds": round(age.total_seconds())}
    said = f"the newest verified backup is {shown(max(0.0, age.total_seconds()))} old: {directory}/{newest.name}"
    if (allowed := _allowed(case, "backup")) is not None and age > allowed:
        yield warning(f"{said}, and should be at most {shown(allowed.total_seconds())}{_why(last)}", _NOW, **detail)
    elif last is not None and last.outcome is Outcome.FAILED:
        yield warning(f"{said}{_why(last)}", _NOW, **detail)
    else:
        yield ok(said + (f"; {others} beside it do not count" if others else ""), **detail)


_NOW: Final = "hyperjobs runs backup says why; hyperjobs backup create takes one now"


def look_at_drill(case: Case) -> Iterator[Finding]:
    """When a backup was last restored for proof."""
    last = _last_run(case, "drill")
    allowed = _allowed(case, "drill")
    if last is None or last.ended_at is None:
        message = "no backup was ever restored for proof"
        yield warning(message, "hyperjobs drill") if allowed is not None else ok(f"{message}; none is scheduled")
        return
    age = case.clock.now() - last.ended_at
    said = f"the last drill was {shown(max(0.0, age.total_seconds()))} ago"
    detail: dict[str, Any] = {"age_seconds": round(age.total_seconds()), "outcome": str(last.outcome)}
    if last.outcome is Outcome.FAILED:
        yield failed(f"{said} and failed: {last.summary}", "hyperjobs backup verify --all; hyperjobs drill", **detail)
    elif allowed is not None and age > allowed:
        yield warning(f"{said}", "hyperjobs drill", **detail)
    else:
        yield ok(f"{said}: {last.summary}", **detail)


def look_at_holds(case: Case) -> Iterator[Finding]:
    """Whether maintenance may run."""
    try:
        with case.state() as state:
            holds = Holds(state)
            frozen, distrusted, paused = holds.frozen(), holds.distrusted(), holds.paused(case.clock.now())
    except StoreNotFoundError:
        yield ok("no agent has kept records of this store here")
        return
    except StoreError as exc:
        yield skipped(f"the records of maintenance cannot be read: {exc}")
        return
    found: list[Finding] = []
    for each in frozen:
        said = f"frozen since {each.since:%Y-%m-%dT%H:%M:%SZ} ({each.reason}): {each.message}"
        remedy = "find out why; then hyperjobs unfreeze --reason 'what was done'"
        if each.reason == BY_HAND:
            found.append(warning(said, remedy))
        else:
            found.append(failed(said, remedy, DAMAGED if each.reason == _DAMAGE else REFUSED, reason=each.reason))
    found += [
        warning(f"backups are not rotated, for {each.reason} is bad: {each.message}", "hyperjobs backup verify --all")
        for each in distrusted
    ]
    if paused is not None:
        found.append(warning(f"paused until {paused.until:%Y-%m-%dT%H:%M:%SZ}: {paused.reason}", "hyperjobs resume"))
    yield from found or [ok("maintenance is neither frozen nor paused")]


def _last_run(case: Case, task: str) -> Run | None:
    try:
        with case.state() as state:
            return Runs(state).last_ended(task, Outcome.OK, Outcome.FAILED)
    except StoreError:
        return None


def _allowed(case: Case, task: str) -> timedelta | None:
    """How old its last success may be; ``None`` when it is not scheduled."""
    now: datetime = case.clock.now()
    found = next((entry for entry in entries(case.config) if entry.task == task), None)
    return None if found is None else found.schedule.expected_interval(now) + _LATE


def _why(last: Run | None) -> str:
    return f"; the last run failed: {last.summary}" if last is not None and last.outcome is Outcome.FAILED else ""
