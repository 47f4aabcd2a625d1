"""A live restore beside the Go driver: it sees what came back, writes on, and no job of its is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import pytest

from hyperjobs.clock import SystemClock
from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.restore.live import restore_live
from hyperjobs.maintenance.restore.staging import staged
from hyperjobs.store.snapshot import Pace
from hyperjobs.testing import START
from support.processes import until

if TYPE_CHECKING:
    from pathlib import Path

    from support.gowriter import GoWriter

pytestmark = pytest.mark.tool("go-sqlite3")


def ids_in(path: Path) -> set[str]:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {row[0] for row in db.execute("SELECT id FROM jobs")}
    finally:
        db.close()


@pytest.mark.parametrize("synchronous", ["NORMAL", "FULL"])
def test_a_go_writer_goes_on_through_a_live_restore_and_nothing_it_wrote_is_lost(
    go_writer: GoWriter, tmp_path: Path, synchronous: str
) -> None:
    store, backups = tmp_path / "jobs.db", BackupDirectory(tmp_path / "backups")
    go_writer.write(store, "-jobs", 300, "-seed", 1)
    db = apsw.Connection(str(store))
    db.execute("UPDATE jobs SET id='old-'||id")  # the writer below counts from 0 again
    before = ids_in(store)
    name = BackupName.parse(create_backup(store, backups, clock=SystemClock(), pace=Pace()).name)
    assert name is not None
    db.execute("DELETE FROM jobs")
    db.close()

    arguments = ("-seconds", 4, "-rate", 300, "-seed", 2, "-synchronous", synchronous)
    with go_writer.writing(store, *arguments) as process:
        until(lambda: len(ids_in(store)) > 20, "the writer is at work")
        with staged(backups.path, name, store) as (database, _):
            kept = restore_live(database, store, now=START)
        assert before <= ids_in(store)
        written = go_writer.report(process)

    assert written.raw["errors"] is None or written.raw["errors"] == []
    in_copy, now = ids_in(kept), {job["id"]: job for job in go_writer.read(store)}
    assert before <= now.keys(), "the restored jobs are read by the client"
    created_after = {job["id"]: job for job in written.jobs if job["id"] not in in_copy}
    assert created_after, "the writer went on"
    assert {job_id: now.get(job_id) for job_id in created_after} == created_after
    assert not before & in_copy
