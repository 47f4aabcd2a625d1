"""What a Prometheus would know of the past, worked out from the store's rows: ``python -m demo.history STORE DIRECTORY``.

A demo's Prometheus starts with the demo, so that weeks would be missing from its graphs. The counters and gauges of the
jobs group follow from the jobs' own times; only those are written, and nothing is made up for the others.
"""

from __future__ import annotations

import argparse
from bisect import bisect_right
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from hyperjobs.metrics.catalogue import PREFIX
from hyperjobs.store.ledger.buckets import DEFAULT_BUCKETS
from hyperjobs.store.sqlite import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hyperjobs.store.models import Job

STEP_S: Final = 240
"""Less than the five minutes after which Prometheus takes a series for ended."""
CHUNK_S: Final = 12 * 3600
"""So much in one file: promtool reads the whole of it again for every block of two hours."""

_FINISHED: Final = frozenset({"completed", "failed", "cancelled"})

Events: TypeAlias = "defaultdict[tuple[str, ...], list[tuple[float, float]]]"
"""Labels → (when, by how much) of everything that happened."""


class Past:
    """The events of each family, found in one pass over the jobs."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self.created: Events = defaultdict(list)
        self.finished: Events = defaultdict(list)
        self.bytes: Events = defaultdict(list)
        self.files: Events = defaultdict(list)
        self.now: Events = defaultdict(list)
        self.durations: Events = defaultdict(list)
        self.waits: Events = defaultdict(list)
        for job in jobs:
            self._add(job)

    def _add(self, job: Job) -> None:
        if job.created_at is None:
            return
        times = [("pending", job.created_at.timestamp())]
        self.created[job.provider,].append((times[0][1], 1))
        if job.started_at is not None:
            times.append(("running", job.started_at.timestamp()))
            self.waits[job.provider,].append((times[1][1], max(0.0, times[1][1] - times[0][1])))
        if str(job.status) in _FINISHED:
            # the ledger too takes the best time there is for one that has no completed_at
            ended_s = job.completed_at.timestamp() if job.completed_at is not None else times[-1][1]
            times.append((str(job.status), ended_s))
            self.finished[job.provider, str(job.status)].append((ended_s, 1))
            self.bytes[job.provider,].append((ended_s, job.total_size))
            self.files[job.provider,].append((ended_s, job.files_count))
            if job.started_at is not None and job.completed_at is not None:
                self.durations[job.provider, str(job.status)].append((ended_s, max(0.0, ended_s - times[1][1])))
        for (status, at), later in zip(times, [*times[1:], None], strict=True):
            self.now[job.provider, status].append((at, 1))
            if later is not None:
                self.now[job.provider, status].append((later[1], -1))


def lines(past: Past, instance: str, since_s: int, until_s: int) -> Iterator[str]:
    """The exposition with times, as ``promtool tsdb create-blocks-from openmetrics`` reads it."""
    at = range(since_s, until_s, STEP_S)
    target = {"job": "hyperjobs", "instance": instance}
    for family, kind, events, names in (
        ("jobs", "gauge", past.now, ("provider", "status")),
        ("jobs_created", "counter", past.created, ("provider",)),
        ("jobs_finished", "counter", past.finished, ("provider", "status")),
        ("job_bytes", "counter", past.bytes, ("provider",)),
        ("job_files", "counter", past.files, ("provider",)),
    ):
        yield f"# TYPE {PREFIX}{family} {kind}\n"
        suffix = "_total" if kind == "counter" else ""
        for values, happened in sorted(events.items()):
            labels = target | dict(zip(names, values, strict=True))
            yield from _samples(f"{PREFIX}{family}{suffix}", labels, running(happened, at), at)
    for family, events, names in (
        ("job_duration_seconds", past.durations, ("provider", "status")),
        ("job_queue_wait_seconds", past.waits, ("provider",)),
    ):
        yield f"# TYPE {PREFIX}{family} histogram\n"
        for values, happened in sorted(events.items()):
            labels = target | dict(zip(names, values, strict=True))
            yield from _histogram(f"{PREFIX}{family}", labels, happened, at)
    yield "# EOF\n"


def running(happened: Sequence[tuple[float, float]], at: Sequence[int]) -> list[float]:
    """The sum of what had happened by each time."""
    found, total = [], 0.0
    left = sorted(happened)
    position = 0
    for second in at:
        while position < len(left) and left[position][0] <= second:
            total += left[position][1]
            position += 1
        found.append(total)
    return found


def _histogram(
    name: str, labels: Mapping[str, str], happened: Sequence[tuple[float, float]], at: Sequence[int]
) -> Iterator[str]:
    for bound in (*DEFAULT_BUCKETS, float("inf")):
        le = "+Inf" if bound == float("inf") else f"{float(bound)}"
        counted = sorted(when for when, seconds in happened if seconds <= bound)
        yield from _samples(
            f"{name}_bucket", {**labels, "le": le}, [float(bisect_right(counted, second)) for second in at], at
        )
    yield from _samples(f"{name}_count", labels, running([(when, 1) for when, _ in happened], at), at)
    yield from _samples(f"{name}_sum", labels, running(happened, at), at)


def _samples(name: str, labels: Mapping[str, str], values: Sequence[float], at: Sequence[int]) -> Iterator[str]:
    inside = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
    head = f"{name}{{{inside}}}"
    for second, value in zip(at, values, strict=True):
        yield f"{head} {value:.15g} {second}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def main() -> None:
    """Write the files."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("store", type=Path)
    words.add_argument("directory", type=Path)
    words.add_argument("--instance", required=True, help="the agent's address, as Prometheus will label it")
    words.add_argument("--days", type=float, default=14.0)
    words.add_argument("--until", type=int, required=True, help="epoch seconds of the last sample")
    given = words.parse_args()
    with open_store(given.store) as store:
        past = Past(store.iter_jobs())
    begin = given.until - int(given.days * 86_400) // CHUNK_S * CHUNK_S
    given.directory.mkdir(parents=True, exist_ok=True)
    for number, since in enumerate(range(begin, given.until, CHUNK_S)):
        with (given.directory / f"{number:04}.om").open("w", encoding="utf-8") as file:
            file.writelines(lines(past, given.instance, since, min(since + CHUNK_S, given.until)))


if __name__ == "__main__":
    main()
