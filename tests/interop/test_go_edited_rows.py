"""Rows that an operator edited, read by the Go client: every move there is, and the client goes on with the job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import pytest

from hyperjobs import JobStatus, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from support.gowriter import GoWriter

pytestmark = pytest.mark.tool("go-sqlite3")


def test_every_move_leaves_a_list_that_the_go_client_reads_as_we_do(go_writer: GoWriter, tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    go_writer.write(path, "-jobs", 120, "-seed", 5, zone="Asia/Kolkata")
    ids = [job["id"] for job in go_writer.read(path)]

    with open_store(path) as store:
        for number, job_id in enumerate(ids):
            job = store.load_job(job_id)
            moved = store.transition(
                job_id, list(JobStatus)[number % 5], expected=job, error="by hand" if number % 2 else None, force=True
            )
            assert moved.status == list(JobStatus)[number % 5]
        ours = {job.id: job for job in store.list_jobs()}
    theirs = {job["id"]: job for job in go_writer.read(path)}

    assert theirs.keys() == ours.keys()
    for job_id, job in theirs.items():
        assert (job["status"], job["progress"], job["error"], job["total_size"]) == (
            str(ours[job_id].status),
            ours[job_id].progress,
            ours[job_id].error,
            ours[job_id].total_size,
        )
        assert (job["started_at"] is None) == (ours[job_id].started_at is None)
        assert (job["completed_at"] is None) == (ours[job_id].completed_at is None)
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    nulls = "error IS NULL OR metadata IS NULL OR user IS NULL OR progress IS NULL OR total_size IS NULL"
    assert db.execute(f"SELECT count(*) FROM jobs WHERE {nulls}").fetchall() == [(0,)]  # noqa: S608 - ours
    db.close()
