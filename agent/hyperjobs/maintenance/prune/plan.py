"""What a prune will do, found out beside the writers before anything is deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.duration import format_duration
from hyperjobs.maintenance.prune.frame import pack
from hyperjobs.maintenance.prune.line import job_line
from hyperjobs.store import query
from hyperjobs.store.due import DueJob, Rule, Survey, due_jobs, newest_kept, survey
from hyperjobs.store.instant import format as format_instant
from hyperjobs.store.instant import parse
from hyperjobs.store.models import FINISHED
from hyperjobs.store.pruning import first_due
from hyperjobs.store.retention import Cutoffs, Retention

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hyperjobs.store.connection import Connection

COMMON_AGES: Final = (timedelta(days=30), timedelta(days=90), timedelta(days=365))
"""What is counted where no retention is set."""
_SAMPLE_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """What is due, and how much of it goes in one run.

    Attributes:
        rule: of this run.
        survey: everything that is due.
        jobs: all jobs of the store.
        most: jobs that may go in one run.
        archive_bytes: about so large becomes the archive.
    """

    rule: Rule
    survey: Survey
    jobs: int
    most: int
    archive_bytes: int

    @property
    def going(self) -> int:
        """Jobs that go."""
        return min(self.survey.total, self.most)

    @property
    def left(self) -> int:
        """Jobs that are due and stay until the next run."""
        return self.survey.total - self.going

    def detail(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "due_jobs": self.survey.total,
            "due": by_status(self.survey.jobs),
            "store_jobs": self.jobs,
            "left_jobs": self.left,
            "oldest": _shape(self.survey.oldest),
            "newest": _shape(self.survey.newest),
            "archive_bytes_estimate": self.archive_bytes,
            "cutoffs": self.rule.cutoffs.shape(),
        }


def make_plan(
    connection: Connection, retention: Retention, *, now: datetime, max_share: float, keep_newest: int
) -> Plan:
    """Find out what is due; reads, page by page, what is older than the newest cutoff."""
    query.register(connection.raw)
    cutoffs = retention.cutoffs(now)
    rule = Rule(cutoffs).limited(newest_kept(connection, cutoffs, keep_newest))
    found = survey(connection, rule)
    jobs: int = connection.value("SELECT count(*) FROM jobs")
    most = max(int(jobs * max_share), 1)  # a store of one job must not be stuck for ever
    if found.total > most:
        rule = rule.limited(found.through(most))
    sample = first_due(connection, rule, _SAMPLE_ROWS) if found.total else []
    size = len(pack(b"".join(map(job_line, sample)))) * min(found.total, most) // len(sample) if sample else 0
    return Plan(rule, found, jobs, most, size)


def count_common_ages(connection: Connection, now: datetime) -> dict[str, int]:
    """How many jobs each of the common ages would delete: age as ``30d`` → jobs."""
    query.register(connection.raw)
    found = dict.fromkeys(map(format_duration, COMMON_AGES), 0)
    for job in due_jobs(connection, Rule(Cutoffs.before(now - min(COMMON_AGES)))):
        for age in COMMON_AGES:
            found[format_duration(age)] += job.ended_at < now - age
    return found


def newest_created(connection: Connection) -> datetime | None:
    """When about the newest job was created, by the order of the texts."""
    value = connection.value(
        "SELECT CAST(created_at AS BLOB) FROM jobs WHERE created_at>='' AND created_at<':' ORDER BY created_at DESC LIMIT 1"
    )
    return None if value is None else parse(value.decode(errors="replace"))


def by_status(jobs: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """(status, provider) → jobs as status → provider → jobs."""
    found: dict[str, dict[str, int]] = {}
    for (status, provider), count in sorted(jobs.items()):
        found.setdefault(status, {})[provider] = count
    return found


def each_status(jobs: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """(status, provider) → jobs as status → jobs, every finished status in it."""
    found = dict.fromkeys(sorted(map(str, FINISHED)), 0)
    for (status, _), count in jobs.items():
        found[status] = found.get(status, 0) + count
    return found


def _shape(job: DueJob | None) -> dict[str, str] | None:
    return None if job is None else {"id": job.job_id, "ended_at": format_instant(job.ended_at)}
