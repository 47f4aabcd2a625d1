"""The keeper through everything that happens to a store: exported counters never fall, gauges equal the table."""

from __future__ import annotations

import shutil
import subprocess
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from hyperjobs.errors import NotAJobStoreError, StoreInterruptedError, StoreNotFoundError
from hyperjobs.store.connection import Connection
from hyperjobs.store.ledger import keeper
from hyperjobs.store.ledger.history import job_events
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.ledger.tally import CREATED, FINISHED_JOBS
from support.ledgers import Kept, insert, make_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Watched(Kept):
    """A kept store whose exported counters are held to never fall, whatever the test does."""

    def __init__(self, path: Path, state_dir: Path, **more: Any) -> None:
        super().__init__(path, state_dir, **more)
        self._shown: dict[Any, int] = {}

    def look(self) -> dict[Any, int]:
        """One turn, one scrape: the counters, after the rules of all scrapes were held against them."""
        self.turn()
        shown = self.exported()
        fallen = {key: (value, shown.get(key)) for key, value in self._shown.items() if shown.get(key, 0) < value}
        assert not fallen
        assert self.gauges() == self.table()
        self._shown = shown
        return shown

    def gauges(self) -> dict[tuple[str, str], int]:
        return {key: jobs for key, jobs in self.view().rollup.gauges.items() if jobs}

    def table(self) -> dict[tuple[str, str], int]:
        sql = "SELECT provider,status,count(*) FROM jobs GROUP BY 1,2"
        return {(provider, status): jobs for provider, status, jobs in self.sql(sql)}

    def sql(self, sql: str) -> list[tuple[Any, ...]]:
        """Run it as another process would, on a connection that lasts as long as the statement."""
        db = apsw.Connection(str(self.path))
        db.set_busy_timeout(5_000)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def add(self, *ids: str, status: str = "completed", **more: Any) -> None:
        db = apsw.Connection(str(self.path))
        db.set_busy_timeout(5_000)
        with db:
            for job_id in ids:
                insert(db, job_id, status, **more)
        db.close()

    def again(self) -> Watched:
        """The agent that starts after this one ended or was killed."""
        other = Watched(self.path, self.state.path.parent, options=self.options, clock=self.clock)
        other._shown = self._shown
        return other


def finished(shown: dict[Any, int], status: str = "completed") -> int:
    return shown.get((FINISHED_JOBS, "vsphere", status, 0), 0)


def shell(path: Path, command: str) -> None:
    subprocess.run(["sqlite3", "-bail", "-cmd", ".timeout 5000", str(path), command], check=True, capture_output=True)


def put_in_place(old: Path, path: Path) -> None:
    """What an operator does to go back to an older file: copy it over, remove what belonged to the newer one."""
    subprocess.run(["cp", str(old), str(path)], check=True)
    subprocess.run(["rm", "-f", f"{path}-wal", f"{path}-shm"], check=True)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Watched]:
    kept = Watched(make_store(tmp_path / "jobs.db"), tmp_path / "state")
    kept.look()
    yield kept
    kept.stop()


@pytest.fixture
def backup(kept: Watched, tmp_path: Path) -> Path:
    """The store with 3 completed jobs, copied; then 2 more of them, and one of the 3 deleted."""
    kept.add("a", "b", "c")
    kept.look()
    path = tmp_path / "backup.db"
    kept.sql(f"VACUUM INTO '{path}'")
    kept.add("d", "e")
    kept.sql("DELETE FROM jobs WHERE id='a'")
    assert finished(kept.look()) == 5
    return path


# Adoption ----------------------------------------------------------------------------------------------------------


def test_a_store_that_was_there_before_is_counted_from_its_rows(tmp_path: Path) -> None:
    kept = Watched(make_store(tmp_path / "jobs.db"), tmp_path / "state")
    kept.add("a", "b", started="2026-01-01 10:00:00+00:00", completed="2026-01-01 11:00:00+00:00", size=7)
    kept.add("c", status="pending")

    shown = kept.look()

    assert finished(shown) == 2
    assert shown[CREATED, "vsphere", "", 0] == 3
    assert shown["bytes", "vsphere", "", 0] == 14
    kept.stop()


