"""A vacuum or a checkpoint that is killed at any moment costs no row and leaves nothing behind."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from hyperjobs.store.connection import Connection
from support.ledgers import make_store
from support.processes import running
from support.spaces import content_of

if TYPE_CHECKING:
    from pathlib import Path

_VICTIM = """
import sys
from pathlib import Path
import apsw
from hyperjobs.errors import StoreError
from hyperjobs.maintenance.checkpoint import CheckpointTask
from hyperjobs.maintenance.vacuum.task import VacuumTask
from support.spaces import turn
store = Path(sys.argv[1])
tasks = [VacuumTask(store, mode="full", min_free=0.0), CheckpointTask(store, truncate=lambda _now: True),
         VacuumTask(store, mode="convert"), VacuumTask(store, min_free=0.0)]
db = apsw.Connection(str(store)); db.set_busy_timeout(20_000)
print("ready", flush=True)
while True:
    for task in tasks:
        try:
            db.execute("DELETE FROM filler")
            db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1500)"
                       " INSERT INTO filler SELECT zeroblob(3000) FROM n")
            db.execute("DELETE FROM filler")
            task.run(turn())
            print(task.name, flush=True)
        except (StoreError, apsw.BusyError):
            pass
"""
_WRITER = """
import json, sys, apsw
db = apsw.Connection(sys.argv[1]); db.set_busy_timeout(20_000)
number = 0
while True:
    number += 1
    job = f"{sys.argv[2]}-{number}"
    db.execute("INSERT INTO jobs VALUES(?,'n','vm','/vm','vsphere','/out','running','2026-01-01 10:00:00+00:00',"
               "NULL,NULL,0.0,'','null','',0,0)", (job,))
    if number % 3 == 0:
        db.execute("DELETE FROM jobs WHERE id=?", (job,))
    print(number, flush=True)
"""


def environment() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(sys.path)}


def cycles(tmp_path: Path, number: int) -> None:
    """Kill the victim so many times while two writers write, then hold what they were told against what is there."""
    store = make_store(tmp_path / "jobs.db")
    connection = Connection(store)
    connection.rows("CREATE TABLE filler(x)")
    connection.close()
    writers = [[sys.executable, "-c", _WRITER, store, name] for name in ("a", "b")]
    with running(writers[0]) as one, running(writers[1]) as other:
        for cycle in range(number):
            with running([sys.executable, "-c", _VICTIM, store], env=environment()) as victim:
                said = cycle % 7  # so that it is killed in another task, and another moment of it, each time
                victim.until(lambda victim=victim, said=said: victim.output.count("\n") > said, "a victim at work")
                victim.kill()
        for writer in (one, other):
            writer.until(lambda writer=writer: writer.output.count("\n") > 10, "a writer at work")
            writer.kill()
        acknowledged = {name: int(writer.output.split()[-1]) for name, writer in (("a", one), ("b", other))}

    content_of(store)  # is sound
    connection = Connection(store)
    there = {str(job) for (job,) in connection.rows("SELECT id FROM jobs")}
    connection.close()
    for name, last in acknowledged.items():
        expected = {f"{name}-{n}" for n in range(1, last + 1) if n % 3}
        assert expected - there == set()
        # the one statement after the last answer may have been done
        assert {job for job in there if job.startswith(name)} - expected <= {f"{name}-{n}" for n in (last, last + 1)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jobs.db"]


def test_killed_again_and_again_beside_two_writers_no_acknowledged_row_is_lost(tmp_path):
    cycles(tmp_path, 5)


@pytest.mark.long
def test_the_same_a_hundred_times(tmp_path):
    cycles(tmp_path, 100)
