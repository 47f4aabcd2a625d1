"""What the store promises about single jobs, batches, transactions, numbers and prune."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from hyperjobs import (
    InvalidJobError,
    JobFilter,
    JobNotFoundError,
    JobStatus,
    StoreClosedError,
    StoreReadOnlyError,
    StoreRefusedError,
    TransactionError,
    open_store,
)
from hyperjobs.testing import START, FakeClock, make_job
from support.stores import insert, new_store, script


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(tmp_path, clock):
    with new_store(tmp_path, clock=clock) as opened:
        yield opened


def ids(store, **asked):
    return {job.id for job in store.list_jobs(JobFilter(**asked))}


# --- single jobs ---


def test_running_stamps_the_start_once(store, clock):
    store.save_job(make_job(id="a"))
    clock.advance(60)
    store.update_job_status("a", JobStatus.RUNNING)
    clock.advance(60)
    store.update_job_status("a", "running")

    job = store.load_job("a")

    assert (job.status, job.started_at, job.completed_at) == ("running", START + timedelta(minutes=1), None)


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_finishing_stamps_the_end_once(store, clock, status):
    store.save_job(make_job(id="a", started_at=START))
    clock.advance(60)
    store.update_job_status("a", status)
    clock.advance(60)
    store.update_job_status("a", status)

    job = store.load_job("a")

    assert (job.status, job.started_at, job.completed_at) == (status, START, START + timedelta(minutes=1))


def test_pending_stamps_nothing(store):
    store.save_job(make_job(id="a", status="running"))
    store.update_job_status("a", "pending")

    job = store.load_job("a")

    assert (job.status, job.started_at, job.completed_at) == ("pending", None, None)


def test_a_time_that_another_writer_left_empty_counts_as_unset(store):
    insert(store.path, {"id": "a", "status": "running", "completed_at": ""})
    store.update_job_status("a", "failed")

    assert store.load_job("a").completed_at == START


@pytest.mark.parametrize("percent", [0, 50.5, 100])
def test_progress_is_kept(store, percent):
    store.save_job(make_job(id="a"))
    store.update_job_progress("a", percent)

    assert store.load_job("a").progress == percent


@pytest.mark.parametrize("percent", [-0.001, 100.001, float("nan"), float("inf"), "50", None])
def test_progress_that_is_none_is_refused(store, percent):
    store.save_job(make_job(id="a"))

    with pytest.raises(InvalidJobError):
        store.update_job_progress("a", percent)


def test_a_job_that_is_not_there_is_named(store):
    for call in (
        lambda: store.load_job("nobody"),
        lambda: store.update_job_status("nobody", "running"),
        lambda: store.update_job_progress("nobody", 1),
        lambda: store.delete_job("nobody"),
        lambda: store.job_history("nobody"),
    ):
        with pytest.raises(JobNotFoundError, match="'nobody'"):
            call()


def test_a_deleted_job_is_gone(store):
    store.save_job(make_job(id="a"))
    store.delete_job("a")

    assert store.count_jobs() == 0


# --- batches and transactions ---


def test_a_batch_is_kept_whole_or_not_at_all(store):
    with pytest.raises(InvalidJobError):
        store.save_jobs([make_job(), make_job(progress=200)])
    assert store.count_jobs() == 0

    assert store.save_jobs(make_job() for _ in range(3)) == 3
    assert store.count_jobs() == 3


def test_a_transaction_sees_its_own_writes_and_others_do_not(store):
    with ThreadPoolExecutor(1) as other, store.transaction():
        store.save_job(make_job(id="a"))
        store.update_job_status("a", "running")

        assert store.load_job("a").status == "running"
        assert [job.id for job in store.iter_jobs()] == ["a"]
        assert other.submit(store.count_jobs).result() == 0
    assert store.count_jobs() == 1


def test_a_transaction_that_fails_leaves_nothing(store):
    store.save_job(make_job(id="a"))

    def work():
        with store.transaction():
            store.save_jobs([make_job(), make_job()])
            store.delete_job("a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()

    assert ids(store) == {"a"}


def test_a_failed_batch_leaves_the_rest_of_its_transaction(store):
    with store.transaction():
        store.save_job(make_job(id="a"))
        with pytest.raises(InvalidJobError):
            store.save_jobs([make_job(id="b"), make_job(metadata=[])])

    assert ids(store) == {"a"}


def test_transactions_do_not_nest_and_the_outer_goes_on(store):
    with store.transaction():
        store.save_job(make_job(id="a"))
        with pytest.raises(TransactionError, match="leave out the inner"), store.transaction():
            pass
        with pytest.raises(TransactionError, match="outside transaction"):
            store.prune(timedelta(0))

    assert ids(store) == {"a"}


def test_a_transaction_after_a_failed_one_works(store):
    with pytest.raises(ZeroDivisionError), store.transaction():
        raise ZeroDivisionError
    with store.transaction():
        store.save_job(make_job(id="a"))

    assert ids(store) == {"a"}


def test_many_threads_write_and_read_at_once(store):
    def life(number):
        job = make_job(id=f"{number:03d}")
        store.save_job(job)
        store.update_job_status(job.id, "running")
        store.update_job_progress(job.id, 50)
        store.list_jobs(JobFilter(limit=5))
        store.update_job_status(job.id, "completed")
        return store.load_job(job.id).status

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(life, range(64))) == {JobStatus.COMPLETED}
    assert store.get_job_stats().completed == 64


# --- numbers ---


def test_an_empty_store_counts_zero_and_has_no_rate(store):
    stats = store.get_job_stats()

    assert (stats.total, stats.success_rate) == (0, None)
    assert store.get_job_stats("provider") == []


def test_the_rate_is_completed_of_completed_and_failed(store):
    for status, number in (("completed", 3), ("failed", 1), ("cancelled", 2), ("running", 1)):
        store.save_jobs(make_job(status=status, total_size=10) for _ in range(number))
    insert(store.path, {"status": "paused"})

    stats = store.get_job_stats()

    assert (stats.total, stats.other, stats.total_size, stats.success_rate) == (8, 1, 30, 75.0)
    assert store.get_job_stats(sizes=False).total == 8


def test_a_day_is_the_utc_day_of_the_instant(store):
    insert(
        store.path,
        {"id": "a", "created_at": "2026-01-22 05:00:00+09:00"},
        {"id": "b", "created_at": "2026-01-20 23:00:00-03:30"},
        {"id": "c", "created_at": "never"},
    )

    assert [(s.group, s.total) for s in store.get_job_stats("day")] == [("", 1), ("2026-01-21", 2)]


def test_a_period_without_a_ledger_counts_what_finished_in_it(store):
    store.save_job(make_job(id="before", status="completed", completed_at=START - timedelta(microseconds=1)))
    store.save_job(make_job(id="at", status="completed", completed_at=START))
    store.save_job(make_job(id="unset", status="failed", started_at=START))
    store.save_job(make_job(id="end", status="failed", completed_at=START + timedelta(1)))
    store.save_job(make_job(id="running", status="running"))

    stats = store.get_job_stats(since=START, until=START + timedelta(1))

    assert (stats.total, stats.completed, stats.failed) == (2, 1, 1)
    assert [s.group for s in store.get_job_stats("day", since=START)] == ["2026-01-21", "2026-01-22"]


def test_an_unknown_grouping_is_refused(store):
    with pytest.raises(InvalidJobError, match="provider, user, day"):
        store.get_job_stats("moon")


# --- history ---


def test_history_without_a_ledger_is_read_off_the_jobs_times(store, clock):
    store.save_job(make_job(id="a"))
    clock.advance(60)
    store.update_job_status("a", "running")
    clock.advance(60)
    store.update_job_status("a", "failed")

    events = store.job_history("a")

    assert [(event.old, event.new, event.at - START) for event in events] == [
        (None, "pending", timedelta(0)),
        ("pending", "running", timedelta(minutes=1)),
        ("running", "failed", timedelta(minutes=2)),
    ]
    assert all(event.inferred for event in events)


# --- prune ---

AGE = timedelta(days=30)
CUTOFF = START - AGE
TICK = timedelta(microseconds=1)


def test_prune_keeps_what_ended_exactly_so_long_ago(store):
    for name, at in (("before", CUTOFF - TICK), ("at", CUTOFF), ("after", CUTOFF + TICK)):
        store.save_job(make_job(id=name, status="completed", created_at=CUTOFF - timedelta(9), completed_at=at))

    assert store.prune(AGE) == 1
    assert ids(store) == {"at", "after"}


@pytest.mark.parametrize("status", ["pending", "running", "paused"])
def test_prune_keeps_unfinished_jobs_of_any_age(store, status):
    old = "2001-01-01 00:00:00+00:00"
    insert(store.path, {"status": status, "created_at": old, "started_at": old, "completed_at": old})

    assert store.prune(AGE) == 0


def test_prune_ages_a_job_without_an_end_by_its_start_else_its_creation(store):
    old, new = CUTOFF - timedelta(1), CUTOFF + timedelta(1)
    store.save_job(make_job(id="old start", status="failed", created_at=old, started_at=old))
    store.save_job(make_job(id="new start", status="failed", created_at=old, started_at=new))
    store.save_job(make_job(id="old", status="cancelled", created_at=old))
    store.save_job(make_job(id="new", status="cancelled", created_at=new))

    assert store.prune(AGE) == 2
    assert ids(store) == {"new start", "new"}


def test_prune_compares_instants_across_zones(store):
    insert(
        store.path,
        # the cutoff is 2025-12-22 10:00 UTC
        {"id": "tokyo, past", "created_at": "2025-12-22 18:00:00+09:00", "completed_at": "2025-12-22 18:59:59.9+09:00"},
        {
            "id": "tokyo, not yet",
            "created_at": "2025-12-22 18:00:00+09:00",
            "completed_at": "2025-12-22 19:00:00+09:00",
        },
        {
            "id": "denver, not yet",
            "created_at": "2025-12-22 02:00:00-07:00",
            "completed_at": "2025-12-22 03:00:00-07:00",
        },
        {
            "id": "kiritimati, past",
            "created_at": "2025-12-22 23:00:00+14:00",
            "completed_at": "2025-12-22 23:59:59+14:00",
        },
    )

    assert store.prune(AGE) == 2
    assert ids(store) == {"tokyo, not yet", "denver, not yet"}


def test_prune_finds_odd_times_and_leaves_what_cannot_be_aged(store):
    gone = {"completed_at": "2001-01-01 00:00:00+00:00"}
    insert(
        store.path,
        {"id": "int", "created_at": 978307200, "started_at": None, "completed_at": None},
        {"id": "word", "created_at": "never", **gone},
        {"id": "blob", "created_at": b"x", **gone},
        {"id": "no time", "created_at": "never", "started_at": None, "completed_at": "soon"},
    )

    assert store.prune(AGE) == 3
    assert ids(store) == {"no time"}


def test_prune_goes_in_batches_and_pauses_between(store, monkeypatch):
    old = CUTOFF - timedelta(1)
    store.save_jobs(make_job(id=f"{n:03d}", status="completed", created_at=old, completed_at=old) for n in range(600))
    store.save_job(make_job(id="kept", created_at=old))
    pauses = []
    monkeypatch.setattr(store._closing, "wait", pauses.append)

    assert store.prune(AGE) == 600
    assert len(pauses) == 2
    assert ids(store) == {"kept"}


def test_closing_ends_a_prune_after_its_batch(store):
    old = CUTOFF - timedelta(1)
    store.save_jobs(make_job(status="completed", created_at=old, completed_at=old) for _ in range(600))
    store._closing.set()

    assert store.prune(AGE) == 400


def test_prune_refuses_a_table_with_strange_triggers(store):
    store.save_job(make_job(id="a", status="completed", created_at=CUTOFF - timedelta(1)))
    script(store.path, "CREATE TRIGGER spy BEFORE DELETE ON jobs BEGIN SELECT RAISE(IGNORE); END")

    with pytest.raises(StoreRefusedError, match="spy") as caught:
        store.prune(AGE)

    assert caught.value.reason == "triggers"
    assert ids(store) == {"a"}


@pytest.mark.parametrize("age", [timedelta(-1), 30, "30d", None])
def test_prune_refuses_an_age_that_is_none(store, age):
    with pytest.raises(InvalidJobError):
        store.prune(age)


def test_prune_by_an_age_longer_than_the_calendar_deletes_nothing(store):
    store.save_job(make_job(status="completed", created_at=START - timedelta(9999)))

    assert store.prune(timedelta.max) == 0


# --- open and closed ---


def test_a_closed_store_says_so(tmp_path):
    store = new_store(tmp_path)
    store.close()
    store.close()

    with pytest.raises(StoreClosedError, match="open it again"):
        store.count_jobs()


def test_a_store_closed_in_use_lets_the_running_call_end(store):
    in_use, closed = threading.Event(), threading.Event()

    def read():
        with store.transaction():
            in_use.set()
            assert closed.wait(10)
            store.save_job(make_job(id="a"))

    with ThreadPoolExecutor(1) as other:
        running = other.submit(read)
        assert in_use.wait(10)
        store.close()
        closed.set()
        running.result(10)
    with open_store(store.path) as again:
        assert ids(again) == {"a"}


def test_a_store_opened_for_reading_refuses_every_write(store):
    store.save_job(make_job(id="a"))

    with open_store(store.path, read_only=True) as reader:
        assert ids(reader) == {"a"}
        for call in (
            lambda: reader.save_job(make_job()),
            lambda: reader.save_jobs([]),
            lambda: reader.update_job_status("a", "running"),
            lambda: reader.delete_job("a"),
            lambda: reader.prune(AGE),
            lambda: reader.transaction().__enter__(),
        ):
            with pytest.raises(StoreReadOnlyError, match="for reading only"):
                call()
