"""SIGTERM ends the agent with 0 and soon, whatever it is doing."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

from support.agents import fill, logged, started, stop_seconds
from support.holders import held
from support.ledgers import make_store
from support.processes import get

if TYPE_CHECKING:
    from pathlib import Path

IN_TIME_S = 5.0
"""Two seconds are promised; the rest is for a machine with other work."""


def is_ready(url):
    answer = get(f"{url}/metrics")
    return answer is not None and "\nhyperjobs_ledger_ready 1.0\n" in answer.text


def assert_clean(process, code, took_s, *, name="SIGTERM"):
    assert (code, process.output.count("Traceback")) == (0, 0)
    assert took_s < IN_TIME_S
    [last] = logged(process, "agent.stopped")
    assert (last["signal"], last["clean"]) == (name, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_agent_ends_cleanly(launch, store, number):
    with launch(store) as process:
        url = started(process)
        process.until(lambda: is_ready(url), "the first count")

        assert_clean(process, *stop_seconds(process, number), name=number.name)


def test_the_store_is_left_without_a_wal_of_ours_when_nobody_else_has_it(launch, store):
    with launch(store) as process:
        url = started(process)
        process.until(lambda: is_ready(url), "the first count")
        process.stop()

    names = {path.name for path in store.parent.iterdir()}
    assert names <= {"jobs.db", "jobs.db.hyperjobs.lock"}


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """A store whose first count takes seconds."""
    path = make_store(tmp_path_factory.mktemp("large") / "jobs.db")
    fill(path, 400_000)
    return path


@pytest.mark.parametrize("ledger", ["triggers", "scan"])
def test_an_agent_in_the_middle_of_its_first_count_ends_cleanly(launch, large, ledger):
    with launch(large, env={"HYPERJOBS_STORE__LEDGER": ledger}) as process:
        url = started(process)
        assert not is_ready(url)

        assert_clean(process, *stop_seconds(process, signal.SIGTERM))


def test_an_agent_in_the_middle_of_a_statement_ends_cleanly(launch, tmp_path):
    """The first count asks for the largest providers in one statement: with a million distinct ones it takes seconds."""
    path = make_store(tmp_path / "jobs.db")
    fill(path, 400_000)
    with held(path, "DROP INDEX idx_provider", "UPDATE jobs SET provider=hex(randomblob(16))"):
        pass
    with launch(path) as process:
        started(process)

        assert_clean(process, *stop_seconds(process, signal.SIGTERM))


@pytest.mark.parametrize(
    "statements",
    [["BEGIN IMMEDIATE"], ["PRAGMA journal_mode=delete", "BEGIN EXCLUSIVE"]],
    ids=["by a writer", "wholly"],
)
def test_an_agent_that_waits_for_a_lock_ends_cleanly(launch, store, statements):
    with held(store, *statements), launch(store) as process:
        started(process)

        assert_clean(process, *stop_seconds(process, signal.SIGTERM))


def test_an_agent_without_a_store_ends_cleanly(launch, tmp_path):
    with launch(tmp_path / "none.db") as process:
        started(process)

        assert_clean(process, *stop_seconds(process, signal.SIGTERM))


def test_a_second_signal_ends_the_agent_too(launch, store):
    with launch(store) as process:
        started(process)

        code, took_s = stop_seconds(process, signal.SIGTERM, signal.SIGTERM, signal.SIGINT)

    assert code in {0, -signal.SIGTERM, -signal.SIGINT}
    assert took_s < IN_TIME_S


def test_silent_clients_do_not_hold_the_agent(launch, store):
    with launch(store) as process:
        host, _, port = started(process).removeprefix("http://").rpartition(":")
        clients = [socket.create_connection((host, int(port))) for _ in range(20)]
        for client in clients[:10]:
            client.send(b"GET /metrics HT")

        assert_clean(process, *stop_seconds(process, signal.SIGTERM))
        for client in clients:
            client.close()


def test_the_agent_is_ready_only_between_start_and_stop(launch, store):
    """A stop that has to wait for a scrape under way answers 503 meanwhile, or nobody any more; never 200."""
    with launch(store) as process:
        url = started(process)
        assert get(f"{url}/-/ready").status == 200
        process.signal(signal.SIGTERM)
        process.until(lambda: logged(process, "agent.stopped") or process.exit_code is not None, "the stop")

        assert get(f"{url}/-/ready") is None


def test_sighup_before_sigterm_is_served_first(launch, store):
    with launch(store) as process:
        started(process)

        code, _ = stop_seconds(process, signal.SIGHUP, signal.SIGTERM)

    assert code == 0
