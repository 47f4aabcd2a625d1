"""A prune logs what it deletes by provider and status, and the ledger says what it said when each job was logged."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from hyperjobs.errors import StoreRefusedError
from hyperjobs.store.connection import Connection
from hyperjobs.store.ledger.baseline import take_baseline
from hyperjobs.store.ledger.history import job_events
from hyperjobs.store.ledger.install import install, uninstall
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.ledger.replay import DELETED, PRUNED
from hyperjobs.store.ledger.rollup import read_meta
from hyperjobs.store.ledger.schema import has_triggers, ours
from hyperjobs.store.models import Job
from hyperjobs.store.pruning import BATCH_ROWS
from hyperjobs.store.sqlite import open_store
from hyperjobs.testing import START
from support.ledger_model import Meanwhile, prune
from support.ledgers import Kept, downgrade, insert, make_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_FINISHED = ("completed", "failed", "cancelled")
_DONE = "2026-01-01 11:00:00+00:00"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(make_store(tmp_path / "jobs.db"), tmp_path / "state")
    yield kept
    kept.stop()


def run(kept: Kept, *statements: str) -> list[Any]:
    """Run statements as some other program would; the rows of the last."""
    db = apsw.Connection(str(kept.path))
    try:
        return [db.execute(sql).fetchall() for sql in statements][-1]
    finally:
        db.close()


def add(kept: Kept, count: int, status: str = "completed", provider: str = "vsphere", prefix: str = "job") -> None:
    """Save jobs that ended long ago."""
    db = apsw.Connection(str(kept.path))
    with db:
        for number in range(count):
            insert(db, f"{prefix}-{status}-{number}", status, provider=provider, completed=_DONE)
    db.close()


def logged(kept: Kept) -> Counter[int]:
    """How many log rows of each op wait to be folded."""
    return Counter(op for (op,) in run(kept, "SELECT op FROM hyperjobs_log"))


def gauges(kept: Kept) -> dict[tuple[str, str], int]:
    return {key: jobs for key, jobs in kept.view().rollup.gauges.items() if jobs}


def events(kept: Kept, job: str) -> list[tuple[str | None, str | None]]:
    connection = Connection(kept.path)
    try:
        return [(event.old, event.new) for event in connection.read(lambda db: job_events(db, job, now=START))]
    finally:
        connection.close()


def strange(when: str = "AFTER DELETE", name: str = "audit") -> str:
    return f"CREATE TRIGGER {name} {when} ON jobs BEGIN INSERT INTO audit VALUES(OLD.id); END"


# What is logged ----------------------------------------------------------------------------------------------------


def test_a_batch_is_a_log_row_for_each_provider_and_status(kept: Kept) -> None:
    kept.turn()
    for status in _FINISHED:
        add(kept, 5, status)
        add(kept, 3, status, "aws", "other")
    kept.turn()

    assert prune(kept.path, ["completed", "failed"]) == 16

    assert logged(kept) == {PRUNED: 4}
    assert gauges(kept) == {("vsphere", "cancelled"): 5, ("aws", "cancelled"): 3}  # with the log on top
    kept.turn()
    assert gauges(kept) == {("vsphere", "cancelled"): 5, ("aws", "cancelled"): 3}
    assert kept.keeper.check_drift() == 0


def test_counters_of_what_was_pruned_stay(kept: Kept) -> None:
    kept.turn()
    add(kept, 5)
    kept.turn()
    before = kept.exported()

    prune(kept.path, _FINISHED)

    assert kept.exported() == before
    kept.turn()
    assert kept.exported() == before


def test_each_job_of_a_batch_keeps_its_history_before_and_after_the_fold(kept: Kept) -> None:
    kept.turn()
    odd = 'quote"d,\\ü'
    add(kept, 3)
    run(kept, f"UPDATE jobs SET id='{odd}' WHERE id='job-completed-2'")  # noqa: S608 - ours
    kept.turn()
    prune(kept.path, _FINISHED)
    whole = [(None, "completed"), ("completed", None)]

    unfolded = [events(kept, job) for job in ("job-completed-0", "job-completed-1", odd)]
    kept.turn()
    folded = [events(kept, job) for job in ("job-completed-0", "job-completed-1", odd)]

    assert unfolded == [whole, whole, [("completed", None)]]
    assert folded == unfolded
    assert events(kept, "d,") == events(kept, "job") == []
    assert run(kept, "SELECT count(*) FROM hyperjobs_history WHERE ids IS NOT NULL") == [(1,)]


def test_the_history_of_a_job_that_came_again_is_in_order(kept: Kept) -> None:
    kept.turn()
    add(kept, 1)
    prune(kept.path, _FINISHED)
    add(kept, 1)
    kept.turn()

    assert events(kept, "job-completed-0") == [(None, "completed"), ("completed", None), (None, "completed")]


def test_jobs_whose_id_or_provider_is_no_text_are_logged_one_by_one(kept: Kept) -> None:
    kept.turn()
    add(kept, 6)
    run(kept, "UPDATE jobs SET id=x'00ff' WHERE id='job-completed-0'",
        "UPDATE jobs SET provider=x'ff' WHERE id='job-completed-1'",
        "UPDATE jobs SET provider=CAST(x'ff61' AS TEXT) WHERE id='job-completed-2'",
        "UPDATE jobs SET id=CAST(x'ff62' AS TEXT) WHERE id='job-completed-3'")  # fmt: skip
    kept.turn()

    assert prune(kept.path, _FINISHED) == 6

    assert logged(kept) == {DELETED: 4, PRUNED: 1}
    assert gauges(kept) == {}
    kept.turn()
    assert gauges(kept) == {}
    assert kept.keeper.check_drift() == 0


def test_a_job_that_a_writer_changed_meanwhile_is_not_logged_as_gone(kept: Kept) -> None:
    kept.turn()
    add(kept, 5)
    changed = Meanwhile(lambda: run(kept, "UPDATE jobs SET error='again' WHERE id='job-completed-3'"))

    assert prune(kept.path, _FINISHED, keeping=changed) == 5  # the next look finds it as it is now

    kept.turn()
    assert gauges(kept) == {}
    assert kept.keeper.check_drift() == 0
    ids = run(kept, "SELECT ids FROM hyperjobs_history WHERE ids IS NOT NULL ORDER BY seq")
    assert sorted(job for (text,) in ids for job in json.loads(text)) == [
        f"job-completed-{number}" for number in range(5)
    ]


# Triggers ----------------------------------------------------------------------------------------------------------


def test_a_strange_trigger_that_comes_while_it_runs_ends_it_and_is_never_skipped(kept: Kept) -> None:
    kept.turn()
    run(kept, "CREATE TABLE audit(id)")
    add(kept, BATCH_ROWS)
    late = Meanwhile(lambda: run(kept, strange()))

    with pytest.raises(StoreRefusedError, match="audit") as refused:
        prune(kept.path, _FINISHED, keeping=late)

    assert refused.value.reason == "triggers"
    assert run(kept, "SELECT count(*) FROM jobs") == [(BATCH_ROWS,)]
    kept.turn()
    assert kept.keeper.check_drift() == 0


def test_a_trigger_that_only_has_a_name_like_ours_is_fired(kept: Kept) -> None:
    kept.turn()
    run(kept, "CREATE TABLE audit(id)", strange(name="hyperjobs_audit"))
    add(kept, 4)

    assert prune(kept.path, _FINISHED) == 4

    assert run(kept, "SELECT count(*) FROM audit") == [(4,)]
    assert logged(kept)[DELETED] == 4
    kept.turn()
    assert gauges(kept) == {}


def test_a_trigger_of_ours_with_another_text_is_fired(kept: Kept) -> None:
    kept.turn()
    run(kept, "CREATE TABLE audit(id)", "DROP TRIGGER hyperjobs_ad", strange(name="hyperjobs_ad"))
    add(kept, 4)

    assert prune(kept.path, _FINISHED) == 4

    assert run(kept, "SELECT count(*) FROM audit") == [(4,)]
    assert logged(kept)[PRUNED] == 0


def test_a_connection_that_pruned_fires_triggers_again(kept: Kept) -> None:
    kept.turn()
    add(kept, 2)
    add(kept, 2, prefix="more")
    kept.turn()
    with open_store(kept.path) as store:
        assert store.prune(timedelta(days=1)) == 4
        store.save_job(Job(id="late", name="n", vm_name="vm", vm_path="/vm", provider="aws", output_dir="/out"))
        store.delete_job("late")

    assert logged(kept)[DELETED] == 1
    kept.turn()
    assert gauges(kept) == {}
    assert kept.keeper.check_drift() == 0


# Every state of the ledger -----------------------------------------------------------------------------------------


def _lose(kept: Kept) -> None:
    run(kept, "DROP TRIGGER IF EXISTS hyperjobs_ad")


def _connected(work: Callable[[Connection], Any]) -> Callable[[Kept], None]:
    def use(kept: Kept) -> None:
        connection = Connection(kept.path)
        try:
            work(connection)
        finally:
            connection.close()

    return use


_CHANGES = {
    "no ledger": _connected(uninstall),
    "a ledger not yet counted": _connected(lambda connection: install(connection, now=START)),
    "an older ledger": _connected(downgrade),
    "a lost trigger": _lose,
    "a newer ledger": _connected(lambda connection: (downgrade(connection), install(connection, now=START))),
}


@pytest.mark.parametrize("first", _CHANGES.values(), ids=_CHANGES)
@pytest.mark.parametrize("then", _CHANGES.values(), ids=[f"then {name}" for name in _CHANGES])
def test_gauges_are_the_tables_whatever_becomes_of_the_ledger_meanwhile(kept: Kept, first: Any, then: Any) -> None:
    kept.turn()
    random = Random(1)  # noqa: S311 - the same jobs every time
    for number in range(60):
        add(kept, 1, random.choice(_FINISHED), random.choice(["vsphere", "aws"]), f"job{number}")
    first(kept)

    def change() -> None:
        then(kept)
        run(kept, "UPDATE jobs SET error='again' WHERE id LIKE '%7'", "DELETE FROM jobs WHERE id LIKE '%8'")

    prune(kept.path, ["completed", "failed"], keeping=Meanwhile(change))
    kept.turn()
    kept.turn()

    table = {(p, s): n for p, s, n in run(kept, "SELECT provider,status,count(*) FROM jobs GROUP BY 1,2")}
    assert {status for _, status in table} == {"cancelled"}
    assert gauges(kept) == table
    assert kept.keeper.check_drift() == 0


def test_what_is_pruned_between_the_count_and_its_end_is_taken_off(kept: Kept) -> None:
    connection = Connection(kept.path)
    install(connection, now=START)
    add(kept, 7)
    add(kept, 2, "failed")

    class Between:
        pruned = 0

        def is_stopping(self) -> bool:
            return False

        def rest(self, _seconds: float) -> None:
            self.pruned += prune(kept.path, ["completed"])

    pace = Between()
    take_baseline(connection, LedgerOptions(), clock=kept.clock, pace=pace)
    connection.close()
    kept.turn()

    assert pace.pruned == 7
    assert gauges(kept) == {("vsphere", "failed"): 2}
    assert kept.keeper.check_drift() == 0


# Versions ----------------------------------------------------------------------------------------------------------


def test_a_ledger_of_version_1_is_brought_up_with_its_log_and_its_counts(kept: Kept) -> None:
    kept.turn()
    add(kept, 3)
    kept.turn()
    add(kept, 2, "failed")
    _connected(downgrade)(kept)
    generation = run(kept, "SELECT value FROM hyperjobs_meta WHERE key='generation'")
    prune(kept.path, ["completed"])
    assert logged(kept)[PRUNED] == 0  # an agent of version 1 may be there to read it
    assert logged(kept)[DELETED] == 3
    before = kept.exported()

    kept.turn()

    connection = Connection(kept.path)
    assert connection.read(read_meta)["schema_version"] == 2
    assert has_triggers(connection.read(ours))
    connection.close()
    assert kept.keeper.counts.rebaselines == 0
    assert run(kept, "SELECT value FROM hyperjobs_meta WHERE key='generation'")[0][0] > generation[0][0]
    assert kept.exported() == before
    assert gauges(kept) == {("vsphere", "failed"): 2}
    assert events(kept, "job-completed-1") == [(None, "completed"), ("completed", None)]


def test_a_version_1_that_lost_triggers_is_counted_anew(kept: Kept) -> None:
    kept.turn()
    _connected(downgrade)(kept)
    run(kept, "DROP TRIGGER hyperjobs_ai")
    add(kept, 4)

    kept.turn()

    assert kept.keeper.counts.rebaselines == 1
    assert gauges(kept) == {("vsphere", "completed"): 4}


def test_an_agent_of_version_1_finds_a_trigger_it_does_not_know_and_so_looks_at_the_version(kept: Kept) -> None:
    kept.turn()
    new = _schema(kept)
    _connected(downgrade)(kept)
    old = _schema(kept)

    assert {name for name in new if new[name] != old.get(name)} == {"hyperjobs_ad", "hyperjobs_history"}


def _schema(kept: Kept) -> dict[str, str]:
    return dict(run(kept, "SELECT name,sql FROM sqlite_schema WHERE name LIKE 'hyperjobs_%' AND sql IS NOT NULL"))


def test_the_history_of_a_version_1_can_be_read(kept: Kept) -> None:
    kept.turn()
    add(kept, 1)
    kept.turn()
    _connected(downgrade)(kept)

    assert events(kept, "job-completed-0") == [(None, "completed")]
