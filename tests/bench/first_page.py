"""The first page of the list by each kind of filter, rare and common, and by three of them at once."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bench.child import call
from bench.report import Table, median, ms
from hyperjobs import JobFilter, JobStatus, open_store

if TYPE_CHECKING:
    from bench.run import Bench

_PAGE = 50
_NOBODY = "nobody"


def filters(now: datetime) -> dict[str, list[tuple[str, JobFilter]]]:
    """Kind → (what it asks, filter without its limit)."""
    day, month = timedelta(days=1), timedelta(days=30)
    completed, failed, running = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.RUNNING
    return {
        "none": [("everything", JobFilter())],
        "one": [
            ("status completed (85 %)", JobFilter(status=completed)),
            ("status failed (10 %)", JobFilter(status=failed)),
            ("status cancelled (5 %)", JobFilter(status=JobStatus.CANCELLED)),
            ("status running (50 jobs)", JobFilter(status=running)),
            ("status pending or running", JobFilter(status=(JobStatus.PENDING, running))),
            ("provider, the commonest (50 %)", JobFilter(provider="vsphere")),
            ("provider, the rarest (5 %)", JobFilter(provider="hyperv")),
            ("provider, unknown", JobFilter(provider=_NOBODY)),
            ("user (2 %)", JobFilter(user="user-7")),
            ("user, unknown", JobFilter(user=_NOBODY)),
            ("machine (0.1 %)", JobFilter(vm_name="vm-7")),
            ("machine, unknown", JobFilter(vm_name=_NOBODY)),
            ("since a day ago", JobFilter(since=now - day)),
            ("since a year ago", JobFilter(since=now - 12 * month)),
            ("since tomorrow: nothing", JobFilter(since=now + 2 * day)),
            ("until half a year ago", JobFilter(until=now - 6 * month)),
            ("until two years ago: nothing", JobFilter(until=now - 24 * month)),
        ],
        "three, matching": [
            ("completed, vsphere, user", JobFilter(status=completed, provider="vsphere", user="user-7")),
            ("failed, hyperv, user (100 jobs)", JobFilter(status=failed, provider="hyperv", user="user-7")),
            ("failed, hyperv, machine (5 jobs)", JobFilter(status=failed, provider="hyperv", vm_name="vm-7")),
            ("failed, aws, since a month ago", JobFilter(status=failed, provider="aws", since=now - month)),
            ("completed, user, until half a year", JobFilter(status=completed, user="user-7", until=now - 6 * month)),
        ],
        "three, matching nothing": [
            ("completed, vsphere, unknown user", JobFilter(status=completed, provider="vsphere", user=_NOBODY)),
            ("running, hyperv, machine", JobFilter(status=running, provider="hyperv", vm_name="vm-7")),
            ("failed, hyperv, since tomorrow", JobFilter(status=failed, provider="hyperv", since=now + 2 * day)),
            ("running, user, until half a year", JobFilter(status=running, user="user-7", until=now - 6 * month)),
            (
                "cancelled, hyperv, a minute a month ago",
                JobFilter(
                    status=JobStatus.CANCELLED,
                    provider="hyperv",
                    since=now - month,
                    until=now - month + timedelta(seconds=40),
                ),
            ),
            (
                "failed, vsphere, until two years ago",
                JobFilter(status=failed, provider="vsphere", until=now - 24 * month),
            ),
        ],
    }


def measure(path: str, times: int) -> list[tuple[str, str, int, float, float]]:
    """Kind, question, jobs found, and seconds of the first and of the median call."""
    found = []
    for kind, asked in filters(datetime.now(UTC)).items():
        for question, condition in asked:
            took = []
            with open_store(path, read_only=True) as store:
                for _ in range(times):
                    started = time.perf_counter()
                    jobs = store.list_jobs(replace(condition, limit=_PAGE))
                    took.append(time.perf_counter() - started)
            found.append((kind, question, len(jobs), took[0], median(took)))
    return found


def figure(bench: Bench) -> Table:
    """At UTC throughout, and with the writers of three zones."""
    jobs, times = (100_000, 5) if bench.is_quick else (1_000_000, 15)
    table = Table("first_page", ["Filters", "Question", "Found", "Median", "First, on a new connection", "Three zones"])
    results = []
    for zones in ((0,), (-8, 1, 8)):
        template = bench.directory.template(jobs, ledger=len(zones) == 1, zones=zones)
        results.append(call("bench.first_page:measure", path=template, times=times))
    for (kind, question, count, first, middle), (*_, mixed) in zip(*results, strict=True):
        table.add(kind, question, count, ms(middle), ms(first), ms(mixed))
    table.notes.append(
        f"Pages of {_PAGE} jobs of {jobs:,}. The last column is the median in a store whose writers are 8 hours west, 1 and 8 east of UTC."
    )
    return table
