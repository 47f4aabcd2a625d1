"""A store that hypersdk's own client wrote is read as that client reads it."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from hyperjobs import JobFilter, open_store
from support.stores import GO_FIXTURE, go_store

TIMES = ("created_at", "started_at", "completed_at")
DEFAULTS = {"error": "", "started_at": None, "completed_at": None}


def go_instant(text):
    """Go prints nine digits, of which Python keeps six."""
    head, _, rest = text.replace("Z", "+00:00").partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return datetime.fromisoformat(f"{head}.{digits[:6]}{rest[len(digits) :]}" if rest else head)


@pytest.fixture
def store(tmp_path):
    with open_store(go_store(tmp_path)) as opened:
        yield opened


def test_every_job_equals_what_its_client_read(store):
    lines = (GO_FIXTURE / "jobs.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines

    for line in lines:
        told = {**DEFAULTS, **json.loads(line)}
        job = store.load_job(told["id"])
        wanted = {**told, **{name: go_instant(told[name]) for name in TIMES if told[name]}}
        assert {name: getattr(job, name) for name in wanted} == wanted
        assert "metadata" in told or not job.metadata  # that client leaves out an empty one
        assert job.flags == ()


def test_the_list_holds_every_job_newest_first(store):
    jobs = store.list_jobs()

    assert len(jobs) == store.count_jobs() == len(list(store.iter_jobs())) == 2985
    assert jobs == sorted(jobs, key=lambda job: (job.created_at, job.id), reverse=True)
    assert store.list_jobs(JobFilter(limit=20)) == jobs[:20]
    assert store.list_jobs(JobFilter(limit=20, offset=1000)) == jobs[1000:1020]


def test_its_numbers_equal_what_its_client_counted_but_for_the_rate(store):
    told = json.loads((GO_FIXTURE / "stats.json").read_text(encoding="utf-8"))

    stats = store.get_job_stats()

    for name in ("Total", "Pending", "Running", "Completed", "Failed", "Cancelled"):
        assert getattr(stats, name.lower()) == told[name]
    assert stats.other == 0
    assert stats.success_rate == pytest.approx(100 * told["Completed"] / (told["Completed"] + told["Failed"]))


@pytest.mark.parametrize("by", ["provider", "user", "day"])
def test_groups_add_up_to_the_whole(store, by):
    groups = store.get_job_stats(by)

    assert sum(group.total for group in groups) == 2985
    assert sum(group.total_size for group in groups) == store.get_job_stats().total_size > 0
    assert [group.group for group in groups] == sorted(group.group for group in groups)
