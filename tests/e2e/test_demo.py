"""The demo shows everything there is to show, and leaves nothing behind: real processes, all of them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.backfill import past
from demo.children import DemoError
from demo.living import fetch, living
from demo.place import claimed
from demo.writer import connect, go_time, read_go_time
from hyperjobs.metrics.catalogue import catalogue
from support.panels import answer, queries
from support.processes import running, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.living import Demo
    from support.processes import Process

ROOT = Path(__file__).parent.parent.parent

NOT_SHOWN = {
    "hyperjobs_store_errors_total": "no store that is well has one; a demo that breaks its store would not be read as one",
}
ABOVE_ZERO = (
    "sum(hyperjobs_jobs_created_total)",
    'sum(hyperjobs_jobs_finished_total{status="failed"})',
    'sum(hyperjobs_jobs_finished_total{status="cancelled"})',
    "sum(hyperjobs_job_queue_wait_seconds_count)",
    "sum(hyperjobs_job_bytes_total)",
    "hyperjobs_label_overflow_total",
    'hyperjobs_rows_skipped_total{reason="negative_duration"}',
    'hyperjobs_store_anomalies{kind="completed_before_started"}',
    'hyperjobs_backups{destination="local",state="verified"}',
    'hyperjobs_backups{destination="offsite",state="verified"}',
    "hyperjobs_backups_pinned",
    "hyperjobs_drill_ok",
    "hyperjobs_store_integrity_ok",
    'hyperjobs_pruned_jobs_total{status="completed"}',
    "hyperjobs_vacuum_reclaimed_bytes_total",
    'sum(hyperjobs_task_runs_total{outcome="ok"})',
    "hyperjobs_ledger_ready",
    "hyperjobs_store_up",
)
COMMAND = (sys.executable, "-m", "demo.run", "--port", "0", "--without-prometheus", "--days", "0.1")
UP = "Ctrl-C ends it all"
GO_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{0,8}[1-9])?[+-]\d\d:\d\d")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with living(tmp_path_factory.mktemp("demo"), speed=60, days=8.5, scrape_interval_s=1) as up:
        yield up


@pytest.mark.tool("prometheus")
def test_every_metric_that_is_not_reserved_has_samples_in_prometheus(demo: Demo) -> None:
    wanted = {entry.name for entry in catalogue().values() if not entry.is_reserved} - NOT_SHOWN.keys()

    def missing() -> set[str]:
        names = json.loads(fetch(f"{demo.prometheus}/api/v1/label/__name__/values"))["data"]
        return wanted - {name.removesuffix("_count") for name in names} - set(names)

    def is_whole() -> bool:
        nonlocal left
        left = missing()
        return not left

    left = wanted
    with suppress(DemoError):
        demo.children.until(is_whole, "all of them", timeout_s=40)
    assert left == set()


@pytest.mark.tool("prometheus")
@pytest.mark.parametrize("expression", ABOVE_ZERO)
def test_what_a_panel_shows_is_more_than_nothing(demo: Demo, expression: str) -> None:
    demo.children.until(lambda: demo.query(f"{expression} > 0"), expression, timeout_s=20)


@pytest.mark.tool("prometheus")
def test_no_panel_of_any_dashboard_is_empty(demo: Demo) -> None:
    waiting = queries()

    def are_answered() -> bool:
        for where in [where for where, expression in waiting.items() if answer(demo, expression)]:
            del waiting[where]
        return not waiting

    with suppress(DemoError):
        demo.children.until(are_answered, "all of them", timeout_s=60)
    assert waiting == {}


@pytest.mark.tool("prometheus")
def test_the_fleet_goes_on_while_it_is_looked_at(demo: Demo) -> None:
    finished = "sum(hyperjobs_jobs_finished_total)"
    before = float(demo.query(finished)[0]["value"][1])

    demo.children.until(lambda: demo.query(f"{finished} > {before}"), "a job that ends", timeout_s=20)


@pytest.mark.tool("prometheus", "promtool")
def test_no_counter_falls_from_the_past_to_the_present(demo: Demo) -> None:
    counters = ("jobs_created_total", "jobs_finished_total", "job_bytes_total", "pruned_jobs_total", "task_runs_total")

    for name in counters:
        assert demo.query(f"max(resets(hyperjobs_{name}[9d]))")[0]["value"][1] == "0", name
        assert int(demo.query(f"max(count_over_time(hyperjobs_{name}[9d]))")[0]["value"][1]) > 300, name


def test_what_became_of_a_job_of_the_past_is_told_with_the_times_of_the_past(demo: Demo) -> None:
    job = json.loads(demo.hyperjobs("list", "--status", "failed", "--json").splitlines()[-1])

    told = [json.loads(line)["at"] for line in demo.hyperjobs("history", job["id"], "--json").splitlines()]

    seen_at = [datetime.fromisoformat(at) for at in (told[0], told[-1])]
    was_at = [datetime.fromisoformat(job[name]) for name in ("created_at", "completed_at")]
    assert all(abs(seen - was) < timedelta(seconds=5) for seen, was in zip(seen_at, was_at, strict=True))


def test_the_fleet_writes_what_the_go_client_can_read(demo: Demo) -> None:
    with closing(connect(demo.store)) as db:
        rows = db.execute("SELECT * FROM jobs").fetchall()

    assert len(rows) > 3000
    for row in rows:
        created, started, completed = row[7:10]
        assert all(GO_TIME.fullmatch(at) for at in (created, started, completed) if at is not None)
        assert None not in (*row[:8], *row[10:])
        assert row[12] == "null" or isinstance(json.loads(row[12]), dict)


def test_every_command_copes_with_what_machines_are_called(demo: Demo) -> None:
    jobs = [json.loads(line) for line in demo.hyperjobs("list", "--limit", "5000", "--json").splitlines()]

    names = {job["vm_name"] for job in jobs}
    assert {"<script>alert(1)</script>", "データベース-01", "🚀 launch pad"} <= names


def test_the_same_seed_makes_the_same_past() -> None:
    now_s = 1_795_600_000.0
    first, same, other = (list(islice(past(seed, now_s, 2.0).until(now_s), 2000)) for seed in (1, 1, 2))

    assert first == same
    assert first != other


def test_a_past_is_the_same_for_whoever_looks_at_it_later() -> None:
    earlier_s, later_s = 1_795_600_000.0, 1_795_600_600.0
    earlier, later = (list(past(1, now_s, 2.0).until(earlier_s)) for now_s in (earlier_s, later_s))

    assert earlier == later


@pytest.mark.parametrize("at_ns", [0, 1_795_600_000_123_456_789, 1_795_600_000_120_000_000, 1_795_600_000_000_000_001])
def test_a_time_is_read_as_it_was_written(at_ns: int) -> None:
    text = go_time(at_ns)

    assert GO_TIME.fullmatch(text)
    assert read_go_time(text) == at_ns


@contextmanager
def started(directory: Path, *words: str) -> Iterator[Process]:
    """``make demo`` without a Prometheus and with a short past; whatever is left of it afterwards fails the test."""
    with running([*COMMAND, "--directory", directory, *words], cwd=ROOT) as process:
        yield process
    until(lambda: not left_of(directory), "end of every process", timeout_s=20)


def left_of(directory: Path) -> list[int]:
    """The processes that have to do with this directory."""
    mark = str(directory).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "cmdline").read_bytes() or mark in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue  # it ended, or is somebody else's
    return found


@pytest.mark.parametrize(
    ("number", "when"),
    [
        (signal.SIGINT, UP),
        (signal.SIGTERM, "living through"),
    ],
)
def test_a_signal_ends_all_of_it_within_seconds(tmp_path: Path, number: signal.Signals, when: str) -> None:
    directory = tmp_path / "demo"
    with started(directory) as process:
        process.until(lambda: when in process.output, when, timeout_s=60)
        process.signal(number)

        assert process.wait(timeout_s=15) == 0, process.output
        assert left_of(directory) == []


def test_a_child_that_dies_is_named_with_what_it_said_last(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    with started(directory) as process:
        process.until(lambda: UP in process.output, "a demo", timeout_s=60)
        fleet = next(pid for pid in left_of(directory) if b"demo.fleet" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(fleet, signal.SIGKILL)

        assert process.wait(timeout_s=15) == 1
        assert "the demo ended: fleet was ended by SIGKILL" in process.output
        assert "fleet: ready" in process.output


def test_nothing_outlives_a_demo_that_is_killed_and_the_next_one_goes_on_with_its_store(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    with started(directory) as process:
        process.until(lambda: UP in process.output, "a demo", timeout_s=60)
        assert len(left_of(directory)) == 3
        process.kill()
    with started(directory, "--keep", "--for", "0.5") as process:
        assert process.wait(timeout_s=60) == 0, process.output

    assert "the past" not in process.output


def test_a_second_demo_leaves_the_first_alone(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    with claimed(directory, fresh=True), running([*COMMAND, "--directory", directory], cwd=ROOT) as process:
        (directory / "log").mkdir()

        assert process.wait(timeout_s=30) == 1
        assert f"another demo runs in {directory}" in process.output


def test_a_port_that_is_taken_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running([*COMMAND, "--directory", tmp_path / "demo", "--port", str(port)], cwd=ROOT) as process:
            assert process.wait(timeout_s=30) == 1

    assert f"port {port} cannot be had" in process.output
    assert "--port" in process.output
    assert not (tmp_path / "demo").exists()


def test_a_directory_that_is_no_demos_is_not_cleared(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with started(tmp_path) as process:
        assert process.wait(timeout_s=30) == 1

    assert "is not empty, and no demo's" in process.output
    assert (tmp_path / "thesis.txt").exists()
