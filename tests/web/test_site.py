"""The status page and the API as routes: what is answered, what is refused, and how."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from hyperjobs.errors import StoreBusyError
from hyperjobs.store.sqlite import open_store
from hyperjobs.testing import START, make_job
from hyperjobs.web import shapes
from hyperjobs.web.hosts import HostRule
from hyperjobs.web.message import Request
from support.scrapes import hand_turned
from support.sites import make_overview, make_site
from support.stores import script

HOUR = timedelta(hours=1)


def ask(site, path, query="", *, method="GET", **headers):
    return site.answer(Request(method, path, query, {name.replace("_", "-"): v for name, v in headers.items()}))


def told(answer):
    """The object that a successful answer holds."""
    assert (answer.status, answer.content_type) == (200, "application/json"), answer.body
    return json.loads(answer.body)


def refused(answer):
    """Status, reason and parameter of an error."""
    assert answer.content_type == "application/json"
    error = json.loads(answer.body)["error"]
    assert error["status"] == answer.status
    assert error["message"].endswith(".")
    return answer.status, error["reason"], error.get("parameter")


@pytest.fixture
def open_site(tmp_path):
    """A site on a real store with these jobs, its ledger folded."""
    turned = []

    def start(*jobs, **options):
        path = tmp_path / "jobs.db"
        with open_store(path, create=True) as store:
            store.save_jobs(jobs)
        found = hand_turned(path, tmp_path / "state", **options)
        hand = found.__enter__()
        turned.append(found)
        hand.turn()
        return hand.site()

    yield start
    for found in turned:
        found.__exit__(None, None, None)


def some_jobs(count=5):
    return [
        make_job(id=f"job-{n}", created_at=START - n * HOUR, status="failed" if n % 2 else "completed", error=f"e{n}")
        for n in range(count)
    ]


def test_jobs_come_newest_first_page_by_page_each_once(open_site):
    site = open_site(*some_jobs(7))
    found, cursor = [], None
    for _ in range(4):
        page = told(ask(site, "/api/v1/jobs", f"limit=2&cursor={quote(cursor)}" if cursor else "limit=2"))
        found += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]

    assert found == [f"job-{n}" for n in range(7)]
    assert cursor is None


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("status=failed", [1, 3]),
        ("status=failed&status=completed", [0, 1, 2, 3, 4]),
        ("text=e4", [4]),
        ("provider=none", []),
        ("vm=web-01&user=admin&limit=1000", [0, 1, 2, 3, 4]),
        ("since=2026-01-21T07:30:00Z", [0, 1, 2]),
        ("since=2026-01-21T08:30:00+01:00", [0, 1, 2]),
        ("since=2026-01-21T08:30:00%2B01:00&until=2026-01-21T09:00:00Z", [2]),
        ("since=90m", [0, 1]),
        ("until=2026-01-21", []),
    ],
)
def test_jobs_are_chosen_by_every_filter(open_site, query, ids):
    page = told(ask(open_site(*some_jobs()), "/api/v1/jobs", query))

    assert [job["id"] for job in page["jobs"]] == [f"job-{n}" for n in ids]


@pytest.mark.parametrize(
    ("path", "query", "parameter"),
    [
        ("jobs", "colour=red", "colour"),
        ("jobs", "status=lost", "status"),
        ("jobs", "limit=0", "limit"),
        ("jobs", "limit=1001", "limit"),
        ("jobs", "limit=+5", "limit"),
        ("jobs", "limit=" + "9" * 400, "limit"),
        ("jobs", "limit=1&limit=2", "limit"),
        ("jobs", "since=yesterday", "since"),
        ("jobs", "since=2026-01-21T07:30:00", "since"),
        ("jobs", "since=2026-13-01", "since"),
        ("jobs", "until=", "until"),
        ("jobs", "cursor=x", "cursor"),
        ("jobs", "cursor=2026-01-21T07:30:00/x", "cursor"),
        ("jobs", "text=%ff", ""),
        ("jobs", "&".join(f"status=failed{n}" for n in range(40)), ""),
        ("jobs/job-1", "x=1", "x"),
        ("stats", "by=colour", "by"),
        ("status", "by=x", "by"),
        ("runs", "limit=x", "limit"),
        ("backups", "x", "x"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(open_site, path, query, parameter):
    answer = ask(open_site(), f"/api/v1/{path}", query)

    assert refused(answer) == (400, "parameter", parameter)


def test_one_job_is_told_whole_and_another_is_not_found(open_site):
    site = open_site(make_job(id="a/b ü?", metadata={"k": [1]}))

    assert told(ask(site, "/api/v1/jobs/a%2Fb%20%C3%BC%3F"))["job"]["metadata"] == {"k": [1]}
    assert told(ask(site, "/api/v1/jobs/a/b%20%C3%BC%3F"))["job"]["id"] == "a/b ü?"
    assert refused(ask(site, "/api/v1/jobs/none")) == (404, "no_job", None)
    assert refused(ask(site, "/api/v1/jobs/%ff")) == (404, "no_job", None)


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1/", "/api/v1/jobs/", "/api/v2/jobs", "/api/v1/nothing", "/api/v1/Jobs"]
)
def test_what_is_no_resource_is_not_found_in_json(path):
    assert refused(ask(make_site(), path)) == (404, "not_found", None)


def test_only_reading_is_allowed():
    site = make_site()

    for path in ("/", "/api/v1/jobs"):
        answer = ask(site, path, method="POST")
        assert answer.status == 405
        assert ("Allow", "GET, HEAD") in answer.headers
    assert ask(site, "/", method="HEAD").status == 200
    assert ask(site, "/metrics") is None


def test_counts_are_those_of_the_library(open_site):
    site = open_site(*some_jobs())

    everything = told(ask(site, "/api/v1/stats"))
    assert everything["by"] is None
    assert {name: everything["groups"][0][name] for name in ("total", "completed", "failed", "success_rate")} == {
        "total": 5,
        "completed": 3,
        "failed": 2,
        "success_rate": 60.0,
    }
    assert [group["group"] for group in told(ask(site, "/api/v1/stats", "by=user"))["groups"]] == ["admin"]
    assert refused(ask(site, "/api/v1/stats", "by=user&since=7d")) == (400, "parameter", None)


def test_a_store_that_cannot_be_read_is_503_with_its_reason_where_jobs_are_asked_for(tmp_path):
    with hand_turned(tmp_path / "jobs.db", tmp_path / "state") as turned:
        site = turned.site()

        assert refused(ask(site, "/api/v1/jobs")) == (503, "missing", None)
        assert refused(ask(site, "/api/v1/stats")) == (503, "missing", None)
        assert told(ask(site, "/api/v1/status"))["store"]["reason"] == "missing"
        assert ask(site, "/").status == 200


def test_hidden_jobs_are_refused_with_the_reason_and_counts_are_not(open_site):
    site = open_site(make_job(id="id-s3cret", name="n-s3cret", error="e-s3cret", status="failed"), web__jobs="false")

    for path, query in (("jobs", ""), ("jobs/id-s3cret", ""), ("failures", ""), ("stats", "by=user")):
        assert refused(ask(site, f"/api/v1/{path}", query)) == (403, "hidden", None)
    assert told(ask(site, "/api/v1/stats"))["groups"][0]["failed"] == 1
    for path in ("/", "/api/v1/status", "/api/v1/schedule", "/api/v1/backups", "/api/v1/runs"):
        answer = ask(site, path)
        assert answer.status == 200
        assert b"s3cret" not in answer.body


def test_hostile_jobs_are_ascii_json_cut_to_a_bound(open_site, tmp_path):
    huge = make_job(
        id="big", name="\u202e" + "x" * 1_000_000, error="</script>\U0001f600" * 9_000, metadata={"m": "y" * 70_000}
    )
    site = open_site(huge)
    script(tmp_path / "jobs.db", "UPDATE jobs SET user=CAST(x'ff' AS TEXT), vm_name='a'||char(0)||'b', progress=9e999")

    listed, alone = ask(site, "/api/v1/jobs"), ask(site, "/api/v1/jobs/big")

    assert listed.body.isascii()
    (job,) = told(listed)["jobs"]
    assert (len(job["name"]), len(job["error"]), job["truncated"]) == (2_000, 2_000, ["name", "error"])
    assert (job["user"], job["vm_name"]) == ("\ufffd", "a\0b")
    whole = told(alone)["job"]
    assert (whole["metadata"], whole["truncated"]) == (None, ["name", "error", "metadata"])
    assert len(alone.body) < 1_000_000


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        (None, True),
        ("localhost:10985", True),
        ("jobs.localhost", True),
        ("127.0.0.1:10985", True),
        ("[::1]:10985", True),
        ("192.168.1.7", True),
        ("evil.example", False),
        ("evil.example:10985", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_a_name_that_is_not_this_machines_is_refused_while_only_this_machine_is_served(host, is_allowed):
    headers = {} if host is None else {"host": host}
    site = make_site()

    assert (ask(site, "/", **headers).status == 200) is is_allowed
    assert (ask(site, "/api/v1/status", **headers).status == 200) is is_allowed
    if not is_allowed:
        assert refused(ask(site, "/api/v1/status", **headers)) == (403, "host", None)


def test_names_are_free_where_others_are_served_until_some_are_given():
    assert HostRule(["192.168.1.7"]).allows("jobs.example.com")
    assert not HostRule(["192.168.1.7"], names=lambda: ("jobs.example.com",)).allows("evil.example")
    assert HostRule(["192.168.1.7"], names=lambda: ("jobs.example.com",)).allows("Jobs.Example.COM:443")
    assert HostRule(["127.0.0.1"], names=lambda: ("jobs.example.com",)).allows("jobs.example.com")


def test_many_who_look_at_once_cost_one_reading():
    reads, begun, go = [], threading.Event(), threading.Event()

    def overview(_deadline):
        reads.append(1)
        begun.set()
        go.wait(5)
        return make_overview()

    site = make_site(overview)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask, site, "/api/v1/status")]
        begun.wait(5)
        answers += [pool.submit(ask, site, "/api/v1/status")]
        go.set()
        assert [answer.result(10).status for answer in answers] == [200, 200]

    assert len(reads) == 1


def test_pages_leave_workers_for_scrapes():
    begun, go = threading.Semaphore(0), threading.Event()

    class Slow:
        def runs(self, _task, _limit):
            begun.release()
            go.wait(10)
            return []

    site = make_site(look=Slow)
    with ThreadPoolExecutor(8) as pool:
        slow = [pool.submit(ask, site, "/api/v1/runs") for _ in range(2)]
        for _ in range(2):
            begun.acquire(timeout=5)
        third = ask(site, "/api/v1/runs")
        go.set()
        assert [answer.result(10).status for answer in slow] == [200, 200]

    assert refused(third) == (503, "busy", None)
    assert ("Retry-After", "1") in third.headers


def test_a_page_of_before_is_shown_while_a_newer_one_is_found():
    now, slow, go = [100.0], threading.Event(), threading.Event()

    class Clock:
        now = staticmethod(lambda: START)
        monotonic = staticmethod(lambda: now[0])

    def overview(_deadline):
        if now[0] > 100.0:
            slow.set()
            go.wait(10)
        return make_overview(version=f"{now[0]}")

    site = make_site(overview, clock=Clock())
    assert told(ask(site, "/api/v1/status"))["version"] == "100.0"
    now[0] = 103.0
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(ask, site, "/api/v1/status")
        slow.wait(5)
        assert told(ask(site, "/api/v1/status"))["version"] == "100.0"
        go.set()
        assert told(renewing.result(10))["version"] == "103.0"


def test_what_was_found_before_jobs_were_hidden_is_shown_no_more():
    shows = [True]
    site = make_site(
        lambda _deadline: make_overview(has_jobs=shows[0], version=f"{shows[0]}"), has_jobs=lambda: shows[0]
    )
    assert told(ask(site, "/api/v1/status"))["version"] == "True"

    shows[0] = False

    assert told(ask(site, "/api/v1/status"))["version"] == "False"


def test_an_agent_that_stops_says_so():
    def stopping(_deadline):
        raise StoreBusyError("the agent is stopping")

    site = make_site(stopping)

    assert ask(site, "/").status == 503
    assert refused(ask(site, "/api/v1/status")) == (503, "busy", None)


def test_the_page_takes_no_parameters():
    assert ask(make_site(), "/", "x=1").status == 400


def test_a_run_list_has_what_was_done_beside_the_runs_and_hides_whose_jobs_it_was():
    event = shapes.Run(
        run=None, task="cancel", slot=None, started_at=START, ended_at=START, outcome="ok", reason="wave 7",
        summary="migration-3: pending -> cancelled", detail={"ids": ["migration-3"]}, host="db1", version="1",
        kind="event", by="maria",
    )  # fmt: skip
    run = replace(event, run=1, task="backup", kind="run", by="", summary="4 jobs", detail={"jobs": 4}, reason="")
    look = SimpleNamespace(runs=lambda _task, _limit: [event, run])

    def asked(*, has_jobs):
        site = make_site(look=lambda: look, has_jobs=lambda: has_jobs)
        return json.loads(site.answer(Request("GET", "/api/v1/runs", "")).body)["runs"]

    shown, hidden = asked(has_jobs=True), asked(has_jobs=False)

    assert [(each["kind"], each["by"], each["run"]) for each in shown] == [("event", "maria", None), ("run", "", 1)]
    assert shown[0]["detail"] == {"ids": ["migration-3"]}
    assert [(each["summary"], each["reason"], each["detail"]) for each in hidden] == [
        ("", "", {}),
        ("4 jobs", "", {"jobs": 4}),
    ]
