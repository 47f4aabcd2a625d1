"""A -wal does not keep its peak for ever, and its readers are known by the system's own locks."""

from __future__ import annotations

import os

import pytest

from hyperjobs.store.connection import Connection
from hyperjobs.store.holder import described, readers_of
from hyperjobs.store.wal import Mode, checkpoint, wal_bytes
from support.holders import execute, held
from support.ledgers import make_store
from support.stores import script

_MIB = 2**20
_LIMIT_BYTES = 64 * _MIB


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path / "jobs.db")


@pytest.fixture
def grown(store):
    """A connection to a store whose -wal grew past its limit while a reader held it, which is gone."""
    connection = Connection(store, synchronous="OFF")
    connection.change("CREATE TABLE big(x)")
    with held(store, "BEGIN", "SELECT * FROM big"):
        while wal_bytes(store) < _LIMIT_BYTES + 8 * _MIB:
            connection.change("INSERT INTO big VALUES(zeroblob(4000000))")
            connection.change("DELETE FROM big")
    yield connection
    connection.close()


def test_a_wal_past_its_limit_is_cut_back_by_the_first_commit_after_its_checkpoint(grown):
    moved = checkpoint(grown, Mode.PASSIVE)
    assert moved.remaining == 0
    assert wal_bytes(grown.path) > _LIMIT_BYTES

    grown.change("INSERT INTO big VALUES(1)")

    assert wal_bytes(grown.path) == _LIMIT_BYTES


def test_truncating_it_leaves_nothing(grown):
    assert checkpoint(grown, Mode.TRUNCATE).is_empty
    assert wal_bytes(grown.path) == 0


def test_every_connection_that_writes_sets_the_limit(store):
    for synchronous in ("NORMAL", "FULL"):
        connection = Connection(store, synchronous=synchronous)
        assert connection.value("PRAGMA journal_size_limit") == _LIMIT_BYTES
        connection.close()


def test_a_checkpoint_in_the_way_of_another_is_an_answer_and_no_error(store):
    connection = Connection(store, busy_timeout_s=0.0)
    with held(store, "BEGIN IMMEDIATE"):
        assert checkpoint(connection, Mode.TRUNCATE).is_busy
        assert not checkpoint(connection, Mode.PASSIVE).is_busy
    connection.close()


def test_without_a_wal_there_are_no_frames(store):
    script(store, "PRAGMA journal_mode=DELETE")
    connection = Connection(store)
    moved = checkpoint(connection, Mode.PASSIVE)
    connection.close()

    assert (moved.is_busy, moved.frames, moved.remaining) == (False, -1, 0)
    assert wal_bytes(store) == 0


def test_readers_are_those_in_a_transaction_and_not_those_that_have_the_store_open(store):
    execute(store, "INSERT INTO schema_version(version) VALUES(2)")
    with held(store, "SELECT * FROM jobs"):
        assert readers_of(store) == []
        with held(store, "BEGIN", "SELECT * FROM jobs") as one, held(store, "BEGIN", "SELECT * FROM jobs") as other:
            assert readers_of(store) == sorted([one, other])
        assert readers_of(store) == []


def test_our_own_reading_is_seen_as_ours(store):
    connection = Connection(store)
    found = connection.read(lambda db: (db.execute("SELECT * FROM jobs").fetchall(), readers_of(store))[1])
    connection.close()

    assert found == [os.getpid()]
    assert described(os.getpid()).startswith("this very process")


def test_a_store_that_nobody_has_open_has_no_readers(tmp_path):
    assert readers_of(tmp_path / "jobs.db") == []
