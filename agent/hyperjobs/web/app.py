"""The routes: each a plain function of a request to a response, tested without a socket."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

import structlog

from hyperjobs.clock import Clock, SystemClock
from hyperjobs.errors import HyperjobsError, ReloadRefusedError
from hyperjobs.web.exposition import Families, Snapshot, accepts_gzip, choose_format, compress, render
from hyperjobs.web.flight import SingleFlight
from hyperjobs.web.message import Request, Response, plain
from hyperjobs.web.probe import USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from prometheus_client.core import Metric

    from hyperjobs.web.site import Site

_SCRAPE_OFFSET_S: Final = 0.5  # for rendering and the way back, as blackbox_exporter takes off
_MIN_COLLECT_S: Final = 0.1
_MAX_QUERY_FIELDS: Final = 64
_INSTANT: Final = frozenset({"/-/healthy", "/-/ready"})

log = structlog.get_logger(__name__)


class CollectionFailedError(Exception):
    """A collection raised; it is in the log already."""


class UnknownGroupError(Exception):
    """``collect[]`` names a group there is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """What the agent answers over HTTP. Thread-safe as far as the callables are.

    Attributes:
        collect: the metric families, found by the given instant of the clock's ``monotonic``; called by one thread
            at a time. It guards its own sources: what it raises is answered by 500.
        is_ready: whether the agent is neither starting nor stopping; must answer at once.
        site: the status page and the API.
        reload: re-reads the configuration, raising when it cannot be used; ``None`` forbids ``POST /-/reload``.
        groups: group name to the family names that ``collect[]=group`` selects.
        scraped: told when somebody was given metrics; our own commands, which only look in, are nobody. Called by
            several threads.
        max_collect_s: the time a collection gets when the client names none, and the most it may ask for.
        clock: gives ``monotonic``.
    """

    collect: Callable[[float], Iterable[Metric]]
    is_ready: Callable[[], bool]
    site: Site
    reload: Callable[[], None] | None = None
    groups: Mapping[str, Collection[str]] = field(default_factory=dict)
    scraped: Callable[[], object] = lambda: None
    max_collect_s: float = 25.0
    clock: Clock = field(default_factory=SystemClock)
    _flight: SingleFlight[Snapshot] = field(default_factory=SingleFlight, init=False, repr=False)

    def __call__(self, request: Request) -> Response:
        """The answer to a request; never raises, and repeats nothing of what was asked."""
        try:
            return self._answer(request)
        except Exception:  # one page's fault must not end the worker
            log.exception("web.request_failed", path=request.path)
            return plain(500, "The agent failed to answer; its log says why.")

    def is_instant(self, request: Request) -> bool:
        """Whether the answer takes no time worth a worker: the probes answer while a collection hangs."""
        return request.path in _INSTANT

    def _routes(self) -> Mapping[str, Mapping[str, Callable[[Request], Response]]]:
        return {
            "/metrics": {"GET": self._metrics},
            "/-/healthy": {"GET": self._healthy},
            "/-/ready": {"GET": self._ready},
            "/-/reload": {"POST": self._reload},
        }

    def _answer(self, request: Request) -> Response:
        methods = self._routes().get(request.path)
        if methods is None:
            return self.site.answer(request) or plain(404, "There is no such page. / lists the ones there are.")
        handler = methods.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            allowed = ", ".join([*methods, "HEAD"] if "GET" in methods else methods)
            return plain(405, "This page does not take this method.", ("Allow", allowed))
        return handler(request)

    def _healthy(self, _request: Request) -> Response:
        return plain(200, "The agent is alive.")

    def _ready(self, _request: Request) -> Response:
        if self.is_ready():
            return plain(200, "The agent is ready.")
        return plain(503, "The agent is starting or stopping.")

    def _reload(self, request: Request) -> Response:
        if self.reload is None:
            return plain(403, "Reload over HTTP is off; set web.reload: true, or send SIGHUP.")
        # A browser names the page a request comes from; no page has business here, not even through a rebound name.
        if "origin" in request.headers:
            return plain(403, "Reload is not for web pages.")
        try:
            self.reload()
        except ReloadRefusedError as error:  # who may ask for a reload may know what it would cost
            log.warning("web.reload_refused", error=str(error))
            return plain(409, f"The reload was refused: {error}.")
        except HyperjobsError as error:  # said for people, so its trace says no more
            log.warning("web.reload_refused", error=str(error))
            return plain(500, "The reload failed and the old configuration stays; the log says why.")
        except Exception:  # whatever the new file is guilty of, the old one stays
            log.exception("web.reload_failed")
            return plain(500, "The reload failed and the old configuration stays; the log says why.")
        return plain(200, "The configuration is reloaded.")

    def _metrics(self, request: Request) -> Response:
        try:
            names = self._selected_names(request.query)
        except UnknownGroupError:
            known = ", ".join(sorted(self.groups)) or "none"
            return plain(400, f"There is no such group of metrics; there are: {known}.")
        except ValueError:
            return plain(400, "The query cannot be read.")
        deadline = request.received_at + self._collect_seconds(
            request.headers.get("x-prometheus-scrape-timeout-seconds")
        )
        try:
            snapshot = self._flight.run(lambda: self._snapshot(deadline), wait_s=deadline - self.clock.monotonic())
        except TimeoutError:
            return plain(503, "Another scrape's collection still runs and this one's time is over.")
        except CollectionFailedError:
            return plain(500, "The collection failed; the agent's log says why.")
        if request.headers.get("user-agent") != USER_AGENT:
            self.scraped()
        return _exposition(snapshot, names, request)

    def _snapshot(self, deadline: float) -> Snapshot:
        try:
            return Snapshot(Families(self.collect(deadline)))
        except Exception as error:
            log.exception("web.collection_failed")
            raise CollectionFailedError from error

    def _selected_names(self, query: str) -> frozenset[str] | None:
        """The family and sample names that the query asks for; ``None`` is all of them."""
        if not query:
            return None
        fields = parse_qs(query, max_num_fields=_MAX_QUERY_FIELDS, errors="strict")
        groups = fields.get("collect[]", [])
        names = fields.get("name[]", [])
        if not groups and not names:
            return None
        if any(group not in self.groups for group in groups):
            raise UnknownGroupError
        return frozenset(names).union(*(self.groups[group] for group in groups))

    def _collect_seconds(self, scrape_timeout: str | None) -> float:
        """How long a collection may take, by the client's own timeout; what is no positive number is not heeded."""
        try:
            timeout_s = float(scrape_timeout or "nan")
        except ValueError:
            return self.max_collect_s
        if not math.isfinite(timeout_s) or timeout_s <= 0:
            return self.max_collect_s
        # A timeout of a second or less keeps half of itself, so that it is not eaten up by the offset.
        collect_s = max(timeout_s - _SCRAPE_OFFSET_S, timeout_s / 2)
        return min(max(collect_s, _MIN_COLLECT_S), self.max_collect_s)


def _exposition(snapshot: Snapshot, names: frozenset[str] | None, request: Request) -> Response:
    encoder, content_type = choose_format(request.headers.get("accept", ""))
    gzipped = accepts_gzip(request.headers.get("accept-encoding", ""))
    if names is None:
        body = snapshot.body(encoder, content_type, gzipped=gzipped)
    else:
        body = render(snapshot.families.only(names), encoder)
        body = compress(body) if gzipped else body
    headers = [("Vary", "Accept, Accept-Encoding")]
    if gzipped:
        headers.append(("Content-Encoding", "gzip"))
    return Response(200, body, content_type, tuple(headers))