def test_a_live_store_is_adopted_while_its_writer_writes(tmp_path: Path) -> None:
    kept = Watched(make_store(tmp_path / "jobs.db"), tmp_path / "state")
    kept.add(*(f"old-{n}" for n in range(3_000)), status="running")
    errors = []
    writing = threading.Event()

    def write() -> None:
        db = apsw.Connection(str(kept.path))
        db.set_busy_timeout(5_000)
        for number in range(150):
            writing.set()
            try:
                insert(db, f"new-{number}", "pending", verb="INSERT")
                db.execute("UPDATE jobs SET status='completed' WHERE id=?", (f"new-{number}",))
                db.execute("UPDATE jobs SET status='failed' WHERE id=?", (f"old-{number}",))
            except apsw.Error as exc:
                errors.append(exc)
        db.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert writing.wait(10)
    while writer.is_alive():
        kept.turn()
    writer.join()
    shown = kept.look()

    assert not errors
    assert finished(shown) == 150
    assert shown[CREATED, "vsphere", "", 0] == 3_000 + 150
    kept.stop()


def test_a_store_that_is_not_in_wal_mode_is_switched_to_it(tmp_path: Path) -> None:
    kept = Watched(make_store(tmp_path / "jobs.db"), tmp_path / "state")
    kept.add("a")
    kept.sql("PRAGMA journal_mode=DELETE")

    kept.look()

    assert kept.sql("PRAGMA journal_mode") == [("wal",)]
    kept.stop()


def test_a_first_count_that_is_interrupted_is_taken_again(tmp_path: Path) -> None:
    kept = Watched(make_store(tmp_path / "jobs.db"), tmp_path / "state")
    kept.add(*(f"job-{n}" for n in range(2_500)))
    looks = iter([False, False, True])

    with pytest.raises(StoreInterruptedError):
        kept.keeper.turn(lambda: next(looks, True))
    is_ready_between = kept.view().is_ready
    kept.add("later")

    assert not is_ready_between
    assert finished(kept.look()) == 2_501
    kept.stop()


# Lost triggers -----------------------------------------------------------------------------------------------------

_REBUILD_BY_COPY = """
BEGIN IMMEDIATE;
CREATE TABLE jobs_new (id TEXT PRIMARY KEY, name TEXT NOT NULL, vm_name TEXT NOT NULL, vm_path TEXT NOT NULL,
  provider TEXT NOT NULL, output_dir TEXT NOT NULL, status TEXT NOT NULL, created_at TIMESTAMP NOT NULL,
  started_at TIMESTAMP, completed_at TIMESTAMP, progress REAL DEFAULT 0, error TEXT, metadata TEXT, user TEXT,
  total_size INTEGER DEFAULT 0, files_count INTEGER DEFAULT 0);
INSERT INTO jobs_new SELECT * FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_new RENAME TO jobs;
COMMIT;
"""
_REBUILD_BY_RENAME = """
BEGIN IMMEDIATE;
ALTER TABLE jobs RENAME TO jobs_old;
CREATE TABLE jobs (id TEXT PRIMARY KEY, name TEXT NOT NULL, vm_name TEXT NOT NULL, vm_path TEXT NOT NULL,
  provider TEXT NOT NULL, output_dir TEXT NOT NULL, status TEXT NOT NULL, created_at TIMESTAMP NOT NULL,
  started_at TIMESTAMP, completed_at TIMESTAMP, progress REAL DEFAULT 0, error TEXT, metadata TEXT, user TEXT,
  total_size INTEGER DEFAULT 0, files_count INTEGER DEFAULT 0);
INSERT INTO jobs SELECT * FROM jobs_old;
COMMIT;
"""
_LOSSES = {
    "one dropped": "DROP TRIGGER hyperjobs_au",
    "one replaced": "DROP TRIGGER hyperjobs_ad; CREATE TRIGGER hyperjobs_ad AFTER DELETE ON jobs BEGIN SELECT 1; END",
    "jobs rebuilt by copy": _REBUILD_BY_COPY,
    "jobs rebuilt by rename, the old one kept": _REBUILD_BY_RENAME,
    "jobs rebuilt by rename, the old one dropped": _REBUILD_BY_RENAME + "DROP TABLE jobs_old;",
}


@pytest.mark.parametrize("loss", _LOSSES)
def test_lost_triggers_are_put_back_and_the_store_counted_anew(kept: Watched, loss: str) -> None:
    kept.add("a", "b", status="running")
    kept.look()
    kept.add("c")  # logged, and not yet folded
    kept.sql(_LOSSES[loss])
    kept.sql("UPDATE jobs SET status='completed' WHERE id='a'")  # perhaps unseen

    first = kept.look()
    kept.sql("UPDATE jobs SET status='completed' WHERE id='b'")

    assert kept.keeper.counts.rebaselines == 1
    assert finished(first) == 2
    assert finished(kept.look()) == 3
    kept.look()
    assert kept.keeper.counts.rebaselines == 1


