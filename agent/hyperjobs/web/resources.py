"""The resources of the API: each a path, its parameters, and the object it answers with. docs/api.md lists them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol, get_args
from urllib.parse import unquote

from hyperjobs.store.cursor import parse_cursor, write_cursor
from hyperjobs.store.models import JobFilter, JobStatus
from hyperjobs.store.protocols import Grouping
from hyperjobs.web.json_form import job_form, plain, stats_form
from hyperjobs.web.params import InvalidParameterError, Params

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from hyperjobs.clock import Clock
    from hyperjobs.store.models import Job, JobCursor, JobStats
    from hyperjobs.web.message import Request
    from hyperjobs.web.shapes import Overview, Run

    Find = Callable[[Request], dict[str, Any]]

PREFIX: Final = "/api/v1/"
_ONE_JOB: Final = f"{PREFIX}jobs/"
_RUN: Final = "run"
_WITHIN_S: Final = 5.0
_NO_JOBS: Final = frozenset({"jobs", "failures"})
_GROUPINGS: Final = get_args(Grouping)
_FILTERS: Final = ("status", "provider", "user", "vm", "text", "since", "until", "limit", "cursor")


class UnknownJobError(Exception):
    """No job has the id asked for."""


class Observed(Protocol):
    """What lists are read from; every method raises StoreError when it cannot be read by the deadline."""

    def jobs(self, asked: JobFilter, limit: int, deadline_s: float) -> list[Job]:
        """The jobs that fit, newest first."""
        ...

    def job(self, job_id: str, deadline_s: float) -> Job | None:
        """One job."""
        ...

    def stats(
        self, by: str | None, since: datetime | None, until: datetime | None, deadline_s: float
    ) -> list[JobStats]:
        """Counts, of all or by group."""
        ...

    def runs(self, task: str | None, limit: int) -> list[Run]:
        """The newest runs and events."""
        ...


class Resources:
    """Finds what a path stands for.

    Args:
        overview: everything, at most some seconds old.
        look: what lists are read from.
        has_jobs: whether events may say which jobs they were about.
        clock: gives ``now`` for times that are told as so long ago, and ``monotonic`` for deadlines.
    """

    def __init__(
        self,
        *,
        overview: Callable[[], Overview],
        look: Callable[[], Observed],
        has_jobs: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._overview = overview
        self._look = look
        self._has_jobs = has_jobs
        self._clock = clock
        self._finders: Mapping[str, Find] = {
            "status": self._status,
            "jobs": self._jobs,
            "stats": self._stats,
            "failures": self._failures,
            "runs": self._runs,
            "schedule": self._schedule,
            "backups": self._backups,
        }

    @property
    def names(self) -> str:
        """The paths there are, for a message."""
        return ", ".join([f"{PREFIX}{name}" for name in self._finders] + [f"{_ONE_JOB}ID"])

    def find(self, path: str) -> Find | None:
        """What answers the path."""
        if path.startswith(_ONE_JOB) and len(path) > len(_ONE_JOB):
            return self._job
        return self._finders.get(path.removeprefix(PREFIX)) if path.startswith(PREFIX) else None

    def tells_jobs(self, request: Request) -> bool:
        """Whether the answer names jobs or their users."""
        name = request.path.removeprefix(PREFIX).partition("/")[0]
        return name in _NO_JOBS or (
            name == "stats" and self._params(request, "by", "since", "until").text("by") == "user"
        )

    def _status(self, request: Request) -> dict[str, Any]:
        self._params(request)
        seen = self._overview()
        names = (
            "at",
            "version",
            "store",
            "notices",
            "jobs",
            "providers",
            "success",
            "stalled_jobs",
            "holds",
            "running",
        )
        found = {name: plain(getattr(seen, name)) for name in names}
        return {**found, "level": str(seen.level), "drill": plain(seen.drill), "hours": plain(seen.hours)}

    def _jobs(self, request: Request) -> dict[str, Any]:
        params = self._params(request, *_FILTERS, repeatable=("status",))
        limit = params.whole("limit", default=100, least=1, most=1000)
        asked = JobFilter(
            status=_statuses(params),
            provider=params.text("provider"),
            user=params.text("user"),
            vm_name=params.text("vm"),
            text=params.text("text"),
            since=params.moment("since"),
            until=params.moment("until"),
            after=_cursor(params),
        )
        jobs = self._look().jobs(asked, limit, self._deadline())
        # A page that is not full is the last one.
        cursor = write_cursor(jobs[-1].cursor) if len(jobs) == limit else None
        return {"jobs": [plain(job_form(job, is_alone=False)) for job in jobs], "next_cursor": cursor}

    def _job(self, request: Request) -> dict[str, Any]:
        self._params(request)
        try:
            job_id = unquote(request.path.removeprefix(_ONE_JOB), errors="strict")
        except UnicodeDecodeError:
            raise UnknownJobError from None
        job = self._look().job(job_id, self._deadline())
        if job is None:
            raise UnknownJobError
        return {"job": plain(job_form(job, is_alone=True))}

    def _stats(self, request: Request) -> dict[str, Any]:
        params = self._params(request, "by", "since", "until")
        by = params.text("by")
        if by is not None and by not in _GROUPINGS:
            raise InvalidParameterError("by", f"it is none of {', '.join(_GROUPINGS)}")
        groups = self._look().stats(by, params.moment("since"), params.moment("until"), self._deadline())
        return {"by": by, "groups": [stats_form(each) for each in groups]}

    def _failures(self, request: Request) -> dict[str, Any]:
        self._params(request)
        seen = self._overview()
        return {"at": plain(seen.at), "jobs_read": seen.failures_read, "failures": plain(seen.failures)}

    def _runs(self, request: Request) -> dict[str, Any]:
        params = self._params(request, "task", "limit")
        limit = params.whole("limit", default=50, least=1, most=1000)
        found = self._look().runs(params.text("task"), limit)
        if not self._has_jobs():
            found = [each if each.kind == _RUN else replace(each, summary="", reason="", detail={}) for each in found]
        return {"runs": plain(found)}

    def _schedule(self, request: Request) -> dict[str, Any]:
        self._params(request)
        seen = self._overview()
        return {"at": plain(seen.at), "tasks": plain(seen.tasks), "holds": plain(seen.holds)}

    def _backups(self, request: Request) -> dict[str, Any]:
        self._params(request)
        seen = self._overview()
        names = ("at", "backups", "destinations", "drill")
        return {name: plain(getattr(seen, name)) for name in names}

    def _params(self, request: Request, *known: str, repeatable: tuple[str, ...] = ()) -> Params:
        return Params(request.query, known, repeatable=repeatable, now=self._clock.now())

    def _deadline(self) -> float:
        return self._clock.monotonic() + _WITHIN_S


def _statuses(params: Params) -> list[str] | None:
    words = params.all("status")
    if not words:
        return None
    for word in words:
        if word not in set(JobStatus):
            raise InvalidParameterError("status", f"it is none of {', '.join(JobStatus)}")
    return words


def _cursor(params: Params) -> JobCursor | None:
    text = params.text("cursor")
    if text is None:
        return None
    try:
        # A plus that was not escaped arrives as a blank, which no cursor has.
        return parse_cursor(text.replace(" ", "+"))
    except ValueError:
        raise InvalidParameterError("cursor", "it is no cursor; copy next_cursor from the answer before") from None
