"""Indexes are built anew on request, one at a time; and a store keeps the schema that its writers know."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from hyperjobs.errors import HyperjobsError, StoreBusyError, StoreFullError, StoreInterruptedError, StoreRefusedError
from hyperjobs.maintenance import reindex
from hyperjobs.maintenance.optimize import OptimizeTask
from hyperjobs.maintenance.reindex import ReindexTask
from hyperjobs.store.connection import Connection
from hyperjobs.store.ledger.install import install, schema_rows, uninstall
from hyperjobs.testing import START
from support.disks import MIB, fill, small_disk
from support.holders import execute, held
from support.spaces import content_of, roomy_store, turn

if TYPE_CHECKING:
    from pathlib import Path

_INDEXES = ["idx_created_at", "idx_provider", "idx_status", "idx_user", "idx_vm_name", "sqlite_autoindex_jobs_1"]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return roomy_store(tmp_path / "jobs.db")


def lose_an_entry(path: Path) -> None:
    """An index that lacks what its table has, as mixed libraries or a bug leave it."""
    db = apsw.Connection(str(path))
    db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name='idx_user'").fetchall()[0][0]
    db.execute("PRAGMA writable_schema=ON")
    db.execute("CREATE INDEX half ON jobs(user) WHERE rowid%2")
    half = db.execute("SELECT rootpage FROM sqlite_schema WHERE name='half'").fetchall()[0][0]
    db.execute("UPDATE sqlite_schema SET rootpage=? WHERE name='idx_user'", (half,))
    db.execute("UPDATE sqlite_schema SET rootpage=? WHERE name='half'", (root,))
    db.execute("PRAGMA writable_schema=RESET").fetchall()
    db.close()
    db = apsw.Connection(str(path))
    db.execute("DROP INDEX half")
    db.close()


def problems(path: Path) -> list[str]:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = [str(row[0]) for row in db.execute("PRAGMA integrity_check")]
    db.close()
    return found


def schema(path: Path) -> list[Any]:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = schema_rows(db)
    db.close()
    return found


def test_an_index_that_lost_entries_is_whole_again(store):
    lose_an_entry(store)
    assert any("idx_user" in problem for problem in problems(store))

    report = ReindexTask(store, names=["idx_user"]).run(turn())

    assert problems(store) == ["ok"]
    assert [index["name"] for index in report.detail["indexes"]] == ["idx_user"]


def test_without_names_every_index_is_built_and_the_jobs_are_what_they_were(store):
    jobs, before = content_of(store), schema(store)

    report = ReindexTask(store).run(turn())

    assert [index["name"] for index in report.detail["indexes"]] == _INDEXES
    assert all(index["seconds"] >= 0 for index in report.detail["indexes"])
    assert content_of(store) == jobs
    assert schema(store) == before


def test_a_dry_run_says_for_each_how_large_it_is_and_how_long_it_takes_and_does_not_mend(store):
    lose_an_entry(store)

    report = ReindexTask(store).run(turn(is_dry=True))

    assert {index["name"] for index in report.detail["indexes"]} == set(_INDEXES)
    assert all(index["size_bytes"] > 0 and index["rows"] == 6000 for index in report.detail["indexes"])
    assert problems(store) != ["ok"]


def test_an_index_that_does_not_exist_is_named_with_those_that_do(store):
    with pytest.raises(HyperjobsError, match=r"no index idx_wrong; it has idx_created_at, "):
        ReindexTask(store, names=["idx_user", "idx_wrong"]).run(turn())


def test_writers_are_not_made_to_wait_longer_than_they_do_unless_a_person_insists(store, monkeypatch):
    monkeypatch.setattr(reindex, "_ROWS_A_SECOND", 6000 / 4.01)
    with pytest.raises(StoreRefusedError, match="--force") as refused:
        ReindexTask(store).run(turn())
    assert refused.value.reason == "blocks_too_long"

    assert ReindexTask(store, is_forced=True).run(turn()).skipped is None
    monkeypatch.setattr(reindex, "_ROWS_A_SECOND", 6000 / 3.99)
    assert ReindexTask(store).run(turn()).skipped is None


def test_a_writer_in_its_transaction_makes_it_busy(store):
    with held(store, "BEGIN IMMEDIATE") as pid, pytest.raises(StoreBusyError, match=f"pid {pid} "):
        ReindexTask(store).run(turn())


def test_a_stop_ends_it_between_two_indexes(store):
    stopping = threading.Event()

    def progress(_what: str, done: int, _all: int) -> None:
        if done == 2:
            stopping.set()

    with pytest.raises(StoreInterruptedError):
        ReindexTask(store).run(turn(progress=progress, is_stopping=stopping.is_set))

    assert problems(store) == ["ok"]


def test_without_room_it_does_not_begin(tmp_path):
    with small_disk(tmp_path, 64 * MIB) as disk:
        store = roomy_store(disk / "jobs.db")
        fill(disk, leave_bytes=16 * MIB)

        with pytest.raises(StoreFullError, match="a reindex needs"):
            ReindexTask(store).run(turn())

        execute(store, "UPDATE jobs SET user='daemon' WHERE rowid=9000")


# --- optimize


def test_a_store_without_statistics_is_given_none(store):
    before = schema(store)

    report = OptimizeTask(store).run(turn())

    assert report.skipped == "no_statistics"
    assert schema(store) == before


def test_statistics_that_somebody_made_are_renewed_without_a_further_table(store):
    """Our library keeps a sqlite_stat4 of its own accord, which the writers' schema never had."""
    execute(
        store,
        "ANALYZE",
        "DROP TABLE IF EXISTS sqlite_stat4",
        "UPDATE sqlite_stat1 SET stat='1 1'",
        "DELETE FROM jobs WHERE rowid%2",
    )
    before = schema(store)

    assert OptimizeTask(store).run(turn(is_dry=True)).skipped is None
    report = OptimizeTask(store).run(turn())

    assert report.skipped is None
    assert schema(store) == before
    db = apsw.Connection(str(store))
    stats = dict(db.execute("SELECT idx,stat FROM sqlite_stat1 WHERE tbl='jobs'").fetchall())
    db.close()
    assert stats["sqlite_autoindex_jobs_1"] != "1 1"


def test_after_optimize_and_vacuum_an_uninstall_still_gives_back_the_schema_it_found(store):
    before = schema(store)
    connection = Connection(store)
    install(connection, now=START)
    OptimizeTask(store).run(turn())
    ReindexTask(store).run(turn())
    uninstall(connection)
    connection.close()

    assert schema(store) == before
