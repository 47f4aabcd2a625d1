"""Every number of the jobs group against a count of jobs.jsonl that shares no code with the agent."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from hyperjobs.testing import FakeClock
from support.scrapes import FIXTURE, by, copy_fixture, hand_turned, value

NOW = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
ENDED = ("completed", "failed", "cancelled")
BOUNDS = (60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800)


def instant(text):
    """Whole microseconds since 1970 as a number; the Go client writes up to nine digits, the agent keeps six."""
    if not text:
        return None
    whole, fraction, offset = re.fullmatch(r"(.{19})(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text).groups()
    seconds = datetime.fromisoformat(whole + offset.replace("Z", "+00:00")).timestamp()
    return int(seconds) * 1_000_000 + int((fraction or "").ljust(6, "0")[:6])


@pytest.fixture(scope="module")
def jobs():
    return [json.loads(line) for line in (FIXTURE / "jobs.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module", params=["triggers", "scan"])
def samples(request, tmp_path_factory):
    """The scrape, counted by the ledger's first count and by a scan: both must be right."""
    directory = tmp_path_factory.mktemp(request.param)
    store = copy_fixture(directory)
    with hand_turned(store, directory / "state", clock=FakeClock(NOW), store__ledger=request.param) as agent:
        agent.turn()
        yield agent.samples()


def positive(found):
    return {key: number for key, number in found.items() if number}


def test_jobs_are_counted_by_provider_and_status(samples, jobs):
    counted = Counter((job["provider"], job["status"]) for job in jobs)

    assert positive(by(samples, "jobs", "provider", "status")) == counted
    assert value(samples, "store_rows", table="jobs") == len(jobs)


def test_a_known_provider_has_a_zero_for_each_status_it_has_no_job_in(samples, jobs):
    providers = {job["provider"] for job in jobs}

    assert by(samples, "jobs", "provider", "status").keys() == {
        (provider, status) for provider in providers for status in ("pending", "running", *ENDED)
    }


def test_created_finished_bytes_and_files_are_the_sums_of_the_rows(samples, jobs):
    created, finished, size, files = Counter(), Counter(), Counter(), Counter()
    for job in jobs:
        created[job["provider"],] += 1
        if job["status"] in ENDED:
            finished[job["provider"], job["status"]] += 1
            size[job["provider"],] += job["total_size"]
            files[job["provider"],] += job["files_count"]

    assert by(samples, "jobs_created_total", "provider") == created
    assert positive(by(samples, "jobs_finished_total", "provider", "status")) == finished
    assert by(samples, "job_bytes_total", "provider") == size
    assert by(samples, "job_files_total", "provider") == files


def histogram_of(observations):
    """Key → (cumulative count by bound, sum in seconds)."""
    return {
        key: ([sum(micros <= bound * 1_000_000 for micros in found) for bound in BOUNDS], Fraction(sum(found), 10**6))
        for key, found in observations.items()
    }


def test_durations_are_those_of_the_rows_with_both_times(samples, jobs):
    spans = defaultdict(list)
    for job in jobs:
        started, completed = instant(job.get("started_at")), instant(job.get("completed_at"))
        if job["status"] in ENDED and started is not None and completed is not None:
            spans[job["provider"], job["status"]].append(max(0, completed - started))

    check_histogram(samples, "job_duration_seconds", spans, "provider", "status")


def test_waits_are_those_of_the_rows_that_started(samples, jobs):
    spans = defaultdict(list)
    for job in jobs:
        started = instant(job.get("started_at"))
        if started is not None:
            spans[job["provider"],].append(max(0, started - instant(job["created_at"])))

    check_histogram(samples, "job_queue_wait_seconds", spans, "provider")


def check_histogram(samples, name, spans, *labels):
    assert positive(by(samples, f"{name}_count", *labels)) == {key: len(found) for key, found in spans.items()}
    buckets = by(samples, f"{name}_bucket", *labels, "le")
    sums = by(samples, f"{name}_sum", *labels)
    for key, (counts, total) in histogram_of(spans).items():
        assert [buckets[*key, f"{bound:.1f}"] for bound in BOUNDS] == counts
        assert buckets[*key, "+Inf"] == len(spans[key])
        assert sums[key] == pytest.approx(float(total), rel=1e-12)


def finish_seconds(job):
    """When a job finished; the Go client leaves completed_at out of some, whose start stands in for it."""
    micros = instant(job.get("completed_at")) or instant(job.get("started_at")) or instant(job["created_at"])
    return micros // 1_000_000


@pytest.mark.parametrize(("window", "hours"), [("24h", 24), ("7d", 168), ("all", 10**6)])
def test_the_success_ratio_is_of_completed_and_failed_jobs_in_the_window(samples, jobs, window, hours):
    first_hour = int(NOW.timestamp()) // 3600 - hours + 1
    judged = defaultdict(Counter)
    for job in jobs:
        if job["status"] in {"completed", "failed"} and finish_seconds(job) // 3600 >= first_hour:
            judged[job["provider"]][job["status"]] += 1

    ratio = {p: n["completed"] / n.total() for p, n in judged.items()}
    size = {p: n.total() for p, n in judged.items()}
    assert {
        p: n for (p, w), n in by(samples, "job_success_ratio", "provider", "window").items() if w == window
    } == ratio
    found = {p: n for (p, w), n in by(samples, "job_success_sample_size", "provider", "window").items() if w == window}
    assert positive(found) == size


def test_ages_are_of_the_oldest_pending_and_the_longest_running_job(samples, jobs):
    now = int(NOW.timestamp()) * 1_000_000
    pending, running = defaultdict(list), defaultdict(list)
    for job in jobs:
        if job["status"] == "pending":
            pending[job["provider"],].append(now - instant(job["created_at"]))
        if job["status"] == "running":
            running[job["provider"],].append(now - (instant(job.get("started_at")) or instant(job["created_at"])))

    for name, ages in (("oldest_pending_age_seconds", pending), ("longest_running_age_seconds", running)):
        found = by(samples, name, "provider")
        assert found == pytest.approx({key: max(0, *of, 0) / 10**6 for key, of in ages.items()})


def test_the_last_completion_is_the_newest_completed_jobs(samples, jobs):
    newest = defaultdict(int)
    for job in jobs:
        if job["status"] == "completed":
            newest[job["provider"],] = max(newest[job["provider"],], finish_seconds(job))

    assert by(samples, "last_completed_timestamp_seconds", "provider") == newest


def test_the_fixture_reaches_into_every_window():
    """Else the windows above would be compared empty."""
    ends = [json.loads(line) for line in (FIXTURE / "jobs.jsonl").read_text().splitlines()]
    last_day = [
        job for job in ends if job["status"] in ENDED and finish_seconds(job) > (NOW - timedelta(days=1)).timestamp()
    ]

    assert last_day
