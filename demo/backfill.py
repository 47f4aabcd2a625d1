"""The past, lived through in seconds: what the fleet wrote, what the agent did about it, and what Prometheus saw.

``python -m demo.backfill STORE`` writes the store, its state, its backups, and the samples of all scrapes. Nothing in
them is drawn by hand: the agent's own parts work on the fleet's own writes, under a clock that is moved on.
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from demo.life import Fleet
from demo.rhythm import bad_night, incidents
from demo.samples import SampleFile
from demo.timelapse import PastVFS, TimeLapse
from demo.watch import Watch
from demo.writer import ZONE, connect
from hyperjobs.config import load_config
from hyperjobs.logs import configure_logs
from hyperjobs.store.sqlite import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

    from demo.rhythm import Incident

CONFIG: Final = Path(__file__).with_name("hyperjobs.yaml")
NIGHTLY: Final = {
    "maintenance.integrity.quick": "15 1 * * *",
    "maintenance.integrity.full": "45 4 * * *",
    "maintenance.backup.schedule": "30 1 * * *",
    "maintenance.prune.schedule": "30 2 * * *",
    "maintenance.optimize.schedule": "50 2 * * *",
    "maintenance.vacuum.schedule": "0 3 * * *",
    "maintenance.drill.schedule": "0 4 * * *",
}
"""When the agent of the past did its work."""
_QUIET_S: Final = 30 * 3600.0
_INCIDENT_S: Final = 1_800.0
_OFF_NIGHTS_AGO: Final = 9
_OFF_HOURS: Final = (0, 7)
"""On one night the agent's host was off, UTC; the fleet wrote on."""
_STEP: Final = timedelta(minutes=30)
_LAST_STEP: Final = timedelta(minutes=5)
_LAST: Final = timedelta(hours=24)
"""The time between two scrapes, and in the last day, which is looked at most."""


def past(seed: int, now_s: float, days: float) -> Fleet:
    """The fleet as it was so many days ago; within an hour it is always the same."""
    chance = random.Random(f"past {seed}")  # noqa: S311 - no secret
    now = datetime.fromtimestamp(now_s, ZONE)
    began = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=days)
    return Fleet(chance, began.timestamp(), _troubles(chance, began.timestamp(), now), report_every_s=None)


def _troubles(chance: random.Random, began_s: float, now: datetime) -> Iterator[Incident]:
    others = incidents(random.Random(chance.random()), began_s, _QUIET_S, length_s=_INCIDENT_S)  # noqa: S311 - no secret
    return heapq.merge(others, [bad_night(now)], key=lambda each: each.end_s)


def main() -> None:
    """Live through the past."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("store", type=Path)
    words.add_argument("--days", type=float, default=14.0)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--samples", type=Path, help="where scrapes go")
    words.add_argument("--instance", default="127.0.0.1:10985", help="their label")
    given = words.parse_args()
    configure_logs("warning", "json")
    end = datetime.now(UTC)
    fleet = past(given.seed, end.timestamp(), given.days)
    clock = TimeLapse(datetime.fromtimestamp(fleet.next_s, UTC))
    open_store(given.store, create=True).close()
    config = load_config(CONFIG, environ=os.environ, overrides=NIGHTLY)
    vfs = PastVFS(clock)
    watch = Watch(config, given.store, clock)
    samples = SampleFile(given.samples or Path(os.devnull), given.instance)
    with closing(connect(given.store, vfs=vfs.name)) as db, closing(watch), closing(samples):
        was_off = False
        for at in _moments(watch, clock.now(), end):
            _write(db, fleet, clock, at)
            clock.go_to(at)
            if _is_off(at, end):
                was_off = True
                continue
            if was_off:
                watch.woke()
                was_off = False
            watch.turn()
            samples.add(watch.scrape(), clock.now())
        jobs = sum(1 for _ in db.execute("SELECT 1 FROM jobs"))
    sys.stdout.write(f"{given.days:g} days of a fleet: {jobs:,} jobs are left of it\n")


def _moments(watch: Watch, start: datetime, end: datetime) -> Iterator[datetime]:
    """When the agent of the past is looked at: every step, and whenever something is due."""
    found = set(watch.slots(start, end))
    at = start
    while at < end:
        at += _LAST_STEP if end - at <= _LAST else _STEP
        found.add(min(at, end))
    yield from sorted(found)


def _write(db: apsw.Connection, fleet: Fleet, clock: TimeLapse, until: datetime) -> None:
    """What the fleet writes up to a time, each at its own; one commit for all, for nobody reads in between."""
    db.execute("BEGIN IMMEDIATE")
    for at_s, (sql, values) in fleet.timed(until.timestamp()):
        clock.go_to(datetime.fromtimestamp(at_s, UTC))
        db.execute(sql, values)
    for sql, values in fleet.reports(until.timestamp()):
        db.execute(sql, values)
    db.execute("COMMIT")


def _is_off(at: datetime, end: datetime) -> bool:
    """Whether the agent's host is off at this time."""
    return (end.date() - at.date()).days == _OFF_NIGHTS_AGO and _OFF_HOURS[0] <= at.hour < _OFF_HOURS[1]


if __name__ == "__main__":
    main()
