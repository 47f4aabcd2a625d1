"""The real agent tells people of what fails and of what works again, and no receiver holds it up."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest

from hyperjobs.agent.announce import Announcer
from hyperjobs.clock import SystemClock
from hyperjobs.cron.expression import parse_schedule
from hyperjobs.maintenance.runner import Runner
from hyperjobs.notify.channel import Words
from hyperjobs.notify.http import Http
from hyperjobs.notify.notifier import Notifier
from hyperjobs.notify.outbox import Rules
from hyperjobs.notify.webhook import Webhook
from hyperjobs.secret import Secret
from hyperjobs.store.runs import Runs
from hyperjobs.store.state import StateFile
from support.agents import logged, started
from support.processes import get, running, until
from support.receivers import http_receiver
from support.scrapes import hand_turned

BACKUP = "30 1 * * *"


@pytest.fixture
def receiver():
    with http_receiver() as found:
        yield found


@pytest.fixture
def home(tmp_path, store):
    """The configuration of an agent that has missed last night's backup, and cannot take it."""
    state = StateFile(tmp_path / "state", store, clock=SystemClock())
    yesterday = SystemClock().now() - timedelta(hours=23)
    Runs(state).set_mark("backup", str(parse_schedule(BACKUP, "UTC")), yesterday)
    state.close()
    (tmp_path / "backups").write_text("no directory")
    return {
        "store": {"path": str(store), "state_dir": str(tmp_path / "state")},
        "web": {"listen": ["127.0.0.1:0"]},
        "maintenance": {"reserve": "0", "backup": {"schedule": BACKUP, "directory": str(tmp_path / "backups")}},
    }


@contextmanager
def agent(tmp_path, options, **env):
    file = tmp_path / "hyperjobs.yaml"
    file.write_text(json.dumps(options))
    with running([sys.executable, "-m", "hyperjobs", "run", "--config", file], env=env) as process:
        process.until(lambda: logged(process, "agent.started"), "the start")
        yield process


