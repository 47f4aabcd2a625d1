"""The past: two weeks of jobs in a new store, up to now: ``python -m demo.backfill STORE``."""

from __future__ import annotations

import argparse
import heapq
import random
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from demo.life import Fleet
from demo.rhythm import bad_night, incidents
from demo.writer import ZONE, connect
from hyperjobs.store.sqlite import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.rhythm import Incident

_QUIET_S: Final = 30 * 3600.0
_INCIDENT_S: Final = 1_800.0
_BAD_NIGHTS_AGO: Final = 4
_PER_COMMIT: Final = 2_000


def past(seed: int, now_s: float, days: float) -> Fleet:
    """The fleet as it was so many days ago; within an hour it is always the same."""
    chance = random.Random(f"past {seed}")  # noqa: S311 - no secret
    now = datetime.fromtimestamp(now_s, ZONE)
    # from a whole hour on, so that whoever looks again within it finds the same
    began_s = (now.replace(minute=0, second=0, microsecond=0) - timedelta(days=days)).timestamp()
    return Fleet(chance, began_s, _troubles(chance, began_s, now), report_every_s=None)


def _troubles(chance: random.Random, began_s: float, now: datetime) -> Iterator[Incident]:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    night = bad_night((midnight - timedelta(days=_BAD_NIGHTS_AGO)).timestamp())
    others = incidents(random.Random(chance.random()), began_s, _QUIET_S, length_s=_INCIDENT_S)  # noqa: S311 - no secret
    return heapq.merge(others, [night], key=lambda each: each.end_s)


def main() -> None:
    """Make the store and fill it."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("store", type=Path)
    words.add_argument("--days", type=float, default=14.0)
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    now_s = time.time()
    open_store(given.store, create=True).close()
    db = connect(given.store)
    db.execute("BEGIN IMMEDIATE")
    fleet = past(given.seed, now_s, given.days)
    for number, (sql, values) in enumerate(fleet.until(now_s), 1):
        db.execute(sql, values)
        if number % _PER_COMMIT == 0:
            db.execute("COMMIT")
            db.execute("BEGIN IMMEDIATE")
    for sql, values in fleet.reports(now_s):
        db.execute(sql, values)
    db.execute("COMMIT")
    jobs = db.execute("SELECT count(*) FROM jobs").fetchall()[0][0]
    db.close()
    sys.stdout.write(f"backfill: {jobs:,} jobs of {given.days:g} days\n")


if __name__ == "__main__":
    main()