def test_what_was_pruned_stays_counted_when_triggers_are_lost(kept: Watched) -> None:
    kept.add("a", "b", "c")
    kept.look()
    kept.add("d")
    kept.sql("DELETE FROM jobs WHERE id<>'a'; DROP TRIGGER hyperjobs_ai")
    kept.add("unseen")

    assert finished(kept.look()) == 4  # a, b, c and d are certain; of the unseen only what rows show above that


def test_a_lost_table_of_ours_is_counted_anew_and_no_counter_falls(kept: Watched) -> None:
    kept.add("a", "b")
    kept.sql("DELETE FROM jobs WHERE id='a'")
    kept.look()
    kept.sql("DROP TABLE hyperjobs_total")

    assert finished(kept.look()) == 2
    kept.add("c")
    assert finished(kept.look()) == 3


# Rows that go and come ---------------------------------------------------------------------------------------------


def test_a_prune_moves_gauges_and_no_counter(kept: Watched) -> None:
    kept.add("a", "b", "c")
    before = kept.look()
    kept.sql("DELETE FROM jobs")

    assert kept.look() == before
    assert kept.gauges() == {}


def test_a_job_deleted_and_inserted_again_is_a_new_one(kept: Watched) -> None:
    kept.add("a")
    kept.look()
    kept.sql("DELETE FROM jobs")
    kept.add("a")

    assert finished(kept.look()) == 2


def test_a_replace_of_the_same_job_is_not(kept: Watched) -> None:
    kept.add("a")
    kept.look()
    kept.add("a")

    assert finished(kept.look()) == 1


# Rollbacks ---------------------------------------------------------------------------------------------------------


@pytest.mark.tool("sqlite3")
def test_a_restore_by_the_shell_under_the_running_keeper(kept: Watched, backup: Path) -> None:
    shell(kept.path, f".restore '{backup}'")

    assert finished(kept.look()) == 5
    assert kept.keeper.counts.epoch == 1
    kept.add("x")
    assert finished(kept.look()) == 6
    assert kept.keeper.counts.epoch == 1


@pytest.mark.tool("sqlite3")
def test_a_restore_of_a_backup_from_before_the_ledger(kept: Watched, tmp_path: Path) -> None:
    old = make_store(tmp_path / "old.db")
    kept.add("a", "b")
    kept.look()
    shell(kept.path, f".restore '{old}'")

    assert finished(kept.look()) == 2
    assert kept.keeper.counts.epoch == 1
    kept.add("x")
    assert finished(kept.look()) == 3


def test_an_older_file_copied_over_while_the_keeper_runs(kept: Watched, backup: Path) -> None:
    put_in_place(backup, kept.path)

    assert finished(kept.look()) == 5
    assert kept.keeper.counts.epoch == 1
    kept.add("x")
    assert finished(kept.look()) == 6
    assert kept.sql("PRAGMA integrity_check") == [("ok",)]


def test_an_older_file_copied_over_while_the_agent_is_stopped(kept: Watched, backup: Path) -> None:
    kept.continuity.save()
    kept.keeper.close()
    put_in_place(backup, kept.path)

    again = kept.again()

    assert finished(again.look()) == 5
    assert again.keeper.counts.epoch == 1
    again.stop()


def test_what_a_scrape_showed_is_saved_by_the_next_turn_though_nobody_wrote(kept: Watched, backup: Path) -> None:
    kept.turn()  # nothing to fold since the last scrape; then a kill -9, which closes what was open and saves nothing
    kept.keeper.close()
    put_in_place(backup, kept.path)

    again = kept.again()

    assert finished(again.look()) == 5
    assert again.keeper.counts.epoch == 1
    again.stop()


def test_a_file_replaced_by_rename(kept: Watched, backup: Path, tmp_path: Path) -> None:
    shutil.copy(backup, tmp_path / "new.db")
    subprocess.run(["rm", "-f", f"{kept.path}-wal", f"{kept.path}-shm"], check=True)
    (tmp_path / "new.db").rename(kept.path)

    assert finished(kept.look()) == 5
    assert kept.keeper.counts.epoch == 1
    kept.add("x")
    assert finished(kept.look()) == 6


def test_a_file_replaced_by_a_store_without_a_ledger(kept: Watched, tmp_path: Path) -> None:
    kept.add("a", "b", "c")
    kept.look()
    other = apsw.Connection(str(make_store(tmp_path / "new.db")))
    insert(other, "z", "completed")
    other.close()
    put_in_place(tmp_path / "new.db", kept.path)

    assert finished(kept.look()) == 3
    assert kept.keeper.counts.epoch == 1
    assert kept.gauges() == {("vsphere", "completed"): 1}
    kept.add("y")
    assert finished(kept.look()) == 4