def hj(tmp_path, *words):
    done = subprocess.run(
        [sys.executable, "-m", "hyperjobs", *words, "--config", tmp_path / "hyperjobs.yaml"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_backup_that_fails_is_told_once_and_its_recovery_too_also_over_a_restart(tmp_path, home, receiver):
    with http_receiver() as pinged:
        home["notifications"] = [
            {"name": "ops", "type": "webhook", "url": f"{receiver.url}/hook"},
            {"name": "ping", "type": "healthchecks", "url": f"{pinged.url}/ping", "tasks": ["backup"]},
        ]
        with agent(tmp_path, home) as process:
            receiver.wait(1)
            assert [request.path for request in pinged.wait(2)] == ["/ping/start", "/ping/fail"]
            assert receiver.events() == ["backup.failed"]
            assert "detail" not in receiver.requests[0].json()
            assert "backups" not in receiver.requests[0].body.decode()
            url = started(process)
            process.until(
                lambda: 'hyperjobs_notifications_total{channel="ops",outcome="sent"} 1.0' in get(f"{url}/metrics").text,
                "the count",
            )
            hj(tmp_path, "freeze", "--reason", "storage work")
            receiver.wait(2)
            assert process.stop() == 0

        (tmp_path / "backups").unlink()
        (tmp_path / "backups").mkdir(mode=0o700)
        with agent(tmp_path, home) as process:
            hj(tmp_path, "unfreeze", "--reason", "done")
            hj(tmp_path, "backup", "create")
            receiver.wait(4)
            assert process.stop() == 0

    assert receiver.events()[:2] == ["backup.failed", "store.frozen"]
    assert set(receiver.events()[2:]) == {"backup.recovered", "store.unfrozen"}
    assert len(receiver.events()) == 4
    assert "Traceback" not in process.output


def test_a_receiver_that_hangs_holds_up_neither_a_run_nor_a_reload_nor_a_stop(tmp_path, home, receiver):
    receiver.rule = lambda _: "hang"
    hook = {"name": "ops", "type": "webhook", "url": f"{receiver.url}/hook", "timeout": "1m", "events": ["*"]}
    home["notifications"] = [hook]
    with agent(tmp_path, home) as process:
        receiver.wait(1)
        process.until(lambda: logged(process, "task.failed"), "the run's end")
        home["notifications"] = [hook | {"url": f"{receiver.url}/other"}]
        (tmp_path / "hyperjobs.yaml").write_text(json.dumps(home))
        began = time.monotonic()
        process.signal(1)
        process.until(lambda: logged(process, "config.reloaded"), "the reload")
        assert time.monotonic() - began < 5

        began = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - began < 2.5


def test_a_run_takes_as_long_with_a_dead_receiver_as_without_one(tmp_path, store, receiver):
    receiver.rule = lambda _: "hang"

    def fastest(begun, ended):
        took = []
        with hand_turned(store, tmp_path / "state", clock=SystemClock()) as turned:
            shop = turned.workshop
            runner = Runner(
                shop.runs,
                shop.holds,
                locks=shop.state.path.with_suffix(""),
                clock=shop.clock,
                begun=begun,
                observe=lambda finished: ended(finished.run),
            )
            for _ in range(5):
                began = time.monotonic()
                assert runner.run(shop.task("integrity-quick")) is not None
                took.append(time.monotonic() - began)
        return min(took)

    alone = fastest(lambda _run: None, lambda _run: None)
    notifier = Notifier(clock=SystemClock())
    hook = Webhook(url=Secret(receiver.url), words=Words(host="db1"), http=Http(), timeout_s=60.0)
    notifier.use([(Rules(name="dead", events=("*",)), hook)])
    announcer = Announcer(notifier)
    beside = fastest(announcer.begun, announcer.ended)
    notifier.stop(0.1)

    assert receiver.requests
    assert beside < alone * 2 + 0.1


def test_a_scrape_that_does_not_come_is_told_and_its_return(tmp_path, home, receiver):
    home["web"]["expect_scrape_every"] = "1s"
    home["notifications"] = [{"name": "ops", "type": "webhook", "url": receiver.url, "events": ["agent.*"]}]
    with agent(tmp_path, home) as process:
        url = started(process)
        assert [request.json()["event"] for request in receiver.wait(1)] == ["agent.not_scraped"]
        subprocess.run(
            [sys.executable, "-m", "hyperjobs", "healthcheck", "--url", url, "--store"], check=True, capture_output=True
        )
        assert len(receiver.requests) == 1  # that was none
        stop_scraping = time.monotonic() + 20
        until(
            lambda: get(f"{url}/metrics") and (len(receiver.requests) > 1 or time.monotonic() > stop_scraping),
            "the return",
        )
        assert receiver.events()[1] == "agent.scraped"


def test_a_channel_whose_secret_is_missing_is_exit_2_at_the_start_and_no_reload(tmp_path, home, receiver):
    good = {"name": "ops", "type": "webhook", "url": receiver.url}
    bad = {"name": "ops", "type": "webhook", "url_file": str(tmp_path / "missing")}
    file = tmp_path / "hyperjobs.yaml"
    file.write_text(json.dumps(home | {"notifications": [bad]}))
    with running([sys.executable, "-m", "hyperjobs", "run", "--config", file]) as process:
        assert process.wait() == 2
        lines = [line for line in process.output.splitlines() if not line.startswith("{")]
        assert lines[0].startswith(f"hyperjobs: notifications: ops: {tmp_path / 'missing'}: cannot be read")

    with agent(tmp_path, home | {"notifications": [good]}) as process:
        file.write_text(json.dumps(home | {"notifications": [bad]}))
        process.signal(1)
        process.until(lambda: logged(process, "config.reload_failed"), "the refusal")
        until(lambda: "reload.failed" in receiver.events(), "the news of it")  # by the channel that stays
        file.write_text(json.dumps(home | {"notifications": [good]}))
        process.signal(1)
        until(lambda: "reload.recovered" in receiver.events(), "the news that it is well")
        assert process.stop() == 0
