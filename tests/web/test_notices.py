"""What is said of a store, how grave it is, and what is said first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hyperjobs.testing import START
from hyperjobs.web.notices import notices_of
from hyperjobs.web.shapes import Destination, Drill, Hold, Level, Success, Task
from support.sites import make_overview

DAY = timedelta(days=1)
WELL = make_overview()


def task(name="backup", *, late=0.0, outcome="ok"):
    """A daily task whose last success is a day and so many more days ago."""
    since = DAY * (1 + late)
    return Task(
        task=name,
        schedule="@daily",
        zone="UTC",
        next_at=None,
        local=None,
        interval_seconds=86400.0,
        last_success_at=START - since,
        last_outcome=outcome,
        is_running=False,
        overdue_seconds=late * 86400.0 if late > 0.5 else None,
    )


def place(name="local", *, age=DAY):
    at = None if age is None else START - age
    counts = dict.fromkeys(("verified", "unverified", "failed", "damaged"), 0)
    return Destination(name=name, newest_verified_at=at, bytes=0, avail_bytes=None, **counts)


def store(**changes):
    return {"store": replace(WELL.store, **changes)}


def day(completed, failed):
    rate = 100.0 * completed / (completed + failed) if completed + failed else None
    return {"success": (Success(window="24h", completed=completed, failed=failed, success_rate=rate),)}


def hold(kind):
    return {"holds": (Hold(kind=kind, reason="why", message="", since=START - DAY, until=None),)}


CASES = [
    ({}, None, None),
    (store(is_readable=False, reason="damaged", message="malformed"), "store", Level.CRITICAL),
    (store(is_whole=False), "integrity", Level.CRITICAL),
    (store(is_whole=True), None, None),
    (store(numbers="counting"), "counting", Level.INFO),
    (store(unfolded_rows=10_001), "lag", Level.WARNING),
    (store(unfolded_rows=10_000), None, None),
    (store(anomalies={"not_text": 1}), "anomalies", Level.INFO),
    (store(anomalies={"not_text": 0}), None, None),
    (hold("frozen"), "frozen", Level.WARNING),
    (hold("paused"), "paused", Level.INFO),
    (hold("distrust"), "distrust", Level.WARNING),
    ({"tasks": (task(),), "destinations": (place(age=1.5 * DAY),)}, None, None),
    ({"tasks": (task(),), "destinations": (place(age=1.6 * DAY),)}, "old_backup", Level.WARNING),
    ({"tasks": (task(),), "destinations": (place(age=3.1 * DAY),)}, "old_backup", Level.CRITICAL),
    ({"tasks": (task(),), "destinations": (place(), place("far", age=2 * DAY))}, "destination", Level.WARNING),
    ({"tasks": (task(late=0.4),), "destinations": (place(age=None),)}, None, None),
    ({"destinations": (place(age=None),)}, None, None),
    ({"tasks": (task("prune", late=0.4),)}, None, None),
    ({"tasks": (task("prune", late=0.6),)}, "overdue", Level.WARNING),
    ({"tasks": (task("prune", late=2.1),)}, "overdue", Level.CRITICAL),
    ({"drill": Drill(at=START, is_ok=False, summary="x", rto_seconds=None, rpo_seconds=None)}, "drill", Level.CRITICAL),
    ({"drill": Drill(at=START, is_ok=True, summary="x", rto_seconds=1.0, rpo_seconds=0.0)}, None, None),
    (store(size_bytes={"main": 100}, filesystem_avail_bytes=199), "disk", Level.CRITICAL),
    (store(size_bytes={"main": 100}, filesystem_avail_bytes=200), None, None),
    (store(size_bytes={"main": 100, "wal": (64 << 20) + 1}), "wal", Level.WARNING),
    (store(size_bytes={"main": 100, "wal": 64 << 20}), None, None),
    ({"stalled_jobs": 1}, "stalled", Level.WARNING),
    ({"stalled_jobs": 0}, None, None),
    (day(80, 20), None, None),
    (day(79, 21), "failing", Level.WARNING),
    (day(50, 50), "failing", Level.WARNING),
    (day(49, 51), "failing", Level.CRITICAL),
    (day(0, 4), None, None),
    (day(0, 0), None, None),
]


@pytest.mark.parametrize(("changes", "word", "level"), CASES)
def test_each_thing_is_said_from_its_threshold_on(changes, word, level):
    found = [(notice.id, notice.level) for notice in notices_of(replace(WELL, **changes))]

    assert found == ([] if word is None else [(word, level)])


def test_no_verified_backup_is_critical_once_one_was_due():
    seen = replace(WELL, tasks=(task(late=0.6),), destinations=(place(age=None),))

    assert notices_of(seen)[0].id == "no_backup"


def test_what_stands_for_a_reason_is_not_said_to_be_overdue():
    for kind in ("frozen", "paused"):
        seen = replace(WELL, tasks=(task("prune", late=5.0),), **hold(kind))
        assert [notice.id for notice in notices_of(seen)] == [kind]


def test_the_gravest_is_said_first_and_several_tasks_at_once():
    seen = replace(WELL, tasks=(task("prune", late=1.0), task("drill", late=3.0)), stalled_jobs=2, **hold("distrust"))
    found = notices_of(seen, has_reload_failed=True, trouble="the state file is gone")

    assert [notice.level for notice in found] == [Level.CRITICAL] + [Level.WARNING] * 4
    assert found[0].text == "Maintenance is overdue: prune by 1 d, drill by 3 d"
    assert {notice.id for notice in found[1:]} == {"distrust", "stalled", "state", "config"}