def test_a_store_that_is_away_is_served_again_when_it_is_back(kept: Watched, backup: Path) -> None:
    subprocess.run(["rm", "-f", str(kept.path), f"{kept.path}-wal", f"{kept.path}-shm"], check=True)
    with pytest.raises(StoreNotFoundError):
        kept.turn()
    kept.path.touch()
    with pytest.raises(NotAJobStoreError):
        kept.turn()
    put_in_place(backup, kept.path)

    assert finished(kept.look()) == 5
    assert kept.keeper.counts.epoch == 1


def test_the_same_store_looked_at_again_is_no_new_epoch(kept: Watched) -> None:
    kept.add("a")
    kept.look()
    kept.stop()

    again = kept.again()
    again.add("b")
    again.look()

    assert again.keeper.counts.epoch == 0
    kept.__dict__.update(again.__dict__)  # the fixture stops the one that lives


def test_a_vacuum_is_no_new_epoch(kept: Watched) -> None:
    kept.add("a", "b")
    kept.look()
    kept.sql("DELETE FROM jobs WHERE id='a'; VACUUM")

    assert finished(kept.look()) == 2
    assert kept.keeper.counts.epoch == 0
    assert kept.keeper.counts.rebaselines == 0


# Away --------------------------------------------------------------------------------------------------------------


def test_what_was_written_while_the_agent_was_down_is_caught_up_in_batches_beside_its_writer(tmp_path: Path) -> None:
    kept = Watched(make_store(tmp_path / "jobs.db"), tmp_path / "state", options=LedgerOptions(fold_rows=200))
    kept.look()
    kept.keeper.close()
    kept.add(*(f"job-{n}" for n in range(2_000)))
    errors = []

    def write() -> None:
        db = apsw.Connection(str(kept.path))
        db.set_busy_timeout(5_000)
        for number in range(200):
            try:
                insert(db, f"live-{number}", "running")
            except apsw.Error as exc:
                errors.append(exc)
        db.close()

    writer = threading.Thread(target=write)
    writer.start()
    kept.turn()
    writer.join(30)

    assert not errors
    assert finished(kept.look()) == 2_000
    assert kept.keeper.counts.folds > 10
    kept.stop()


def test_a_turn_comes_back_though_the_log_is_never_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "_FOLDS_A_TURN", 3)
    kept = Watched(make_store(tmp_path / "jobs.db"), tmp_path / "state", options=LedgerOptions(fold_rows=10))
    kept.look()
    kept.add(*(f"job-{n}" for n in range(29)))  # two log rows each
    kept.keeper._fold_interval_s = 0.5

    turns = [(kept.turn(), kept.view().unfolded_rows) for _ in range(4)]

    assert turns == [(0.0, 40), (0.0, 22), (0.5, 0), (0.5, 0)]  # six rows a fold: no job is cut in two
    kept.stop()


# The state file ----------------------------------------------------------------------------------------------------


def test_a_lost_state_file_costs_nothing_while_the_store_is_whole(kept: Watched) -> None:
    kept.add("a", "b")
    kept.look()
    kept.stop()
    for path in kept.state.path.parent.iterdir():
        path.unlink()

    again = kept.again()
    again.add("c")

    assert finished(again.look()) == 3
    assert again.keeper.counts.epoch == 0
    kept.__dict__.update(again.__dict__)


def test_a_damaged_state_file_is_moved_aside_and_the_agent_goes_on(kept: Watched) -> None:
    kept.add("a")
    kept.look()
    kept.stop()
    subprocess.run(["sh", "-c", f"printf 'no database at all' > '{kept.state.path}'"], check=True)

    again = kept.again()

    assert again.state.was_damaged
    assert finished(again.look()) == 1
    assert [path for path in kept.state.path.parent.iterdir() if ".damaged-" in path.name]
    kept.__dict__.update(again.__dict__)


