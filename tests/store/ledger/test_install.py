"""Putting the ledger in and taking it out: nothing of it stays, and no writer notices."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from hyperjobs.errors import StoreRefusedError
from hyperjobs.store.connection import Connection
from hyperjobs.store.ledger.install import install, schema_rows, uninstall
from hyperjobs.store.ledger.rollup import read_meta, write_meta
from hyperjobs.store.ledger.schema import has_tables, has_triggers, ours, statements
from hyperjobs.testing import START
from support.ledgers import Kept, insert, make_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OTHERS = """
CREATE TABLE audit(at TEXT, what TEXT);
CREATE TABLE hyperjobsx(id INTEGER PRIMARY KEY AUTOINCREMENT);
INSERT INTO hyperjobsx DEFAULT VALUES;
CREATE TRIGGER audit_jobs AFTER DELETE ON jobs BEGIN INSERT INTO audit VALUES(CURRENT_TIMESTAMP,OLD.id); END;
CREATE INDEX audit_at ON audit(at) WHERE at IS NOT NULL;
CREATE VIEW failed AS SELECT * FROM jobs WHERE status='failed';
"""


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    connection = Connection(make_store(tmp_path / "jobs.db"))
    yield connection
    connection.close()


def whole_schema(connection: Connection) -> list[tuple[Any, ...]]:
    """``sqlite_schema`` as it stands but for where its pages are."""
    return connection.rows("SELECT type,name,tbl_name,sql FROM sqlite_schema ORDER BY type,name")


# Uninstall ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("others", ["", _OTHERS], ids=["alone", "beside others"])
def test_uninstall_gives_back_the_schema_that_install_found(connection: Connection, others: str) -> None:
    connection.raw.execute(others)
    before = whole_schema(connection)
    install(connection, now=START)
    recorded = json.loads(connection.read(read_meta)["schema_before"])

    dropped = uninstall(connection)

    assert whole_schema(connection) == before
    assert connection.read(schema_rows) == recorded
    assert set(dropped) == {*statements("tables.sql"), *statements("triggers.sql")}


def test_uninstall_gives_it_back_when_the_ledger_was_used_and_its_history_is_long(tmp_path: Path) -> None:
    kept = Kept(make_store(tmp_path / "jobs.db"), tmp_path / "state")
    connection = Connection(kept.path)
    before = whole_schema(connection)
    kept.turn()
    connection.rows("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<12345)"
                    " INSERT INTO hyperjobs_history(job_id,at,old,new) SELECT i,0,NULL,'failed' FROM n")  # fmt: skip
    insert(connection.raw, "a", "completed")
    connection.rows("VACUUM")
    connection.rows("ANALYZE")
    kept.stop()

    uninstall(connection)
    connection.rows("DROP TABLE sqlite_stat1")
    connection.rows("DROP TABLE IF EXISTS sqlite_stat4")

    assert whole_schema(connection) == before
    assert connection.value("PRAGMA integrity_check") == "ok"
    insert(connection.raw, "b")
    assert connection.value("SELECT count(*) FROM jobs") == 2
    connection.close()


def test_uninstall_leaves_no_statistics_of_ours(connection: Connection) -> None:
    install(connection, now=START)
    insert(connection.raw, "a")
    connection.rows("ANALYZE")

    uninstall(connection)

    assert connection.rows("SELECT tbl FROM sqlite_stat1 WHERE tbl LIKE 'hyperjobs%'") == []


def test_a_second_uninstall_has_nothing_to_do(connection: Connection) -> None:
    install(connection, now=START)

    assert uninstall(connection)
    assert uninstall(connection) == []


def test_uninstall_refuses_where_someone_elses_index_is_on_a_table_of_ours(connection: Connection) -> None:
    install(connection, now=START)
    connection.rows("CREATE INDEX theirs ON hyperjobs_total(value)")
    before = whole_schema(connection)

    with pytest.raises(StoreRefusedError, match="theirs sits on a table of hyperjobs"):
        uninstall(connection)

    assert whole_schema(connection) == before


def test_the_triggers_go_before_the_tables(connection: Connection) -> None:
    install(connection, now=START)
    dropped: list[str] = []

    def note(operation: int, *_: object) -> int:
        if operation in {apsw.SQLITE_DROP_TRIGGER, apsw.SQLITE_DROP_TABLE}:
            dropped.append("trigger" if operation == apsw.SQLITE_DROP_TRIGGER else "table")
        return apsw.SQLITE_OK

    connection.raw.authorizer = note
    uninstall(connection)

    assert dropped == sorted(dropped, reverse=True)
    assert set(dropped) == {"trigger", "table"}


def test_a_writer_goes_on_through_install_and_uninstall(tmp_path: Path) -> None:
    connection = Connection(make_store(tmp_path / "jobs.db"))
    errors: list[Exception] = []
    stop = threading.Event()
    written = []

    def write() -> None:
        db = apsw.Connection(str(connection.path))
        db.set_busy_timeout(5_000)
        db.execute("PRAGMA synchronous=OFF").fetchall()
        number = 0
        while not stop.is_set() or number < 20:
            try:
                insert(db, f"job-{number}")
                db.execute("UPDATE jobs SET status='running' WHERE id=?", (f"job-{number}",))
                db.execute("DELETE FROM jobs WHERE id=?", (f"job-{number - 1}",))
            except apsw.Error as exc:
                errors.append(exc)
            number += 1
        written.append(number)
        db.close()

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(5):
        install(connection, now=START)
        uninstall(connection)
    stop.set()
    writer.join(30)

    assert errors == []
    assert connection.rows("SELECT id,status FROM jobs") == [(f"job-{written[0] - 1}", "running")]
    connection.close()


# Install -----------------------------------------------------------------------------------------------------------


def test_a_second_install_changes_nothing(connection: Connection) -> None:
    assert install(connection, now=START).changed
    before = connection.value("PRAGMA schema_version"), connection.read(read_meta), whole_schema(connection)

    again = install(connection, now=START, bounds=(1, 2))

    assert (again.changed, again.lost_triggers) == (False, False)
    assert (connection.value("PRAGMA schema_version"), connection.read(read_meta), whole_schema(connection)) == before


def test_install_writes_every_object_as_the_files_have_it(connection: Connection) -> None:
    install(connection, now=START)
    found = connection.read(ours)

    assert has_tables(found)
    assert has_triggers(found)
    assert found == {**statements("tables.sql"), **statements("triggers.sql")}
    assert len(statements("triggers.sql")) == 6


def test_a_rebuild_changes_the_buckets_and_counts_from_the_rows(tmp_path: Path) -> None:
    kept = Kept(make_store(tmp_path / "jobs.db"), tmp_path / "state")
    kept.turn()
    connection = Connection(kept.path)
    insert(connection.raw, "a", "completed", started="2026-01-01 10:00:00+00:00", completed="2026-01-01 10:00:05+00:00")
    kept.turn()
    before = kept.exported()

    install(connection, now=START, bounds=(1, 10), rebuild=True)
    kept.turn()

    assert kept.view().bounds == (1, 10)
    assert kept.view().rollup.totals["duration", "vsphere", "completed", 1] == 1
    after = kept.exported()
    assert all(after[key] >= value for key, value in before.items())
    assert after["finished", "vsphere", "completed", 0] == 1
    connection.close()
    kept.stop()


@pytest.mark.parametrize("rebuild", [False, True])
@pytest.mark.parametrize("missing", ["", "hyperjobs_latest"])
def test_install_refuses_a_newer_ledger_and_leaves_it_whole(
    connection: Connection, missing: str, *, rebuild: bool
) -> None:
    install(connection, now=START)
    connection.write(lambda db: write_meta(db, schema_version=3))
    if missing:  # a newer version may have other tables
        connection.rows(f"DROP TABLE {missing}")
    before = whole_schema(connection)

    with pytest.raises(StoreRefusedError, match="schema version 3 is newer than 2") as refused:
        install(connection, now=START, rebuild=rebuild)

    assert refused.value.reason == "newer"
    assert whole_schema(connection) == before


def test_the_triggers_need_nothing_newer_than_the_oldest_writer() -> None:
    sql = " ".join(statements("triggers.sql").values()).upper()

    assert not [word for word in ("RETURNING", "IIF(", "->", "STRICT", "UNIXEPOCH", "CONCAT", "MATERIALIZED", "UPSERT", "ON CONFLICT", "OR IGNORE", "OR REPLACE", "NULLS", "FILTER", "OVER(") if word in sql]  # fmt: skip
