"""A -wal beside an emptied file is all there is of it, and SQLite would delete it at the first look."""

from __future__ import annotations

import os

import apsw
import pytest

from hyperjobs.errors import StoreDamagedError, StoreNotFoundError
from hyperjobs.store.connection import Connection
from support.ledgers import make_store

HEADER_BYTES = 32


@pytest.fixture
def emptied(tmp_path):
    """A store whose file somebody emptied, with what its -wal holds."""
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    db.execute("PRAGMA wal_autocheckpoint=0").fetchall()
    db.execute("INSERT INTO schema_version (version) VALUES (99)")
    held = path.with_name("jobs.db-wal").read_bytes()
    db.close()
    os.truncate(path, 0)
    path.with_name("jobs.db-wal").write_bytes(held)
    return path


def test_sqlite_itself_deletes_the_wal_of_an_emptied_file(emptied):
    apsw.Connection(str(emptied)).execute("PRAGMA schema_version").fetchall()

    assert not emptied.with_name("jobs.db-wal").exists()


@pytest.mark.parametrize("how", [{}, {"read_only": True}, {"create": True}])
def test_an_emptied_file_with_a_wal_is_refused_and_its_wal_stays(emptied, how):
    held = emptied.with_name("jobs.db-wal").read_bytes()

    with pytest.raises(StoreDamagedError, match=f"is empty, and {len(held):,} bytes of it are in its -wal.*salvage"):
        Connection(emptied, **how)

    assert emptied.with_name("jobs.db-wal").read_bytes() == held


def test_no_store_is_made_over_the_wal_of_one_that_was_removed(emptied):
    emptied.unlink()

    with pytest.raises(StoreDamagedError, match="salvage"):
        Connection(emptied, create=True)

    assert not emptied.exists()


@pytest.mark.parametrize("left", [b"", bytes(HEADER_BYTES + 1)])
def test_of_a_store_that_was_removed_what_is_left_in_its_wal_is_said(tmp_path, left):
    path = tmp_path / "jobs.db"
    path.with_name("jobs.db-wal").write_bytes(left)

    with pytest.raises(StoreNotFoundError) as refused:
        Connection(path)

    assert ("hyperjobs salvage" in str(refused.value)) is bool(left)
    assert path.with_name("jobs.db-wal").read_bytes() == left


def test_a_wal_with_nothing_in_it_keeps_nobody_out(emptied):
    os.truncate(emptied.with_name("jobs.db-wal"), HEADER_BYTES)

    Connection(emptied).close()
