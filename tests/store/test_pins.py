"""A pinned job outlives every prune, and whatever its writer does to it."""

from __future__ import annotations

from datetime import timedelta

import apsw
import pytest

from hyperjobs.errors import JobNotFoundError
from hyperjobs.store.connection import Connection
from hyperjobs.store.ledger.install import install, schema_rows, uninstall
from hyperjobs.store.pins import has_pins, pin, read_pins, unpin
from hyperjobs.testing import START, make_job
from support.ledgers import insert, make_store
from support.stores import new_store

AGE = timedelta(days=30)


@pytest.fixture
def connection(tmp_path):
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    for name in ("a", "b", "c"):
        insert(db, name, "completed", completed="2001-01-01 00:00:00+00:00")
    db.close()
    opened = Connection(path)
    yield opened
    opened.close()


def pinned(connection):
    return [found.job_id for found in connection.read(read_pins)]


def test_a_store_where_nothing_was_pinned_has_nothing_of_ours(connection):
    before = connection.read(schema_rows)

    assert pinned(connection) == []
    with pytest.raises(JobNotFoundError):
        unpin(connection, "a")
    assert connection.read(schema_rows) == before
    assert not connection.read(has_pins)


def test_a_pin_says_who_when_and_why_and_a_new_one_takes_its_place(connection):
    pin(connection, "a", now=START, reason="audit", by="alice")
    pin(connection, "a", now=START + AGE, reason="court", by="bob")

    (found,) = connection.read(read_pins)
    assert (found.job_id, found.at, found.reason, found.by, found.is_there) == ("a", START + AGE, "court", "bob", True)


def test_a_job_that_is_not_there_cannot_be_pinned(connection):
    with pytest.raises(JobNotFoundError, match="nothing was pinned") as caught:
        pin(connection, "z", now=START)

    assert caught.value.exit_code == 7
    assert not connection.read(has_pins)


def test_a_pinned_job_outlives_its_retention_until_it_is_unpinned(tmp_path):
    with new_store(tmp_path) as store:
        store.save_jobs(make_job(id=name, status="completed", created_at=START - 2 * AGE) for name in "abc")
        connection = Connection(store.path)
        pin(connection, "b", now=START)

        assert store.prune(AGE) == 2
        assert [job.id for job in store.list_jobs()] == ["b"]
        unpin(connection, "b")
        assert store.prune(AGE) == 1
        connection.close()


def test_a_pin_survives_the_save_by_which_the_client_replaces_the_row(connection):
    pin(connection, "a", now=START)

    db = apsw.Connection(str(connection.path))
    insert(db, "a", "completed", verb="INSERT OR REPLACE")
    db.close()

    assert pinned(connection) == ["a"]


def test_a_pin_of_a_job_that_somebody_deleted_is_still_shown(connection):
    pin(connection, "a", now=START)
    connection.change("DELETE FROM jobs WHERE id='a'")

    assert [found.is_there for found in connection.read(read_pins)] == [False]


@pytest.mark.parametrize("rebuild", [False, True])
def test_pins_survive_the_ledger_being_put_in_and_made_anew(connection, rebuild):
    pin(connection, "a", now=START)

    install(connection, now=START)
    install(connection, now=START, rebuild=rebuild)

    assert pinned(connection) == ["a"]


def test_uninstall_takes_pins_out_without_a_trace(connection):
    before = connection.read(schema_rows)
    pin(connection, "a", now=START)
    install(connection, now=START)

    assert "hyperjobs_pin" in uninstall(connection)
    assert connection.rows("SELECT name FROM sqlite_schema WHERE name LIKE '%hyperjobs%'") == []
    assert connection.read(schema_rows) == before


def test_uninstall_takes_pins_out_of_a_store_that_never_had_a_ledger(connection):
    pin(connection, "a", now=START)

    assert uninstall(connection) == ["hyperjobs_pin"]
