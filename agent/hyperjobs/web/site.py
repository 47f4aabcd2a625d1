"""What people and programs see of the store: the status page and the read-only API, by the same values."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import HyperjobsError, InvalidJobError, StoreError
from hyperjobs.web.json_form import encode
from hyperjobs.web.message import Response, plain
from hyperjobs.web.params import InvalidParameterError
from hyperjobs.web.recent import Recent
from hyperjobs.web.resources import Resources, UnknownJobError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.clock import Clock
    from hyperjobs.web.hosts import HostRule
    from hyperjobs.web.message import Request
    from hyperjobs.web.resources import Observed
    from hyperjobs.web.shapes import Overview

_TRIES: Final = 3
"""One may be under way that began before the configuration was read anew."""
_AT_ONCE: Final = 2
_WAIT_S: Final = 0.5
"""Of the four workers two stay for scrapes: more requests for pages than that wait so long, and are then sent away."""
_GET: Final = ("Allow", "GET, HEAD")


class Site:
    """Answers ``/`` and all below ``/api/``; thread-safe as far as the callables are.

    Args:
        overview: finds everything by an instant of the clock's ``monotonic``; shared by all who ask within 2 s.
        look: gives what reads lists; raises StoreError while the agent stops.
        has_jobs: whether ids, names and errors of jobs may be told.
        hosts: which names it may be asked for by.
        clock: gives ``now`` and ``monotonic``.
    """

    def __init__(
        self,
        *,
        overview: Callable[[float], Overview],
        look: Callable[[], Observed],
        has_jobs: Callable[[], bool],
        hosts: HostRule,
        clock: Clock,
    ) -> None:
        self._recent = Recent(overview, clock=clock)
        self._has_jobs = has_jobs
        self._resources = Resources(overview=self._seen, look=look, has_jobs=has_jobs, clock=clock)
        self._hosts = hosts
        self._gate = threading.BoundedSemaphore(_AT_ONCE)

    def answer(self, request: Request) -> Response | None:
        """The answer; ``None`` when the path is none of the site's."""
        is_api = request.path.startswith("/api/")
        if request.path != "/" and not is_api:
            return None
        refuse = _api_error if is_api else _page_error
        if request.method not in {"GET", "HEAD"}:
            return refuse(405, "method", "This page takes GET and HEAD alone.", _GET)
        if not self._hosts.allows(request.headers.get("host")):
            return refuse(
                403, "host", "Asked for by a name that is not this machine's; add it to web.hosts if it should be."
            )
        if not self._gate.acquire(timeout=_WAIT_S):
            return refuse(503, "busy", "Others are being answered; try again in a second.", ("Retry-After", "1"))
        try:
            return self._api(request) if is_api else self._page(request)
        finally:
            self._gate.release()

    def _seen(self) -> Overview:
        """The overview; one that was found before single jobs were hidden is shown no more.

        Raises:
            TimeoutError: it could not be found in time.
            StoreError: the agent stops.
        """
        for _ in range(_TRIES):
            seen = self._recent.get()
            if not seen.has_jobs or self._has_jobs():
                return seen
            self._recent.forget()
        raise TimeoutError

    def _page(self, request: Request) -> Response:
        from hyperjobs.web.status_page import status_page  # noqa: PLC0415 - the templates' library, for who looks

        if request.query:
            return _page_error(400, "parameter", "This page has no parameters.")
        try:
            seen = self._seen()
        except (TimeoutError, StoreError):
            return _page_error(
                503, "busy", "The agent is starting, stopping or busy; try again in a second.", ("Retry-After", "1")
            )
        return status_page(seen, accept_encoding=request.headers.get("accept-encoding", ""))

    def _api(self, request: Request) -> Response:
        find = self._resources.find(request.path)
        if find is None:
            return _api_error(404, "not_found", f"There is no such resource; those there are: {self._resources.names}.")
        try:
            if not self._has_jobs() and self._resources.tells_jobs(request):
                return _api_error(403, "hidden", "web.jobs: false hides what single jobs are; counts are in stats.")
            return Response(200, encode(find(request)), "application/json")
        except (InvalidParameterError, InvalidJobError, UnknownJobError, TimeoutError, HyperjobsError) as error:
            return _explain(error)


def _explain(error: Exception) -> Response:
    match error:
        case InvalidParameterError():
            return _api_error(400, "parameter", f"{error}.", parameter=error.name)
        case InvalidJobError():
            return _api_error(400, "parameter", f"{error}.")
        case UnknownJobError():
            return _api_error(404, "no_job", "No job has this id.")
        case HyperjobsError():
            return _api_error(503, error.reason, f"{error}.")
    return _api_error(503, "busy", "It could not be found in time; try again.", ("Retry-After", "1"))


def _page_error(status: int, _reason: str, message: str, *headers: tuple[str, str]) -> Response:
    return plain(status, message, *headers)


def _api_error(status: int, reason: str, message: str, *headers: tuple[str, str], **more: Any) -> Response:
    body = encode({"error": {"status": status, "reason": reason, "message": message, **more}})
    return Response(status, body, "application/json", headers)
