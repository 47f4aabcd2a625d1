"""What is told at a glance is what the metrics tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import apsw
import pytest

from hyperjobs.store.connection import Connection
from hyperjobs.store.glance import read_glance
from hyperjobs.store.ledger.window import WINDOWS
from hyperjobs.testing import FakeClock
from support.ledgers import Kept, insert, make_store

START = datetime(2026, 3, 4, 5, tzinfo=UTC)


def fill(path, now):
    """A job just in each window, one just before it, and one in the hour that goes on."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    db = apsw.Connection(str(path))
    for name, hours in WINDOWS.items():
        begin = hour - timedelta(hours=hours - 1)
        for edge, at in (("in", begin), ("out", begin - timedelta(seconds=1))):
            insert(db, f"{edge} {name}", "completed", completed=at.isoformat(" "))
    insert(db, "now", "failed", completed=hour.isoformat(" "))
    db.close()


def glanced(path, now):
    connection = Connection(path, read_only=True)
    try:
        found = read_glance(connection, now).success
    finally:
        connection.close()
    return {name: stats.completed + stats.failed for name, stats in found.items()}


@pytest.mark.parametrize("minutes", [0, 37], ids=["on the hour", "within it"])
def test_the_windows_are_those_of_the_metrics_with_a_ledger_and_without(tmp_path, minutes):
    bare, path = (make_store(tmp_path / name) for name in ("bare.db", "jobs.db"))
    kept = Kept(path, tmp_path / "state", clock=FakeClock(START.replace(minute=minutes)))
    now = kept.clock.now()
    fill(bare, now)
    fill(path, now)
    kept.turn()
    kept.turn()

    windows = {name: sum(found.values()) for name, found in kept.view().windows.items()}
    kept.stop()

    assert glanced(path, now) == glanced(bare, now) == windows == {"24h": 2, "7d": 4}


def test_counts_are_in_the_order_of_a_jobs_life_with_a_ledger_too(tmp_path):
    path = make_store(tmp_path / "jobs.db")
    kept = Kept(path, tmp_path / "state", clock=FakeClock(START))
    db = apsw.Connection(str(path))
    for status in ("failed", "completed", "strange", "running", "pending", "cancelled"):
        insert(db, f"job-{status}", status)
    db.close()
    kept.turn()
    kept.stop()

    connection = Connection(path, read_only=True)
    jobs = read_glance(connection, START).jobs
    connection.close()

    assert list(jobs) == ["pending", "running", "completed", "failed", "cancelled", "other"]
