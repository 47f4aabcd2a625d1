"""A salvage makes a new store of all that can be read of a damaged one, and never touches that."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from hyperjobs.errors import (
    NotAJobStoreError,
    StoreBusyError,
    StoreDamagedError,
    StoreFullError,
    StoreInterruptedError,
    StoreRefusedError,
)
from hyperjobs.maintenance.backup.destination.opening import DestinationSettings
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.prune.directory import ArchiveDirectory
from hyperjobs.maintenance.restore.kept import origin_of
from hyperjobs.maintenance.salvage.copy import copy_store
from hyperjobs.maintenance.salvage.salvage import Wish, salvage
from hyperjobs.maintenance.salvage.sources import Places
from hyperjobs.store.connection import Connection
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.ledger.rollup import read_meta
from hyperjobs.store.pins import pin
from hyperjobs.store.salvage.pages import Geometry, PageFile
from hyperjobs.store.salvage.tree import Leaf, pages_of, walk_table
from hyperjobs.testing import START, FakeClock
from support import damage
from support.backups import take
from support.disks import small_disk
from support.holders import held
from support.ledgers import Kept
from support.lived import job, lived_in, rows_of
from support.pruning import Pruned
from support.turns import make_turn, stop_after

TESTS = Path(__file__).parents[1]
DEADLINE_S = 60


@pytest.fixture
def store(tmp_path):
    return lived_in(tmp_path / "jobs.db", 700)


@pytest.fixture
def new(tmp_path):
    return tmp_path / "new" / "jobs.db"


@pytest.fixture(autouse=True)
def _folder(new):
    new.parent.mkdir()


def run(store, new, *, places=None, turn=None, **options):
    return salvage(store, new, Wish(places=places or Places(), ledger=LedgerOptions(), **options), turn or make_turn())


def spoil(store, *works, seed=1):
    """Damage a store; the rows that it had."""
    before = rows_of(store)
    it = damage.Damaged(store, random.Random(seed))  # noqa: S311 - repeatable on purpose
    for work in works:
        work(it)
    store.write_bytes(it.data)
    return before


def state(folder):
    """Every file of a folder but the state, with what is in it and when it was written."""
    return {
        path: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.iterdir())
        if path.is_file()
    }


def check(path):
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return db.execute("PRAGMA integrity_check").fetchall()
    finally:
        db.close()


def leaf_of(store, rowid):
    return damage.place_of(store, rowid)[0]


def zero(store, *pages):
    data = bytearray(store.read_bytes())
    for page in pages:
        data[(page - 1) * damage.PAGE : page * damage.PAGE] = bytes(damage.PAGE)
    store.write_bytes(data)


@pytest.mark.parametrize("kind", damage.PAGES)
def test_the_damaged_store_is_not_touched_and_the_new_one_is_sound(store, new, kind):
    before = spoil(store, damage.PAGES[kind], seed=kind)
    was = state(store.parent)

    done = run(store, new)

    assert state(store.parent) == was
    got = rows_of(new)
    assert {rowid: row for rowid, row in got.items() if before[rowid] != row} == {}
    assert (done.jobs, done.read) == (len(got), len(got))
    assert len(got) + len(done.lost) + len(done.doubtful) >= len(before) or not done.is_complete
    assert check(new) == [("ok",)]
    assert list(new.parent.iterdir()) == [new]


def test_a_whole_store_comes_whole(store, new):
    done = run(store, new)

    assert rows_of(new) == rows_of(store)
    assert done.is_whole
    assert done.ranges == ()


def test_the_new_store_has_the_mode_and_the_schema_of_the_old_one(store, new):
    store.chmod(0o660)
    if os.geteuid() == 0:
        os.chown(store, 1234, 1235)
    db = apsw.Connection(str(store))
    db.execute("PRAGMA user_version=7")
    db.execute("CREATE INDEX idx_mine ON jobs(vm_path,status)")
    schema = db.execute("SELECT type,name,sql FROM sqlite_schema ORDER BY name").fetchall()
    db.close()

    run(store, new)

    db = apsw.Connection(str(new), flags=apsw.SQLITE_OPEN_READONLY)
    assert db.execute("SELECT type,name,sql FROM sqlite_schema ORDER BY name").fetchall() == schema
    assert db.execute("PRAGMA user_version").fetchall() == [(7,)]
    db.close()
    assert new.stat().st_mode & 0o777 == 0o660
    assert (new.stat().st_uid, new.stat().st_gid) == (store.stat().st_uid, store.stat().st_gid)


def test_a_store_that_is_there_is_refused_and_stays(store, new):
    new.write_bytes(b"mine")
    with pytest.raises(StoreRefusedError, match="is there already"):
        run(store, new)
    assert new.read_bytes() == b"mine"

    new.unlink()
    new.with_name("jobs.db-wal").write_bytes(b"of another")
    with pytest.raises(StoreRefusedError, match="-wal: is there already"):
        run(store, new)


def test_a_store_in_use_is_refused_by_name_and_read_all_the_same_with_live(store, new):
    with held(store, "PRAGMA journal_mode=WAL", "DELETE FROM jobs WHERE rowid=2") as pid:
        with pytest.raises(StoreRefusedError, match=f"pid {pid} .*--live"):
            run(store, new)
        assert not list(new.parent.iterdir())
        was = [path.read_bytes() for path in (store, store.with_name("jobs.db-wal"))]

        done = run(store, new, is_live=True)

        assert [path.read_bytes() for path in (store, store.with_name("jobs.db-wal"))] == was

        assert 2 not in rows_of(new)
        assert done.jobs == len(rows_of(store))


@pytest.mark.parametrize(
    ("kind", "is_readable"), [("zeroed_leaf", True), ("destroyed_root", True), ("zeroed_first_page", False)]
)
def test_a_damaged_store_in_use_is_read_as_far_as_sqlite_opens_it(store, new, kind, is_readable):
    with held(store, "PRAGMA journal_mode=WAL", "UPDATE jobs SET user='late' WHERE rowid=2"):
        it = damage.Damaged(store, random.Random(1))  # noqa: S311 - repeatable on purpose
        damage.PAGES[kind](it)
        with store.open("r+b") as file:
            file.write(it.data)
        if is_readable:
            run(store, new, is_live=True)
        else:
            with pytest.raises(StoreDamagedError, match="without --live"):
                run(store, new, is_live=True)

    assert new.exists() == is_readable
    assert not is_readable or rows_of(new)[2][13] == "late"


def test_a_store_that_is_written_while_it_is_copied_is_refused(store, tmp_path):
    def write(_done, _total):
        with store.open("r+b") as file:
            file.write(b"SQLite")

    with pytest.raises(StoreBusyError, match="was written while"):
        copy_store(store, tmp_path / "copy", keep_on=lambda: None, progress=write)


@pytest.mark.parametrize("at", [0, 5 * damage.PAGE, 40 * damage.PAGE + 512])
def test_sectors_that_the_disk_does_not_give_cost_no_others(store, new, monkeypatch, at):
    pread, before = os.pread, rows_of(store)

    def failing(descriptor, size, offset):
        if offset < at + 1024 and at < offset + size:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(descriptor, size, offset)

    with monkeypatch.context() as disk:
        disk.setattr("hyperjobs.maintenance.salvage.copy.os.pread", failing)
        copied = copy_store(store, new.with_name("copy"), keep_on=lambda: None, progress=lambda _done, _all: None)
    expected = bytearray(store.read_bytes())
    expected[at : at + 1024] = bytes(1024)

    assert copied.unreadable == 1024
    assert new.with_name("copy").read_bytes() == expected
    run(new.with_name("copy"), new)
    assert {rowid: row for rowid, row in rows_of(new).items() if before[rowid] != row} == {}
    assert len(rows_of(new)) > 0.9 * len(before)


_CRASH = """
import apsw, os, sys
db = apsw.Connection(sys.argv[1])
db.execute("PRAGMA journal_mode=" + sys.argv[2]).fetchall()
db.execute("PRAGMA cache_size=5").fetchall()
for sql in sys.argv[3:]:
    db.execute(sql).fetchall()
