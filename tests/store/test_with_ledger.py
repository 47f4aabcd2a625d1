"""On a store with a ledger the library counts its own rows, and asks the ledger about what is gone."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from hyperjobs import InvalidJobError
from hyperjobs.store.connection import Connection
from hyperjobs.store.ledger.baseline import take_baseline
from hyperjobs.store.ledger.install import install
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.testing import START, FakeClock, make_job
from support.stores import new_store


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(tmp_path, clock):
    with new_store(tmp_path, clock=clock) as opened:
        connection = Connection(opened.path)
        install(connection, now=clock.now())
        pace = SimpleNamespace(is_stopping=lambda: False, rest=lambda _seconds: None)
        take_baseline(connection, LedgerOptions(), clock=clock, pace=pace)
        connection.close()
        yield opened


def test_the_ledger_is_seen_without_opening_again(store):
    assert store.is_ledger_installed
    assert store.unknown_triggers == ()


def test_prune_counts_jobs_and_not_what_triggers_write(store, clock):
    store.save_jobs(make_job(status="completed", completed_at=START) for _ in range(300))
    clock.advance(timedelta(days=31))

    assert store.prune(timedelta(days=30)) == 300
    assert store.count_jobs() == 0


def test_updates_and_deletes_see_whether_there_was_a_job(store):
    store.save_job(make_job(id="a"))
    store.update_job_status("a", "running")
    store.delete_job("a")

    with pytest.raises(LookupError):
        store.delete_job("a")


def test_the_history_of_a_deleted_job_is_recorded(store):
    store.save_job(make_job(id="a"))
    store.update_job_status("a", "running")
    store.delete_job("a")

    events = store.job_history("a")

    assert [(event.old, event.new) for event in events][:2] == [(None, "pending"), ("pending", "running")]
    assert not any(event.inferred for event in events)


def test_a_period_says_the_same_before_and_after_a_prune(store, clock):
    store.save_job(make_job(id="a", status="running", started_at=START))
    store.update_job_status("a", "completed")
    store.save_job(make_job(id="b", status="running", started_at=START))
    store.update_job_status("b", "failed")
    before = store.get_job_stats(since=START, until=START + timedelta(hours=1))
    clock.advance(timedelta(days=31))

    store.prune(timedelta(days=30))

    assert (before.total, before.success_rate) == (2, 50.0)
    assert store.get_job_stats(since=START, until=START + timedelta(hours=1)) == before
    assert store.get_job_stats(until=START).total == 0


def test_a_period_by_user_is_refused(store):
    with pytest.raises(InvalidJobError, match="no users"):
        store.get_job_stats("user", since=START)
