"""The Go driver and hyperjobs on one store: neither notices the other, and both read the same jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from hyperjobs import Job, JobStatus, open_store
from support.processes import agent, until

if TYPE_CHECKING:
    from pathlib import Path

    from support.gowriter import GoWriter, Written

pytestmark = pytest.mark.tool("go-sqlite3")

ZONES = ["UTC", "Asia/Kolkata", "America/St_Johns"]
CREATE = {"HYPERJOBS_STORE__CREATE": "true"}
# Far above what a write takes, far below the 5 s after which a writer gives up.
SLOW = ("-slow-ms", 1000)


def instant(text: str | None) -> datetime | None:
    """The instant of an RFC 3339 time, to the microsecond; Go writes nine digits where there are as many."""
    if text is None:
        return None
    clock, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    zone = rest[len(digits) :]
    return datetime.fromisoformat(f"{clock}.{digits[:6]:0<6}{zone}" if dot else clock).astimezone(UTC)


def as_read_by_go(job: Job) -> dict[str, Any]:
    """A job of ours in the shape the Go reader prints, times as instants."""
    return {
        "id": job.id,
        "name": job.name,
        "vm_name": job.vm_name,
        "vm_path": job.vm_path,
        "provider": job.provider,
        "output_dir": job.output_dir,
        "status": str(job.status),
        "created_at": job.created_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "progress": job.progress,
        "error": job.error,
        "metadata": None if job.metadata is None else dict(job.metadata),
        "user": job.user,
        "total_size": job.total_size,
        "files_count": job.files_count,
    }


def with_instants(job: dict[str, Any]) -> dict[str, Any]:
    """A job as Go printed it, times as instants."""
    return job | {key: instant(job[key]) for key in ("created_at", "started_at", "completed_at")}


def assert_undisturbed(written: Written) -> None:
    assert written.raw["errors"] == []
    assert written.raw["slow"] == []


@pytest.mark.parametrize("zone", ZONES)
def test_the_library_reads_what_go_wrote(go_writer: GoWriter, tmp_path: Path, zone: str) -> None:
    store = tmp_path / "jobs.db"
    written = go_writer.write(store, "-jobs", 60, zone=zone)

    with open_store(store) as opened:
        jobs = {job.id: job for job in opened.iter_jobs()}

    assert [job.flags for job in jobs.values() if job.flags] == []
    assert {key: as_read_by_go(job) for key, job in jobs.items()} == {
        job["id"]: with_instants(job) for job in written.jobs
    }


def test_go_reads_what_the_library_wrote(go_writer: GoWriter, tmp_path: Path) -> None:
    store = tmp_path / "jobs.db"
    at = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
    place = {"name": "Export データ ✓", "vm_name": "データ", "vm_path": "/dc/vm/x", "output_dir": "/exports/x"}
    bare = Job(id="bare", provider="aws", created_at=at, **place)
    full = Job(
        id="full",
        provider="vsphere",
        status=JobStatus.FAILED,
        created_at=at,
        started_at=at,
        completed_at=at,
        progress=37.6,
        error='disk "1"\nfull',
        metadata={"tags": ["a", "b"], "nested": {"n": 1.5}, "none": None},
        user="alice",
        total_size=2**53 + 1,
        files_count=7,
        **place,
    )

    with open_store(store, create=True) as opened:
        opened.save_job(bare)
        opened.save_jobs([full, Job(id="many", provider="gcp", created_at=at, **place)])
        opened.update_job_status("many", JobStatus.RUNNING)
        opened.update_job_progress("many", 12.5)
        kept = [opened.load_job(key) for key in ("bare", "full", "many")]

    read = list(map(with_instants, go_writer.read(store)))
    assert read == list(map(as_read_by_go, kept))
    assert read[:2] == [as_read_by_go(bare), as_read_by_go(full)]
    assert (read[2]["status"], read[2]["progress"]) == ("running", 12.5)


@pytest.mark.parametrize("zone", ZONES)
def test_counters_equal_what_go_did_while_the_agent_ran(go_writer: GoWriter, tmp_path: Path, zone: str) -> None:
    store = tmp_path / "jobs.db"

    with agent(store, state_dir=tmp_path / "state", env=CREATE) as running:
        written = go_writer.write(store, "-jobs", 150, "-rate", 1500, *SLOW, zone=zone)
        samples = running.samples()
        stopped = running.stop()

    assert_undisturbed(written)
    expected = written.expected_samples()
    assert {name: samples.get(name) for name in expected} == expected
    assert sum(value for name, value in samples.items() if name.startswith("hyperjobs_jobs{")) == len(written.jobs)
    assert stopped == 0
    assert list(map(with_instants, go_writer.read(store))) == list(map(with_instants, written.jobs))


def test_adoption_does_not_disturb_a_go_writer_at_work(go_writer: GoWriter, tmp_path: Path) -> None:
    store = tmp_path / "jobs.db"
    first = go_writer.write(store, "-jobs", 200, "-prefix", "old")

    with go_writer.writing(store, "-seconds", 4, "-rate", 500, "-prefix", "new", *SLOW) as writer:
        until(lambda: store.with_name("jobs.db-wal").exists(), "the writer's log")
        with agent(store, state_dir=tmp_path / "state") as running:
            running.until(lambda samples: samples.get("hyperjobs_ledger_ready") == 1, "a finished baseline")
            assert writer.exit_code is None, "the writer ended before the adoption did, so nothing was tested"
            written = go_writer.report(writer)
            samples = running.samples()
    everything = len(first.jobs) + len(written.jobs)

    assert_undisturbed(written)
    assert sum(value for name, value in samples.items() if name.startswith("hyperjobs_jobs{")) == everything
    together = first.gauges
    for key, count in written.gauges.items():
        together[key] = together.get(key, 0) + count
    assert {key: samples[f'hyperjobs_jobs{{provider="{key[0]}",status="{key[1]}"}}'] for key in together} == together


def test_several_go_writers_at_once_are_counted_exactly(go_writer: GoWriter, tmp_path: Path) -> None:
    store = tmp_path / "jobs.db"
    arguments = ("-jobs", 80, "-rate", 800, *SLOW)

    with (
        agent(store, state_dir=tmp_path / "state", env=CREATE) as running,
        go_writer.writing(store, "-prefix", "a", "-seed", 1, *arguments) as one,
        go_writer.writing(store, "-prefix", "b", "-seed", 2, *arguments) as two,
    ):
        reports = [go_writer.report(one), go_writer.report(two)]
        samples = running.samples()

    expected: dict[str, float] = {}
    for report in reports:
        assert_undisturbed(report)
        for name, value in report.expected_samples().items():
            expected[name] = expected.get(name, 0) + value
    assert {name: samples.get(name) for name in expected} == expected