os.kill(os.getpid(), 9)
"""


def crash(store, mode, *statements):
    done = subprocess.run([sys.executable, "-c", _CRASH, store, mode, *statements], check=False, timeout=DEADLINE_S)
    assert done.returncode == -signal.SIGKILL


def test_what_only_a_hot_wal_holds_is_saved_and_the_wal_stays_as_it_was(store, new):
    crash(store, "WAL", "DELETE FROM jobs WHERE rowid=5", "UPDATE jobs SET user='late' WHERE rowid=6")
    spoiltless = store.with_name("jobs.db-wal").stat().st_size
    assert spoiltless
    zero(store, leaf_of(store, 650))
    was = state(store.parent)

    run(store, new)

    got = rows_of(new)
    assert 5 not in got
    assert got[6][13] == "late"
    assert state(store.parent) == was


def test_a_transaction_that_a_crash_cut_short_is_undone_by_its_journal(store, new):
    before = rows_of(store)
    crash(store, "DELETE", "BEGIN", "UPDATE jobs SET name='half done',error='x'", "DELETE FROM jobs WHERE rowid>50")
    assert store.with_name("jobs.db-journal").stat().st_size
    was = state(store.parent)

    run(store, new)

    assert rows_of(new) == before
    assert state(store.parent) == was


def test_transactions_behind_a_damaged_place_of_the_wal_are_counted(store, new):
    updates = [f"UPDATE jobs SET user='late-{number}' WHERE rowid={number}" for number in range(20, 40)]  # noqa: S608 - ours
    crash(store, "WAL", *updates)
    whole = run(store, new.with_name("whole.db"))
    wal = store.with_name("jobs.db-wal")
    data = bytearray(wal.read_bytes())
    frames = (len(data) - 32) // (24 + damage.PAGE)
    data[32 + frames // 2 * (24 + damage.PAGE) + 200] ^= 1
    wal.write_bytes(data)

    done = run(store, new)

    assert (whole.journal, whole.is_whole) == ("", True)
    late = sum(row[13].startswith("late-") for row in rows_of(new).values())
    lost = sum(row[13].startswith("late-") for row in rows_of(new.with_name("whole.db")).values()) - late
    assert 0 < lost < 20
    assert f"{lost} transactions" in done.journal
    assert not done.is_whole


@pytest.mark.parametrize("what", ["a whole transaction", "one that was not finished", "an earlier use of the file"])
def test_a_wal_that_a_crash_left_is_not_called_damaged(store, new, what):
    more = {
        "a whole transaction": [],
        "one that was not finished": ["BEGIN", "UPDATE jobs SET name=name||'!'"],
        "an earlier use of the file": ["PRAGMA wal_checkpoint(RESTART)", "UPDATE jobs SET user='last' WHERE rowid=6"],
    }
    crash(store, "WAL", "UPDATE jobs SET user='late'", *more[what])

    assert run(store, new).journal == ""


@pytest.mark.parametrize("kind", ["zeroed_header", "zeroed_first_page", "destroyed_schema", "truncated"])
@pytest.mark.parametrize("is_in_wal", [False, True])
def test_a_wal_is_taken_into_a_file_that_sqlite_no_longer_opens(store, new, kind, is_in_wal):
    change(store, "PRAGMA journal_mode=WAL")
    schema = ["PRAGMA user_version=3"] if is_in_wal else []  # which writes the first page
    crash(store, "WAL", *schema, "UPDATE jobs SET user='late' WHERE rowid<60")
    late = {row[0] for row in rows_of(copy_of(store)).values() if row[13] == "late"}
    it = damage.Damaged(store, random.Random(3))  # noqa: S311 - repeatable on purpose
    damage.PAGES[kind](it)
    store.write_bytes(it.data)

    done = run(store, new)

    assert done.journal == ""
    assert {row[0] for row in rows_of(new).values() if row[13] == "late"} == late


def copy_of(store):
    """The same store elsewhere, with its -wal, to be looked at."""
    folder = store.parent / "elsewhere"
    folder.mkdir(exist_ok=True)
    shutil.copy(store.with_name("jobs.db-wal"), folder)
    return Path(shutil.copy(store, folder))


def test_without_its_wal_a_store_gives_what_its_file_holds(store, new):
    crash(store, "WAL", "UPDATE jobs SET user='late'")
    before = rows_of_file(store)
    store.with_name("jobs.db-wal").unlink()

    run(store, new)

    assert rows_of(new) == before


def rows_of_file(store):
    copy = shutil.copy(store, store.with_name("alone.db"))
    return rows_of(Path(copy))


class TestFilling:
    """Holes are filled with what was lost, and with nothing else."""

    @pytest.fixture
    def backups(self, tmp_path):
        return BackupDirectory(tmp_path / "backups")

    def test_lost_rows_come_from_the_newest_backup_that_has_them(self, store, new, backups):
        take(store, backups, at=START - timedelta(days=2))
        name = take(store, backups, at=START - timedelta(days=1), compression="zstd")
        before = rows_of(store)
        zero(store, leaf_of(store, 650), leaf_of(store, 300))

        done = run(store, new, places=Places(backups=backups.path))

        assert rows_of(new) == before
        (taken,) = done.filled.taken
        assert (taken.source.name, taken.jobs) == (str(name), len(done.filled.rows))
        assert (taken.behind, taken.unvouched, done.lost) == (0, 0, {})
        assert done.filled_jobs == done.ranges[0].saved + done.ranges[1].saved
        assert done.is_whole

    def test_an_old_row_never_replaces_one_that_can_be_read(self, store, new, backups):
        take(store, backups)
        change(store, "UPDATE jobs SET user='newer'")
        zero(store, leaf_of(store, 650))

        done = run(store, new, places=Places(backups=backups.path))

        users = {rowid: row[13] for rowid, row in rows_of(new).items()}
        assert {users[rowid] for rowid in users if rowid not in done.filled.rows} == {"newer"}
        assert {users[rowid] for rowid in done.filled.rows} != {"newer"}
        assert done.filled.taken[0].behind == len(done.filled.rows)
        assert not done.is_whole

    def test_a_job_that_was_deleted_since_does_not_come_back(self, store, new, backups):
        take(store, backups)
        change(store, "DELETE FROM jobs WHERE rowid IN (649,650,651) OR rowid%7=0")
        before = rows_of(store)
        page = leaf_of(store, min(rowid for rowid in before if rowid > 640))
        zero(store, page)

        done = run(store, new, places=Places(backups=backups.path))

        assert rows_of(new).keys() == before.keys()
        assert done.is_whole

    def test_where_no_index_can_say_what_was_there_rows_of_the_lost_range_come_and_are_counted(
        self, store, new, backups
    ):
        take(store, backups)
        before = rows_of(store)
        zero(store, leaf_of(store, 650), *damage.pages_of_ids(store))

        done = run(store, new, places=Places(backups=backups.path))

        assert rows_of(new) == before
        assert done.filled.taken[0].unvouched == done.filled_jobs > 0
        assert not done.is_whole

    def test_even_then_a_job_that_a_prune_deleted_does_not_come_back(self, tmp_path, new, backups):
        pruned = Pruned(tmp_path)
        old = pruned.add(30)
        young = pruned.add(30, days=3)
        take(pruned.store, backups, at=START - timedelta(hours=1))
        pruned.prune()
        settle(pruned.store)
        zero(pruned.store, leaf_of(pruned.store, 35), *damage.pages_of_ids(pruned.store))
        places = Places(backups=backups.path, archives=pruned.directory.path)

        run(pruned.store, new, places=places)

        assert {row[0] for row in rows_of(new).values()} == set(young)
        assert set(old)  # they are in the backup

    def test_a_job_that_came_back_from_an_archive_is_filled_from_it(self, tmp_path, new):
        pruned = Pruned(tmp_path)
        ids = pruned.add(40)
        pruned.prune()
        pruned.undo()
        settle(pruned.store)
        zero(pruned.store, leaf_of(pruned.store, 10))

        done = run(pruned.store, new, places=Places(archives=pruned.directory.path))

        assert {row[0] for row in rows_of(new).values()} == set(ids)
        assert [taken.source.kind for taken in done.filled.taken] == ["archive"]

    def test_a_second_destination_is_asked_when_there_is_nothing_here(self, store, new, backups, tmp_path):
        take(store, backups)
        far = tmp_path / "nas"
        shutil.copytree(backups.path, far)
        before = rows_of(store)
        zero(store, leaf_of(store, 650))

        done = run(store, new, places=Places(destinations=[DestinationSettings(name="nas", directory=far)]))

        assert rows_of(new) == before
        assert done.filled.taken[0].source.place == "nas"

    def test_a_damaged_backup_gives_nothing_and_an_older_one_does(self, store, new, backups):
        take(store, backups, at=START - timedelta(days=2))
        name = take(store, backups, at=START - timedelta(days=1))
        before = rows_of(store)
        with (backups.path / str(name)).open("r+b") as file:
            file.seek(9000)
            file.write(b"\0" * 64)
        zero(store, leaf_of(store, 650))

        done = run(store, new, places=Places(backups=backups.path))

        assert rows_of(new) == before
        assert len(done.filled.troubles) == 1
        assert "sha256" in done.filled.troubles[0]

    def test_a_row_in_doubt_is_certain_when_a_backup_has_it_to_the_bit(self, store, new, backups):
        change(store, "UPDATE jobs SET error='a'||char(0)||'b' WHERE rowid=6")
        take(store, backups)
        before = rows_of(store)

        alone = run(store, new)
        with_backup = run(store, new.with_name("two.db"), places=Places(backups=backups.path))

        assert [hole.rowid for hole in alone.doubtful.values()] == [6]
        assert rows_of(new).keys() == before.keys() - {6}
        assert (with_backup.doubtful, with_backup.filled.taken[0].confirmed) == ({}, 1)
        assert rows_of(new.with_name("two.db")) == before

    def test_a_row_in_doubt_is_put_in_when_that_is_asked_for(self, store, new):
        change(store, "UPDATE jobs SET error='a'||char(0)||'b' WHERE rowid=6")

        done = run(store, new, with_doubtful=True)

        assert rows_of(new) == rows_of(store)
        assert (done.included, done.is_whole) == (1, False)


def change(store, *statements):
    db = apsw.Connection(str(store))
    for sql in statements:
        db.execute(sql).fetchall()
    db.close()


def settle(store):
    """Let the file be all there is."""
    change(store, "PRAGMA journal_mode=DELETE")


class TestLedger:
    """The ledger goes along, with gauges that are right and counters that never fall."""

    @pytest.fixture
    def kept(self, store, tmp_path):
        kept = Kept(store, tmp_path / "state")
        kept.turn()
        chance = random.Random(9)  # noqa: S311 - repeatable on purpose
        db = apsw.Connection(str(store))
        db.executemany(
            f"INSERT INTO jobs VALUES({','.join('?' * 16)})",
            [job(number, chance, id=f"late-{number}", status="completed") for number in range(2000, 2060)],
        )
        db.close()
        kept.turn()
        connection = Connection(store)
        pin(connection, "late-2001", now=START, reason="kept", by="me")
        connection.close()
        yield kept
        kept.stop()

    def test_its_sums_and_pins_are_kept_and_its_gauges_are_those_of_the_new_store(self, kept, store, new, tmp_path):
        totals = dict(kept.view().rollup.totals)
        kept.keeper.close()
        settle(store)
        zero(store, leaf_of(store, 650))

        done = run(store, new)

        assert done.others.ledger == "kept"
        after = Kept(new, tmp_path / "state-2")
        after.turn()
        view = after.view()
        assert view.is_whole
        assert sum(view.rollup.gauges.values()) == done.jobs < len(rows_of_ids(done))
        assert all(view.rollup.totals[key] >= value for key, value in totals.items())
        after.stop()
        assert rows(new, "SELECT job_id,reason FROM hyperjobs_pin") == [("late-2001", "kept")]
        assert rows(new, "SELECT count(*) FROM hyperjobs_history WHERE job_id='late-2001'") == [(1,)]

    def test_counters_shown_do_not_fall_when_the_new_store_takes_the_place(self, kept, store, new):
        kept.turn()
        shown = kept.exported()
        kept.keeper.close()
        settle(store)
        zero(store, leaf_of(store, 650))
        run(store, new)
        new.replace(store)

        kept.turn()
        after = kept.exported()

        assert all(after[key] >= value for key, value in shown.items())

    def test_a_ledger_that_is_damaged_itself_begins_anew(self, kept, store, new):
        kept.keeper.close()
        settle(store)
        ((root,),) = rows(store, "SELECT rootpage FROM sqlite_schema WHERE name='hyperjobs_total'")
        zero(store, root)

        done = run(store, new)

        assert done.others.ledger == "anew"
        assert rows_of(new) != {}
        connection = Connection(new, read_only=True)
        assert connection.read(read_meta)["state"] == "ready"
        connection.close()
        assert rows(new, "SELECT sum(jobs) FROM hyperjobs_gauge") == [(done.jobs,)]
        assert rows(new, "SELECT job_id FROM hyperjobs_pin") == [("late-2001",)]

    def test_a_store_without_a_ledger_gets_none(self, store, new):
        done = run(store, new)

        assert done.others.ledger == "none"
        assert rows(new, "SELECT name FROM sqlite_schema WHERE name LIKE 'hyperjobs%'") == []


def rows(path, sql):
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def rows_of_ids(done):
    """What there would be without a loss."""
    return range(done.jobs + len(done.lost) + len(done.doubtful))


def test_a_foreign_trigger_is_left_out_and_named(store, new):
    change(
        store,
        "CREATE TABLE notes(what)",
        "INSERT INTO notes VALUES('kept')",
        "CREATE TRIGGER mine AFTER DELETE ON jobs BEGIN INSERT INTO notes VALUES(OLD.id); END",
    )

    done = run(store, new)

    assert done.others.left_out == ("mine",)
    assert rows(new, "SELECT what FROM notes") == [("kept",)]
    assert rows(new, "SELECT name FROM sqlite_schema WHERE type='trigger'") == []


def test_an_index_that_the_rows_do_not_allow_is_left_out_and_named(store, new):
    change(store, "CREATE INDEX only_one ON jobs(vm_path)", *schema_change("only_one"))

    done = run(store, new)

    assert done.others.left_out == ("only_one",)
    assert rows_of(new).keys() == rows_of(store).keys()


def schema_change(name):
    """Make an index a unique one by its text alone, as a bit that fell over could."""
    sql = f"UPDATE sqlite_schema SET sql=replace(sql,'CREATE INDEX','CREATE UNIQUE INDEX') WHERE name='{name}'"  # noqa: S608 - ours
    return ["PRAGMA writable_schema=ON", sql, "PRAGMA writable_schema=OFF"]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE jobs AS WITH RECURSIVE t(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM t) SELECT a FROM t",
        "CREATE VIEW jobs AS SELECT 1",
        "CREATE TABLE jobs(id DEFAULT (1/0",
        "CREATE TABLE other(id)",
    ],
)
def test_no_statement_of_a_damaged_schema_is_run_but_for_plain_tables(store, new, sql):
    before = rows_of(store)
    db = apsw.Connection(str(store))
    db.execute("PRAGMA writable_schema=ON")
    db.execute("UPDATE sqlite_schema SET sql=? WHERE name='jobs'", (sql,))
    db.close()

    run(store, new)

    assert rows_of(new) == before


def test_a_store_that_a_restore_kept_is_filled_from_the_backups_of_the_one_it_was(store, new, tmp_path):
    backups = BackupDirectory(tmp_path / "backups")
    take(store, backups)
    before = rows_of(store)
    kept = store.rename(store.with_name("jobs.db.before-restore-20260910T150000Z"))
    zero(kept, leaf_of(kept, 650))

    done = run(kept, new, places=Places(backups=backups.path), origin=origin_of(kept))

    assert done.origin == store
    assert rows_of(new) == before


@pytest.mark.parametrize(
    "name", ["jobs.db", "jobs.db.before-restore-", "jobs.db.before-restore-2026", ".before-restore-20260910T150000Z"]
)
def test_no_other_name_is_that_of_a_kept_store(name, tmp_path):
    assert origin_of(tmp_path / name) is None


def test_a_dry_run_says_the_same_and_leaves_nothing(store, new):
    spoil(store, damage.zeroed_leaf)
    was = state(store.parent)

    foreseen = run(store, new, turn=make_turn(is_dry=True))

    assert list(new.parent.iterdir()) == []
    assert state(store.parent) == was
    assert foreseen.target is None
    done = run(store, new)
    assert {**foreseen.shape(), "target": None, "seconds": 0} == {**done.shape(), "target": None, "seconds": 0}


@pytest.mark.parametrize("looks", [0, 1, 2, 3, 5, 8, 13])
def test_a_stop_at_any_moment_leaves_nothing(store, new, looks):
    with pytest.raises(StoreInterruptedError):
        run(store, new, turn=make_turn(is_stopping=stop_after(looks)))
    assert list(new.parent.iterdir()) == []


_VICTIM = """
import sys
from pathlib import Path
from hyperjobs.clock import SystemClock
from hyperjobs.maintenance.salvage.salvage import Wish, salvage
from hyperjobs.maintenance.salvage.sources import Places
from hyperjobs.maintenance.task import Turn
from hyperjobs.store.ledger.options import LedgerOptions
clock = SystemClock()
looks = [int(sys.argv[3])]
def look():
    looks[0] -= 1
    if not looks[0]:
        print("now", flush=True)
        sys.stdin.read()
    return False