def test_a_crash_between_the_fold_and_the_saving_of_the_state_counts_nothing_twice(
    kept: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.add("a")
    kept.look()
    monkeypatch.setattr(type(kept.state), "save_counters", lambda *_, **__: None)
    monkeypatch.setattr(type(kept.state), "save_facts", lambda *_, **__: None)
    kept.add("b")
    kept.look()
    kept.keeper.close()
    monkeypatch.undo()

    again = kept.again()
    again.add("c")

    assert finished(again.look()) == 3
    assert again.keeper.counts.epoch == 0
    again.stop()


# Drift -------------------------------------------------------------------------------------------------------------


def test_a_job_that_went_unseen_by_its_rowid_is_found_by_the_recount(kept: Watched) -> None:
    kept.add("a", "b")
    kept.look()
    kept.sql("INSERT OR REPLACE INTO jobs(rowid,id,name,vm_name,vm_path,provider,output_dir,status,created_at)"
             " SELECT rowid,'c',name,vm_name,vm_path,provider,output_dir,'failed',created_at FROM jobs WHERE id='a'")  # fmt: skip

    shown = kept.look()

    assert finished(shown, "failed") == 1
    assert kept.gauges() == {("vsphere", "completed"): 1, ("vsphere", "failed"): 1}
    assert kept.keeper.counts.drift == 1


def test_a_tampered_gauge_is_put_right_and_counted(kept: Watched) -> None:
    kept.add("a", "b", status="running")
    before = kept.look()
    kept.sql("UPDATE hyperjobs_gauge SET jobs=jobs+5; INSERT INTO hyperjobs_gauge VALUES('ghost','failed',2)")
    kept.add("c", status="running")  # not yet folded

    assert kept.keeper.check_drift() == 7
    assert kept.gauges() == {("vsphere", "running"): 3}
    assert kept.keeper.counts.drift == 7
    assert kept.keeper.check_drift() == 0
    assert finished(kept.look()) == finished(before)


# History -----------------------------------------------------------------------------------------------------------


def test_the_history_of_a_job_is_known_folded_or_not(kept: Watched) -> None:
    kept.add("a", "b", status="pending")
    kept.sql("UPDATE jobs SET status='running'")
    kept.look()
    kept.sql("UPDATE jobs SET status='completed'; UPDATE jobs SET progress=3; DELETE FROM jobs WHERE id='a'")

    unfolded = events(kept, "a")
    kept.look()

    expected = [(None, "pending"), ("pending", "running"), ("running", "completed"), ("completed", None)]
    assert unfolded == events(kept, "a") == expected
    assert events(kept, "b") == expected[:-1]
    assert events(kept, "nobody") == []


def events(kept: Watched, job_id: str) -> list[tuple[str | None, str | None]]:
    connection = Connection(kept.path, read_only=True)
    try:
        found = connection.read(lambda db: job_events(db, job_id, now=kept.clock.now()))
    finally:
        connection.close()
    assert all(event.at.tzinfo is not None and event.job_id == job_id for event in found)
    return [(event.old, event.new) for event in found]


@pytest.mark.parametrize(("past_s", "left"), [(-1, 1), (0, 1), (1, 0)])
def test_the_history_is_trimmed_by_its_age(kept: Watched, past_s: int, left: int) -> None:
    kept.add("a")
    kept.look()
    ((at,),) = kept.sql("SELECT at FROM hyperjobs_history")
    kept.clock.set(
        kept.clock.now().fromtimestamp(at, tz=kept.clock.now().tzinfo)
        + kept.options.history
        + timedelta(seconds=past_s)
    )
    kept.keeper._trim_due_s = 0.0

    kept.turn()

    assert kept.sql("SELECT count(*) FROM hyperjobs_history") == [(left,)]


def test_a_long_history_is_trimmed_a_batch_a_turn(kept: Watched) -> None:
    kept.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2500)"
             " INSERT INTO hyperjobs_history(job_id,at,old,new) SELECT i,0,NULL,'failed' FROM n")  # fmt: skip
    kept.keeper._trim_due_s = 0.0
    counts = []
    for _ in range(3):
        kept.turn()
        counts.append(kept.sql("SELECT count(*) FROM hyperjobs_history")[0][0])

    assert counts == [1500, 500, 0]


# Numbers that make no sense ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_there_before", [True, False], ids=["counted", "folded"])
def test_sums_stop_where_integers_end_and_the_ledger_goes_on(tmp_path: Path, *, is_there_before: bool) -> None:
    kept = Watched(make_store(tmp_path / "jobs.db"), tmp_path / "state")
    if not is_there_before:
        kept.look()
    for number in range(40):  # 8000 years each, and sizes that are close to the largest there is
        kept.add(
            f"job-{number}", started="0001-01-01 00:00:00+00:00", completed="8001-01-01 00:00:00+00:00", size=2**62 - 1
        )
        if not number % 10:
            kept.exported()
            kept.look()

    shown = kept.look()

    assert shown["bytes", "vsphere", "", 0] == shown["duration_micros", "vsphere", "completed", 0] == 2**62 - 1
    assert finished(shown) == 40
    assert kept.sql("SELECT DISTINCT typeof(value) FROM hyperjobs_total") == [("integer",)]
    assert kept.sql("SELECT DISTINCT typeof(micros),typeof(bytes) FROM hyperjobs_hour") == [("integer", "integer")]
    kept.stop()
