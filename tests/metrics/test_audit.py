"""Whether the audit log keeps up is seen from outside: up, how many changes wait, and when it was last added to."""

from __future__ import annotations

from contextlib import closing

import apsw
import pytest

from support.ledgers import insert, make_store
from support.scrapes import hand_turned, value


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path / "jobs.db")


def save(store, *jobs):
    with closing(apsw.Connection(str(store))) as db:
        for job in jobs:
            insert(db, job, "running")


def told(agent):
    samples = agent.samples()
    return [value(samples, f"audit_{name}") for name in ("up", "waiting_changes", "last_write_timestamp_seconds")]


def test_a_log_that_cannot_be_written_is_down_with_what_waits_until_it_can(tmp_path, store):
    log = tmp_path / "later" / "audit.jsonl"
    with hand_turned(store, tmp_path / "state", audit__path=str(log)) as agent:
        agent.turn()
        save(store, "a", "b")
        agent.turn()
        up, waiting, last = told(agent)
        assert (up, waiting >= 2, last) == (0, True, None)
        before = waiting
        save(store, "c")
        agent.turn()
        assert told(agent) == [0, before + 1, None]

        log.parent.mkdir()
        agent.clock.advance(6)
        agent.turn()
        assert told(agent) == [1, 0, agent.clock.now().timestamp()]


def test_the_time_of_the_last_addition_stands_while_nothing_happens_and_outlives_the_agent(tmp_path, store):
    log = tmp_path / "audit.jsonl"
    with hand_turned(store, tmp_path / "state", audit__path=str(log)) as agent:
        save(store, "a")
        agent.turn()
        at = agent.clock.now().timestamp()
        agent.clock.advance(60)
        agent.turn()
        assert told(agent) == [1, 0, at]
    with hand_turned(store, tmp_path / "state", audit__path=str(log)) as agent:
        assert told(agent) == [None, None, None]
        agent.turn()
        up, waiting, last = told(agent)
        assert (up, waiting) == (1, 0)
        assert last is not None


def test_without_an_audit_log_nothing_is_said_of_one(tmp_path, store):
    with hand_turned(store, tmp_path / "state") as agent:
        agent.turn()
        assert told(agent) == [None, None, None]
