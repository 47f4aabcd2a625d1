"""A copy to give away: whole, proven, and, when it is asked for, with nothing of ours in it."""

from __future__ import annotations

import hashlib
import json
import stat

import apsw
import pytest

from hyperjobs.errors import BackupDamagedError, StoreRefusedError
from hyperjobs.maintenance.backup.catalogue import read_catalogue
from hyperjobs.maintenance.backup.handout import hand_out
from hyperjobs.store.connection import Connection
from hyperjobs.store.ledger.install import install
from hyperjobs.store.snapshot import Pace
from hyperjobs.testing import START, FakeClock
from support.backups import store_of
from support.ledgers import insert


def schema(path):
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return db.execute("SELECT type,name,tbl_name,sql FROM sqlite_schema ORDER BY type,name").fetchall()
    finally:
        db.close()


def ids(path):
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return sorted(row[0] for row in db.execute("SELECT id FROM jobs"))
    finally:
        db.close()


@pytest.fixture
def plain_schema(tmp_path):
    return schema(store_of(tmp_path / "plain.db"))


@pytest.fixture
def store(tmp_path):
    """A store with a ledger that holds the changes of some jobs."""
    path = store_of(tmp_path / "jobs.db")
    connection = Connection(path)
    install(connection, now=START)
    connection.close()
    db = apsw.Connection(str(path))
    with db:
        for number in range(50):
            insert(db, f"later-{number}", "completed", provider="secret-provider-of-a-job-that-went")
            db.execute("DELETE FROM jobs WHERE id=?", (f"later-{number}",))
    db.close()
    return path


def give(store, target, **options):
    return hand_out(store, target, clock=FakeClock(), pace=Pace(), **options)


def test_a_stripped_copy_has_the_schema_and_the_jobs_of_a_store_without_an_agent(store, plain_schema, tmp_path):
    target = tmp_path / "gift.db"

    manifest = give(store, target, strip=True)

    assert schema(target) == plain_schema
    assert ids(target) == ids(store)
    assert b"secret-provider" not in target.read_bytes()
    assert b"hyperjobs" not in target.read_bytes()
    assert manifest.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    assert manifest.pages * 4096 == target.stat().st_size
    assert json.loads(target.with_name("gift.db.json").read_text())["sha256"] == manifest.sha256


def test_the_store_keeps_its_ledger(store, tmp_path):
    before = schema(store)

    give(store, tmp_path / "gift.db", strip=True)

    assert schema(store) == before


def test_an_unstripped_copy_has_what_the_store_has(store, tmp_path):
    give(store, tmp_path / "gift.db")

    assert schema(tmp_path / "gift.db") == schema(store)


def test_what_is_handed_out_is_no_backup(store, tmp_path):
    give(store, tmp_path / "jobs-20260121T100000Z-0001.db")

    [entry] = read_catalogue(tmp_path, None)
    assert not list(tmp_path.glob(".hyperjobs*"))
    assert stat.S_IMODE((tmp_path / str(entry.name)).stat().st_mode) == 0o600


@pytest.mark.parametrize("taken", ["gift.db", "gift.db.json"])
def test_nothing_that_is_there_is_replaced(store, tmp_path, taken):
    (tmp_path / taken).write_text("mine")

    with pytest.raises(StoreRefusedError, match="is there already"):
        give(store, tmp_path / "gift.db")

    assert (tmp_path / taken).read_text() == "mine"
    assert sorted(path.name for path in tmp_path.glob("gift*")) == [taken]


def test_a_damaged_store_is_not_handed_out(store, tmp_path):
    apsw.Connection(str(store)).close()
    data = bytearray(store.read_bytes())
    data[3 * 4096 : 4 * 4096] = bytes(range(256)) * 16
    store.write_bytes(data)

    with pytest.raises(BackupDamagedError):
        give(store, tmp_path / "gift.db")

    assert not list(tmp_path.glob("gift*"))
