"""The Go client's stand-in (tests/interop/gowriter), built once and run as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.processes import Process, running
from support.tools import GO_PATH

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_SOURCE = Path(__file__).parent.parent / "interop" / "gowriter"


@dataclass(frozen=True, slots=True)
class GoWriter:
    """The built program."""

    program: Path

    @classmethod
    def build(cls, directory: Path) -> GoWriter:
        """Build it there, from Debian's packages and SQLite library alone: nothing is downloaded."""
        program = directory / "gowriter"
        environment = {
            **os.environ,
            "GO111MODULE": "off",
            "GOFLAGS": "-buildvcs=false",
            "GOPATH": str(GO_PATH),
            # A fresh machine may have no home to cache in.
            "GOCACHE": os.environ.get("GOCACHE", str(directory / "cache")),
        }
        built = subprocess.run(
            ["go", "build", "-tags", "libsqlite3", "-o", program, "."],
            cwd=_SOURCE,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert built.returncode == 0, built.stderr
        return cls(program)

    def write(self, store: Path, *arguments: object, zone: str = "UTC", timeout_s: float = 120) -> Written:
        """Write life cycles and wait for the end."""
        with self.writing(store, *arguments, zone=zone) as process:
            return self.report(process, timeout_s=timeout_s)

    def writing(self, store: Path, *arguments: object, zone: str = "UTC") -> AbstractContextManager[Process]:
        """A writer at work for the length of a block; :meth:`report` waits for its end.

        Args:
            store: the store, created when there is none.
            arguments: its flags, such as ``"-jobs", 100``.
            zone: the machine's zone as the writer sees it, which is how the client chooses one.
        """
        return running([self.program, "write", "-db", store, *map(str, arguments)], env={"TZ": zone})

    @staticmethod
    def report(process: Process, *, timeout_s: float = 120) -> Written:
        """What a writer says it did, once it has ended."""
        assert process.wait(timeout_s=timeout_s) == 0, process.output
        return Written(json.loads(process.output))

    def read(self, store: Path) -> list[dict[str, Any]]:
        """Every job as the client's reader sees it, by id; a row that it cannot read is a failure."""
        done = subprocess.run(
            [self.program, "read", "-db", store], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        jobs: list[dict[str, Any]] = json.loads(done.stdout)
        return jobs


@dataclass(frozen=True, slots=True)
class Written:
    """A writer's report, in the words of the metrics."""

    raw: dict[str, Any]

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """What should be in the store now, by id."""
        return sorted(self.raw["jobs"], key=lambda job: job["id"])

    @property
    def gauges(self) -> dict[tuple[str, str], int]:
        """Jobs in the store per provider and status."""
        counts: dict[tuple[str, str], int] = {}
        for job in self.jobs:
            key = job["provider"], job["status"]
            counts[key] = counts.get(key, 0) + 1
        return counts

    def expected_samples(self) -> dict[str, float]:
        """The samples that a ledger which watched all of it must show."""
        samples: dict[str, float] = {}
        for (provider, status), count in self.gauges.items():
            samples[f'hyperjobs_jobs{{provider="{provider}",status="{status}"}}'] = count
        for provider, count in self.raw["created"].items():
            samples[f'hyperjobs_jobs_created_total{{provider="{provider}"}}'] = count
        for provider, count in self.raw["queue_waits"].items():
            samples[f'hyperjobs_job_queue_wait_seconds_count{{provider="{provider}"}}'] = count
        for metric, key in (
            ("hyperjobs_jobs_finished_total", "finished"),
            ("hyperjobs_job_duration_seconds_count", "durations"),
        ):
            for provider, statuses in self.raw[key].items():
                for status, count in statuses.items():
                    samples[f'{metric}{{provider="{provider}",status="{status}"}}'] = count
        for metric, key in (("hyperjobs_job_bytes_total", "bytes"), ("hyperjobs_job_files_total", "files")):
            for provider, amount in self.raw[key].items():
                samples[f'{metric}{{provider="{provider}"}}'] = amount
        return samples