wish = Wish(places=Places(), ledger=LedgerOptions())
salvage(Path(sys.argv[1]), Path(sys.argv[2]), wish, Turn(now=clock.now(), clock=clock, is_stopping=look))
print("done", flush=True)
"""


@pytest.mark.parametrize("looks", [1, 4, 8, 12])
def test_a_killed_salvage_leaves_nothing_that_looks_finished_and_the_next_clears_up(store, new, looks):
    victim = subprocess.Popen(
        [sys.executable, "-c", _VICTIM, store, new, str(looks)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert victim.stdout is not None
    assert victim.stdout.readline() == "now\n"
    victim.kill()
    victim.communicate(timeout=DEADLINE_S)
    assert not new.exists()
    assert all(path.name.startswith(".") for path in new.parent.iterdir())

    run(store, new)

    assert list(new.parent.iterdir()) == [new]
    assert rows_of(new) == rows_of(store)


def test_what_never_was_a_store_is_told_from_what_is_damaged(store, new, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("no database " * 5000)
    with pytest.raises(NotAJobStoreError, match="is the path right"):
        run(text, new)
    empty = tmp_path / "empty.db"
    empty.touch()
    with pytest.raises(NotAJobStoreError, match="empty"):
        run(empty, new)
    data = store.read_bytes()
    store.write_bytes(data[:4096] + bytes(len(data) - 4096))
    with pytest.raises(StoreDamagedError, match="hyperjobs restore"):
        run(store, new)
    assert list(new.parent.iterdir()) == []


def test_the_store_of_hypersdks_daemon_is_refused(tmp_path, new):
    path = tmp_path / "daemon.db"
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE jobs(id TEXT PRIMARY KEY,name TEXT,definition_json TEXT)")
    db.execute("INSERT INTO jobs VALUES('a','b','{}')")
    db.close()

    with pytest.raises(StoreRefusedError, match="not that of hypersdk's own client"):
        run(path, new)


def test_without_room_for_the_copy_nothing_is_begun(store, small_disk_folder):
    with pytest.raises(StoreFullError, match="needs"):
        run(store, small_disk_folder / "jobs.db")
    assert list(small_disk_folder.iterdir()) == []


@pytest.fixture
def small_disk_folder(tmp_path):
    (tmp_path / "small").mkdir()
    with small_disk(tmp_path / "small", 17 * 1024 * 1024) as folder:
        yield folder


def test_two_jobs_of_one_id_are_told_apart_by_the_index(store, new):
    """A damaged page can hold an id that another job has; the store takes one of them."""
    before = rows_of(store)
    one, other = [rowid for rowid in before if before[rowid][0].startswith("job-")][:2]
    page, at = damage.place_of(store, one)
    data = bytearray(store.read_bytes())
    at = data.index(before[one][0].encode(), (page - 1) * damage.PAGE + at)
    data[at : at + 12] = before[other][0].encode()
    store.write_bytes(data)

    done = run(store, new)

    assert other in rows_of(new)
    assert one not in rows_of(new)
    assert [hole.rowid for hole in done.doubtful.values()] == [one]


@pytest.mark.parametrize("index", ["root lost", "lost"])
def test_two_jobs_of_one_id_cost_no_other_and_none_is_guessed(store, new, index):
    """Where all of the index of ids is gone as well, nothing says whose id it is."""
    before = rows_of(store)
    one, other = [rowid for rowid in before if before[rowid][0].startswith("job-")][:2]
    page, at = damage.place_of(store, one)
    root = rows(store, "SELECT rootpage FROM sqlite_schema WHERE name='sqlite_autoindex_jobs_1'")[0][0]
    data = bytearray(store.read_bytes())
    at = data.index(before[one][0].encode(), (page - 1) * damage.PAGE + at)
    data[at : at + 12] = before[other][0].encode()
    store.write_bytes(data)
    lost = {root}
    if index == "lost":
        with PageFile(store, Geometry(damage.PAGE, damage.PAGE)) as pages:
            pages_of(pages, root, lost := set(), is_index=True)
    zero(store, *lost)

    done = run(store, new)

    both = {one, other} if index == "lost" else {one}
    assert rows_of(new) == {rowid: cells for rowid, cells in before.items() if rowid not in both}
    assert not done.is_whole
    assert len(done.doubtful) + done.nameless == len(both)


def test_a_row_that_the_table_does_not_take_costs_no_other(store, new):
    before = rows_of(store)
    change(
        store,
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_schema SET sql=rtrim(sql,')')||', CHECK(files_count<>77))' WHERE name='jobs'",
    )
    assert any(cells[15] == 77 for cells in before.values())

    done = run(store, new)

    assert rows_of(new) == {rowid: cells for rowid, cells in before.items() if cells[15] != 77}
    assert {hole.why for hole in done.doubtful.values()} == {("the table does not take it",)}


def test_a_table_whose_beginning_is_a_guess_is_not_called_complete(store, new):
    """What looks like its root may be a leaf: nothing then leads to the others, and nobody misses them."""
    data, jobs = bytearray(store.read_bytes()), rows_of(store)
    leaf = leaf_of(store, max(jobs))
    data[damage.PAGE : 2 * damage.PAGE] = data[(leaf - 1) * damage.PAGE : leaf * damage.PAGE]
    data[: damage.PAGE] = bytes(damage.PAGE)
    data[2 * damage.PAGE :] = bytes(len(data) - 2 * damage.PAGE)
    store.write_bytes(data)

    done = run(store, new)

    assert 0 < done.jobs < len(jobs)
    assert done.notes
    assert not done.is_complete
    assert not done.is_whole


def test_an_index_that_only_its_program_can_make_costs_its_table_no_row(store, new):
    db = apsw.Connection(str(store))
    db.create_collation("theirs", lambda one, other: (one > other) - (one < other))
    db.execute(
        "CREATE TABLE notes(a); INSERT INTO notes VALUES('x'),('y'); CREATE INDEX of_notes ON notes(a COLLATE theirs)"
    )
    db.close()

    done = run(store, new)

    assert rows(new, "SELECT a FROM notes ORDER BY 1") == [("x",), ("y",)]
    assert done.others.left_out == ("of_notes",)
    assert not done.is_whole


@pytest.mark.parametrize("deletion", ["DELETE FROM notes WHERE a='c'", "DELETE FROM notes"])
def test_no_number_that_a_table_ever_gave_is_given_again(store, new, deletion):
    change(store, "CREATE TABLE notes(id INTEGER PRIMARY KEY AUTOINCREMENT,a)")
    change(store, "INSERT INTO notes(a) VALUES('a'),('b'),('c')", deletion)

    run(store, new)

    change(new, "INSERT INTO notes(a) VALUES('d')")
    assert rows(new, "SELECT id FROM notes WHERE a='d'") == [(4,)]


def test_a_lost_page_of_the_schema_costs_no_job(store, new):
    """SQLite stops there, and knows nothing of the tables behind it, whose lines can be read all the same."""
    change(store, "PRAGMA page_size=512", "VACUUM")
    before, whole = rows_of(store), store.read_bytes()
    with PageFile(store, Geometry(512, 512)) as pages:
        leaves = [leaf.node.number for leaf in walk_table(pages, 1, set()) if isinstance(leaf, Leaf)]
    assert len(leaves) > 2

    for number in leaves:
        store.write_bytes(whole[: (number - 1) * 512] + bytes(512) + whole[number * 512 :])
        done = run(store, new.with_name(f"{number}.db"))
        assert rows_of(done.target) == before
        assert not done.is_whole


def test_archives_are_found_though_the_directory_is_not_there(store, new, tmp_path):
    zero(store, leaf_of(store, 650))

    done = run(store, new, places=Places(backups=tmp_path / "none", archives=tmp_path / "none"))

    assert (done.filled.troubles, done.filled_jobs) == ([], 0)
    assert done.lost
    assert ArchiveDirectory(tmp_path / "none").names() == []
    assert replace(done, seconds=0.0).shape()["lost"] == len(done.lost)
    assert FakeClock().now() == START
