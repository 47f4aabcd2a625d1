"""The routes, without a socket."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from hyperjobs.web.message import Request
from support.web_client import PATIENCE_S, families, make_app


class StillClock:
    """A clock that stands at 100."""

    def monotonic(self):
        return 100.0


def request(path="/metrics", *, method="GET", query="", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, path, query, named, received_at=100.0)


def test_the_probes_answer_by_the_state_of_the_agent():
    starting, running = make_app(is_ready=lambda: False), make_app()

    assert (starting(request("/-/healthy")).status, running(request("/-/healthy")).status) == (200, 200)
    assert (starting(request("/-/ready")).status, running(request("/-/ready")).status) == (503, 200)


def test_only_the_probes_are_answered_without_a_worker():
    app = make_app()

    instant = [
        path for path in ("/", "/metrics", "/-/healthy", "/-/ready", "/-/reload") if app.is_instant(request(path))
    ]
    assert instant == ["/-/healthy", "/-/ready"]


@pytest.mark.parametrize(
    "path", ["/metrics/", "//metrics", "/Metrics", "/%6Detrics", "/metrics%00", "/../metrics", "/x"]
)
def test_a_path_is_matched_exactly(path):
    answer = make_app()(request(path))

    assert answer.status == 404
    assert path.encode() not in answer.body


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [
        ("/metrics", "POST", "GET, HEAD"),
        ("/metrics", "TRACE", "GET, HEAD"),
        ("/-/reload", "GET", "POST"),
        ("/", "PUT", "GET, HEAD"),
    ],
)
def test_another_method_is_refused_with_the_ones_there_are(path, method, allow):
    answer = make_app()(request(path, method=method))

    assert answer.status == 405
    assert ("Allow", allow) in answer.headers


def test_metrics_are_compressed_for_who_accepts_it():
    plain_answer = make_app()(request())
    packed = make_app()(request(accept_encoding="gzip"))

    assert ("Content-Encoding", "gzip") in packed.headers
    assert gzip.decompress(packed.body) == plain_answer.body


def test_no_created_series_are_exposed():
    for accept in ("", "application/openmetrics-text;version=1.0.0"):
        assert b"_created" not in make_app()(request(accept=accept)).body


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        ("10", 9.5),
        ("10.25", 9.75),
        ("1", 0.5),
        ("0.4", 0.2),
        ("0.001", 0.1),
        ("25.5", 25.0),
        ("1e9", 25.0),
        ("", 25.0),
        ("0", 25.0),
        ("-3", 25.0),
        ("nan", 25.0),
        ("inf", 25.0),
        ("10s", 25.0),
        ("9" * 500, 25.0),
    ],
)
def test_a_collection_has_the_time_the_client_gives_it_within_bounds(timeout, seconds):
    deadlines = []

    def collect(deadline):
        deadlines.append(deadline)
        return families()

    make_app(collect=collect, clock=StillClock())(request(x_prometheus_scrape_timeout_seconds=timeout))

    assert deadlines == [pytest.approx(100.0 + seconds)]


@pytest.mark.parametrize(
    ("query", "status", "samples"),
    [
        ("name[]=hyperjobs_store_up", 200, 1),
        ("name[]=hyperjobs_store_up&name[]=hyperjobs_jobs_finished", 200, 2),
        ("collect[]=store", 200, 1),
        ("collect%5B%5D=jobs&name[]=hyperjobs_store_up", 200, 2),
        ("collect[]=jobs&collect[]=none", 400, None),
        ("collect[]=<b>", 400, None),
        ("name[]=absent", 200, 0),
        ("other=1", 200, 2),
        ("&".join(["name[]=a"] * 65), 400, None),
        ("name[]=%ff", 400, None),
    ],
)
def test_the_query_selects_groups_and_names(query, status, samples):
    groups = {"store": {"hyperjobs_store_up"}, "jobs": {"hyperjobs_jobs_finished"}}
    answer = make_app(groups=groups)(request(query=query))

    lines = [line for line in answer.body.decode().splitlines() if line and not line.startswith("#")]
    assert answer.status == status
    assert samples is None or len(lines) == samples
    assert "<b>" not in answer.body.decode()


def test_a_failing_collection_is_a_500_with_a_fixed_text_and_is_logged_once():
    def collect(_deadline):
        raise RuntimeError("secret detail")

    with capture_logs() as logs:
        answer = make_app(collect=collect)(request())

    assert answer.status == 500
    assert b"secret" not in answer.body
    assert [entry["event"] for entry in logs] == ["web.collection_failed"]


def test_concurrent_scrapes_in_different_formats_share_one_collection():
    begun, may_end = threading.Event(), threading.Event()
    runs = []

    def collect(_deadline):
        runs.append(1)
        begun.set()
        assert may_end.wait(PATIENCE_S)
        return families()

    app = make_app(collect=collect, clock=StillClock())
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(app, request())
        assert begun.wait(PATIENCE_S)
        late = app(request(x_prometheus_scrape_timeout_seconds="0.2"))
        others = [pool.submit(app, request(accept="application/openmetrics-text;version=1.0.0")) for _ in range(3)]
        may_end.set()
        answers = [each.result(PATIENCE_S) for each in (first, *others)]

    assert late.status == 503
    assert [answer.status for answer in answers] == [200] * 4
    assert len(runs) <= 2  # who came after the end runs again, and never beside the first
    assert answers[0].content_type != answers[1].content_type


def test_reload_is_forbidden_unless_it_is_enabled():
    answer = make_app()(request("/-/reload", method="POST"))

    assert answer.status == 403
    assert b"web.reload" in answer.body


def test_reload_reloads():
    reloads = []
    answer = make_app(reload=lambda: reloads.append(1))(request("/-/reload", method="POST"))

    assert (answer.status, reloads) == (200, [1])


def test_reload_is_refused_to_a_web_page():
    reloads = []
    answer = make_app(reload=lambda: reloads.append(1))(request("/-/reload", method="POST", origin="http://evil"))

    assert (answer.status, reloads) == (403, [])


def test_a_failed_reload_says_so_and_keeps_its_reason_in_the_log():
    def fail():
        raise ValueError("secret detail")

    with capture_logs() as logs:
        answer = make_app(reload=fail)(request("/-/reload", method="POST"))

    assert answer.status == 500
    assert b"secret" not in answer.body
    assert logs[0]["event"] == "web.reload_failed"


def test_an_unexpected_exception_is_a_500_with_a_fixed_text():
    def is_ready():
        raise RuntimeError("secret detail")

    with capture_logs() as logs:
        answer = make_app(is_ready=is_ready)(request("/-/ready"))

    assert answer.status == 500
    assert b"secret" not in answer.body
    assert logs[0]["event"] == "web.request_failed"
