"""The status page in a real browser: what is on it, and that it holds whatever a store holds."""

from __future__ import annotations

import gzip
import re
from datetime import timedelta

import pytest

from hyperjobs.store.sqlite import open_store
from hyperjobs.testing import START, make_job
from support.processes import get, until
from support.stores import script

pytestmark = pytest.mark.tool("chromium")

HOUR = timedelta(hours=1)
WIDTHS = (380, 1280)
HOSTILE = (
    '<script>window.pwned=1</script><img src=x onerror="alert(1)"><b id=pwned>"\'&amp;{{ 7*7 }}',
    "\u202egnp.exe\u202c \u2066\u200f\u05d0\u05d1\u05d2 mixed",
    "x" * 1_000_000,
    "Z\u0351\u036b\u0343\u036a" * 4_000,
    "no\u00a0break\u2028line\u0085\ttab",
)


def week(count=60, *, now=START):
    """A week of jobs of three providers, some of which failed."""
    for n in range(count):
        at = now - n * 2.7 * HOUR
        status = "failed" if n % 9 == 4 else "cancelled" if n % 20 == 7 else "completed"
        yield make_job(
            id=f"job-{n}",
            provider=("vsphere", "kvm", "hyperv")[n % 3],
            status=status,
            created_at=at - 2 * HOUR,
            started_at=at - HOUR,
            completed_at=at,
            error=f"host esx-{n}.corp.local:902 refused after {n} s" if status == "failed" else "",
        )


def running(count=3):
    for n in range(count):
        at = START - (n + 1) * HOUR
        name, progress = f"Export big-{n}", 20.0 + n
        yield make_job(id=f"run-{n}", name=name, status="running", created_at=at, started_at=at, progress=progress)


def text_of(shown, label):
    return shown.page.locator(f"section[aria-labelledby={label}]").inner_text()


def test_all_that_an_operator_asks_is_on_the_page(serve, show):
    served = serve(*week(), *running())
    for task in ("integrity-quick", "backup", "drill"):
        served.turned.run(task)
    shown = show(served.url)

    assert shown.page.locator("h1").inner_text() == "All is well"
    assert shown.page.title() == "All is well · hyperjobs"
    assert "of 8 finished" in text_of(shown, "figures")
    assert "about 4 h left" in text_of(shown, "running")
    providers = text_of(shown, "providers")
    assert all(name in providers for name in ("vsphere", "kvm", "hyperv", "All"))
    assert "host <host> refused after <time>" in text_of(shown, "failures")
    assert "verified" in text_of(shown, "backups")
    assert "2026-01-21 10:00" in text_of(shown, "backups")
    assert "whole" in text_of(shown, "disk")
    maintenance = text_of(shown, "maintenance")
    assert all(name in maintenance for name in ("backup", "prune", "drill", "01-22 01:30"))
    assert shown.page.locator("figure svg path.completed").count() == 1
    assert shown.complaints() == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window_or_asked_of_others(serve, show, width, scheme):
    shown = show(serve(*week(), *running(20)).url, width=width, color_scheme=scheme)

    assert shown.overflow_px() <= 0
    assert shown.complaints() == []
    assert [url for url in shown.asked if not url.startswith("data:")] == [shown.page.url]


@pytest.mark.parametrize("width", WIDTHS)
def test_names_and_errors_that_attack_are_only_text(serve, show, width):
    served = serve(*week(5))
    with open_store(served.turned.workshop.store) as store:
        for n, text in enumerate(HOSTILE):
            fields = dict.fromkeys(("name", "vm_name", "provider", "user", "error"), text)
            for status in ("running", "failed"):
                job = make_job(id=f"{status}-{n}{text[:600]}", status=status, started_at=START - HOUR, **fields)
                store.save_job(job)
    script(
        served.turned.workshop.store,
        "UPDATE jobs SET name=CAST(x'3c623eff' AS TEXT), user='a'||char(0)||'<i>', error=x'3c753e' WHERE id='job-4'",
    )
    served.turned.turn()
    shown = show(served.url, width=width)

    assert shown.complaints() == []
    assert shown.page.evaluate("window.pwned") is None
    assert shown.page.locator("#pwned, main img, main script").count() == 0
    assert shown.overflow_px() <= 0
    assert "window.pwned=1" in text_of(shown, "running")
    assert "\u202e" not in shown.page.content()
    assert len(shown.page.content()) < 60_000
    heights = shown.page.evaluate("[...document.querySelectorAll('.rows > li')].map(li => li.offsetHeight)")
    assert max(heights) < 200


def test_ten_thousand_failures_are_a_small_page_of_a_few_kinds(serve, show):
    jobs = [
        make_job(
            id=f"f{n}", status="failed", completed_at=START - n * timedelta(minutes=1), error=f"disk {n}: {n % 3} left"
        )
        for n in range(10_000)
    ]
    served = serve(*jobs)
    shown = show(served.url)

    failures = text_of(shown, "failures")
    assert "of the newest 1,000 of 10,000" in failures
    assert "disk <n>: <n> left" in failures
    assert shown.page.locator("section[aria-labelledby=failures] li").count() == 1
    assert "Critical" in shown.page.title()
    assert "failed in the last 24 hours" in shown.page.locator("h1").inner_text()
    body = shown.page.content()
    assert len(body.encode()) < 40_000
    assert len(gzip.compress(body.encode())) < 12_000


