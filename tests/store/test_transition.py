"""Moving a job to another status: by the rules, compare-and-set, and counted by the ledger as any writer's change."""

from __future__ import annotations

import re
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import apsw
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from hyperjobs import (
    InvalidJobError,
    Job,
    JobChangedError,
    JobNotFoundError,
    JobStatus,
    StoreReadOnlyError,
    TransitionRefusedError,
    open_store,
)
from hyperjobs.store.models import FINISHED
from hyperjobs.store.transition import MOVES, sources_of
from hyperjobs.testing import START, FakeClock
from support.ledgers import Kept, make_store
from support.stores import insert, new_store, script

# written out again, by hand: the code's own table is what is tested
LEGAL = {
    ("pending", "running"),
    ("pending", "cancelled"),
    ("running", "completed"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("failed", "pending"),
    ("cancelled", "pending"),
}
WORDS = [str(status) for status in JobStatus]
FIXED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\+00:00")


def job(job_id="j", status="pending", **values):
    ran = {} if status == "pending" else {"started_at": START, "progress": 40.0, "total_size": 7, "files_count": 1}
    ended = {"completed_at": START} if status in FINISHED else {}
    error = {"error": "host lost"} if status == "failed" else {}
    return Job(
        id=job_id,
        name="n",
        vm_name="vm",
        vm_path="/vm",
        provider="vsphere",
        output_dir="/out",
        status=status,
        created_at=START,
        user="bob",
        metadata={"format": "ova"},
        **(ran | ended | error | values),
    )


def cells(path, job_id="j"):
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        cursor = db.execute("SELECT * FROM jobs WHERE id=?", (job_id,))
        names = [column[0] for column in cursor.get_description()]
        return dict(zip(names, cursor.fetchall()[0], strict=True))
    finally:
        db.close()


@pytest.fixture
def clock():
    found = FakeClock()
    found.advance(3600)
    return found


@pytest.fixture
def store(tmp_path, clock):
    with new_store(tmp_path, clock=clock) as opened:
        yield opened


@pytest.mark.parametrize("new", WORDS)
@pytest.mark.parametrize("old", WORDS)
def test_a_job_moves_where_the_rules_let_it_and_nowhere_else(store, old, new):
    store.save_job(job(status=old))
    before = cells(store.path)

    if old == new:
        assert store.transition("j", new).status == old
        assert cells(store.path) == before
    elif (old, new) in LEGAL:
        assert store.transition("j", new).status == new
    else:
        with pytest.raises(TransitionRefusedError, match=f"{old} and cannot become {new}"):
            store.transition("j", new)
        assert cells(store.path) == before
        assert store.transition("j", new, force=True).status == new


def test_the_written_table_has_every_status_and_the_sources_are_its_inverse():
    assert set(MOVES) == set(JobStatus)
    assert {(str(old), str(new)) for new in JobStatus for old in sources_of(new)} == LEGAL


@pytest.mark.parametrize("new", WORDS)
@pytest.mark.parametrize("old", WORDS)
def test_whatever_the_move_the_row_is_one_that_hypersdks_reader_takes(store, old, new):
    store.save_job(job(status=old))
    nulls = "error=NULL,metadata=NULL,user=NULL,progress=NULL,total_size=NULL,files_count=NULL,started_at=''"
    script(store.path, f"UPDATE jobs SET {nulls} WHERE id='j'")  # noqa: S608 - ours

    if old != new:
        store.transition("j", new, force=True)

        row = cells(store.path)
        for name in ("error", "metadata", "user", "progress", "total_size", "files_count"):
            assert row[name] is not None, name
        for name in ("started_at", "completed_at"):
            assert row[name] is None or FIXED.fullmatch(row[name]), name
        assert (row["completed_at"] is not None) == (new in FINISHED)


def test_a_retry_leaves_the_row_as_that_of_a_new_job_of_the_same_age(store):
    store.save_job(job(status="failed"))
    new = job("new")
    store.save_job(new)

    store.transition("j", "pending")

    assert cells(store.path) == cells(store.path, "new") | {"id": "j"}


def test_a_start_and_an_end_are_stamped_by_the_clock_and_a_start_that_was_there_stays(store, clock):
    store.save_job(job(started_at=START))
    store.save_job(job("k"))
    for each in ("j", "k"):
        store.transition(each, "running")
        clock.advance(60)
        store.transition(each, "completed")

    first, second = store.load_job("j"), store.load_job("k")

    assert first.started_at == START
    assert second.started_at > START
    assert (second.completed_at - second.started_at).total_seconds() == 60
    assert (second.progress, second.error) == (100.0, "")


def test_an_end_of_an_earlier_attempt_is_not_taken_for_this_one(store):
    store.save_job(job(status="running", completed_at=START))

    assert store.transition("j", "failed", error="lost").completed_at > START


def test_a_forced_move_between_ends_keeps_when_it_ended(store):
    store.save_job(job(status="failed"))

    assert store.transition("j", "completed", force=True).completed_at == START


def test_a_failure_says_what_it_is_told_or_keeps_what_it_said(store):
    store.save_job(job(status="running"))
    store.save_job(job("k", status="running", error="first try: timeout"))

    assert store.transition("j", "failed", error="host lost").error == "host lost"
    assert store.transition("k", "failed").error == "first try: timeout"


def test_what_a_running_jobs_writer_changes_all_the_time_does_not_matter(store):
    store.save_job(job(status="running"))
    seen = store.load_job("j")
    script(store.path, "UPDATE jobs SET progress=77, total_size=99, metadata='{}' WHERE id='j'")

    moved = store.transition("j", "cancelled", expected=seen)

    assert (moved.progress, moved.total_size, moved.metadata) == (77.0, 99, {})


@pytest.mark.parametrize(
    "change",
    [
        "status='completed'",
        "error='other'",
        "started_at='2026-01-01 00:00:01+00:00'",
        "completed_at='2026-01-01 00:00:01+00:00'",
        "created_at='2026-01-01 00:00:01+00:00'",
    ],
)
def test_a_job_that_a_writer_changed_meanwhile_is_left_as_the_writer_has_it(store, change):
    store.save_job(job(status="running"))
    seen = store.load_job("j")
    script(store.path, f"UPDATE jobs SET {change} WHERE id='j'")  # noqa: S608 - ours
    before = cells(store.path)

    with pytest.raises(JobChangedError, match="meanwhile"):
        store.transition("j", "cancelled", expected=seen, force=True)

    assert cells(store.path) == before


def test_the_same_instant_written_otherwise_is_no_change(store):
    store.save_job(job(status="running"))
    seen = store.load_job("j")
    local = START.astimezone().isoformat(" ")
    script(store.path, f"UPDATE jobs SET created_at='{local}' WHERE id='j'")  # noqa: S608 - ours

    assert store.transition("j", "cancelled", expected=seen).status == "cancelled"


def test_a_status_alone_can_be_what_is_expected(store):
    store.save_job(job(status="running"))

    with pytest.raises(JobChangedError, match="was pending and is running"):
        store.transition("j", "cancelled", expected=JobStatus.PENDING)
    assert store.transition("j", "cancelled", expected="running").status == "cancelled"


def test_of_many_that_want_the_same_move_at_once_one_gets_it(store):
    store.save_job(job())
    seen = store.load_job("j")
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def try_it():
        with open_store(store.path) as own:
            start.wait()
            try:
                own.transition("j", "running", expected=seen)
                outcomes.append("moved")
            except JobChangedError:
                outcomes.append("changed")

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Counter(outcomes) == {"moved": 1, "changed": 7}


def test_within_a_transaction_all_move_or_none(store):
    store.save_jobs([job("a"), job("b", status="completed")])

    def both():
        with store.transaction():
            store.transition("a", "running")
            store.transition("b", "running")

    with pytest.raises(TransitionRefusedError):
        both()

    assert store.load_job("a").status == "pending"


def test_a_job_that_is_not_there_or_a_value_that_cannot_be_is_said(store):
    store.save_job(job())

    with pytest.raises(JobNotFoundError):
        store.transition("nobody", "running")
    with pytest.raises(InvalidJobError):
        store.transition("j", "paused")
    with pytest.raises(InvalidJobError):
        store.transition("j", "failed", error="\0", force=True)
    with open_store(store.path, read_only=True) as reader, pytest.raises(StoreReadOnlyError):
        reader.transition("j", "running")


def test_a_word_that_is_no_status_moves_by_force_alone(tmp_path):
    store = new_store(tmp_path)
    insert(store.path, {"id": "odd", "status": "zombie"})

    with store:
        with pytest.raises(TransitionRefusedError, match="stays so"):
            store.transition("odd", "cancelled")
        assert store.transition("odd", "cancelled", force=True).status == "cancelled"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moves=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(WORDS), st.booleans(), st.booleans()), min_size=1, max_size=25
    )
)
def test_the_ledger_counts_what_was_moved_and_nothing_else(tmp_path_factory, moves):
    """The model: a status each; an end is counted when a job enters a finished status from another."""
    folder = tmp_path_factory.mktemp("moves")
    kept = Kept(make_store(folder / "jobs.db"), folder / "state")
    kept.turn()
    status = dict.fromkeys("abc", "pending")
    ends: Counter[str] = Counter()
    with open_store(kept.path, clock=kept.clock) as store:
        store.save_jobs([job(each) for each in status])
        for each, new, force, fold in moves:
            old = status[each]
            with suppress(TransitionRefusedError):
                store.transition(each, new, expected=old, force=force)
                assert old == new or force or (old, new) in LEGAL
                status[each] = new
                if old != new and new in FINISHED:
                    ends[new] += 1
            if fold:
                kept.turn()
        view = kept.view()
        history = {each: [event.new for event in store.job_history(each)] for each in status}
    kept.stop()

    gauges = {word: count for (_, word), count in view.rollup.gauges.items() if count}
    assert gauges == Counter(status.values())
    finished = {
        word: count for (metric, _, word, _), count in view.rollup.totals.items() if metric == "finished" and count
    }
    assert finished == dict(ends)
    assert {each: events[-1] for each, events in history.items()} == status


def test_a_copy_of_the_job_with_another_progress_is_still_what_was_expected(store):
    store.save_job(job(status="running"))

    assert store.transition("j", "cancelled", expected=replace(store.load_job("j"), progress=1.0)).status == "cancelled"