def test_an_empty_store_has_a_page_that_says_so(serve, show):
    shown = show(serve().url, width=380)

    assert "No jobs yet." in text_of(shown, "providers")
    assert "Nothing runs." in text_of(shown, "running")
    assert "No failed jobs." in text_of(shown, "failures")
    assert shown.page.locator("h1").inner_text() == "All is well"
    assert shown.overflow_px() <= 0
    assert shown.complaints() == []


@pytest.mark.parametrize("width", WIDTHS)
def test_a_missing_store_is_the_first_thing_said(serve, show, width):
    shown = show(serve(create=False).url, width=width)

    heading = shown.page.locator("h1").inner_text()
    assert heading.lower().startswith("critical the store cannot be read")
    assert "store.path" in shown.page.locator(".remedy").first.inner_text()
    assert "Not known." in text_of(shown, "running")
    assert re.search(r"Running\s+-\s+not known\s+Failed\s+-\s+not known", text_of(shown, "figures"))
    assert shown.page.locator(".state.critical > svg").count() == 1
    assert shown.overflow_px() <= 0
    assert shown.complaints() == []


def test_a_damaged_store_is_said_to_be(serve, show, tmp_path):
    (tmp_path / "jobs.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 8176)
    shown = show(serve(create=False).url)

    assert "cannot be read" in shown.page.locator("h1").inner_text()
    assert shown.complaints() == []


def test_hidden_jobs_are_named_nowhere(serve, show):
    job = make_job(id="i-s3cret", name="n-s3cret", vm_name="v-s3cret", user="u-s3cret", status="running")
    failed = make_job(status="failed", error="e-s3cret", name="m-s3cret", completed_at=START)
    shown = show(serve(job, failed, web__jobs="false").url)

    assert "web.jobs: false" in text_of(shown, "running")
    assert "web.jobs: false" in text_of(shown, "failures")
    assert "s3cret" not in shown.page.content()


def test_the_page_is_whole_without_scripts(serve, show):
    shown = show(serve(*week(), *running()).url, java_script_enabled=False)

    assert "All is well" in text_of(shown, "state")
    assert "Export big-0" in text_of(shown, "running")
    shown.page.locator("section[aria-labelledby=failures] summary").first.click()
    assert "esx-" in text_of(shown, "failures")


def test_a_new_job_appears_without_a_reload_and_the_reader_keeps_the_place(serve, show):
    served = serve(*week(), *running())
    shown = show(served.url, width=380)
    page = shown.page
    page.evaluate("window.stays = true")
    summary = page.locator("section[aria-labelledby=failures] summary").first
    summary.click()
    summary.focus()
    place = page.evaluate("scrollY")
    assert place > 0

    with open_store(served.turned.workshop.store) as store:
        store.save_job(make_job(name="Export brand-new", status="running", started_at=START))
    served.turned.turn()
    served.turned.clock.advance(10)
    page.clock.run_for(5_100)
    page.wait_for_selector("text=Export brand-new")

    assert page.evaluate("window.stays")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert page.locator("section[aria-labelledby=failures] details[open]").count() == 1
    assert abs(page.evaluate("scrollY") - place) < 120
    assert shown.complaints() == []


def test_news_is_told_to_who_listens_and_in_the_title(serve, show):
    served = serve()
    shown = show(served.url)
    assert shown.page.locator("#said").inner_text() == ""

    served.turned.workshop.holds.freeze("damaged", "page 7", START)
    served.turned.clock.advance(10)
    shown.page.clock.run_for(5_100)
    until(lambda: shown.page.title().startswith("Warning"), "the news")

    assert "Maintenance is frozen" in shown.page.locator("#said").inner_text()


def test_a_page_that_gets_no_answer_says_so_and_recovers(serve, show):
    served = serve()
    shown = show(served.url)
    shown.page.route("**/*", lambda route: route.abort())
    shown.page.clock.run_for(5_100)
    shown.page.wait_for_selector("#live.lost")
    assert "No answer" in shown.page.locator("#live").inner_text()

    shown.page.unroute("**/*")
    served.turned.clock.advance(10)
    shown.page.clock.run_for(5_100)
    shown.page.wait_for_selector("#live:not(.lost)")

    assert "No answer" not in shown.page.locator("#live").inner_text()


def test_a_page_that_nobody_sees_asks_nothing(serve, show):
    shown = show(serve().url)
    page = shown.page
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => window.away, configurable: true});"
        "window.away = true; document.dispatchEvent(new Event('visibilitychange'))"
    )
    before = len(shown.asked)
    page.clock.run_for(60_000)
    assert len(shown.asked) == before

    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    until(lambda: page.evaluate("1") and len(shown.asked) > before, "an answer to who is back")


def test_the_answer_carries_its_protection(serve):
    answer = get(serve(*week(3)).url)

    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "//" not in answer.text.replace("http://www.w3.org/2000/svg", "").replace("// Fetches", "")
