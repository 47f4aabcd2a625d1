"""``hyperjobs salvage`` as a person meets it, and ``restore --file``, which puts the new store in place."""

from __future__ import annotations

import hashlib
import json
import random

import apsw
import pytest

from support import damage
from support.holders import held
from support.lived import lived_in, rows_of


@pytest.fixture
def hj(bare):
    lived_in(bare.store, 600)
    return bare.in_its_place()


def spoil(hj, *works, seed=1):
    it = damage.Damaged(hj.store, random.Random(seed))  # noqa: S311 - repeatable on purpose
    for work in works:
        work(it)
    hj.store.write_bytes(it.data)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_store_with_a_lost_page_is_salvaged_and_what_is_lost_is_said(hj):
    before = rows_of(hj.store)
    spoil(hj, damage.zeroed_leaf)
    was = digest(hj.store)

    done = hj.run("salvage", "--to", "new.db")

    new = hj.home / "new.db"
    lost = [before[rowid][0] for rowid in before.keys() - rows_of(new).keys()]
    assert (done.returncode, done.stderr) == (3, "")
    head, title, row, listed, *_, last = done.stdout.splitlines()
    assert f"{len(before) - len(lost):,} jobs read, {len(lost)} lost; {new}: a new store" in head
    assert title.split()[:2] == ["ROWIDS", "PAGES"]
    assert "not a page of this tree" in row
    assert listed.startswith("lost: ")
    assert all(job_id in lost for job_id in listed.removeprefix("lost: ").partition(" and ")[0].split(", "))
    assert last.startswith(f"next: hyperjobs restore --file {new} ")
    assert digest(hj.store) == was
    assert "salvage\tok" in hj.run("runs").stdout


def test_with_a_backup_nothing_is_lost_and_the_new_store_takes_the_old_ones_place(hj):
    before = rows_of(hj.store)
    assert hj.run("backup", "create").returncode == 0
    spoil(hj, damage.zeroed_leaf)
    damaged = digest(hj.store)

    done = hj.run("salvage", "--to", "new.db", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert (said["done"], said["whole"], said["lost"]) == (True, True, 0)
    assert [source["jobs"] for source in said["sources"]] == [said["filled"]]
    assert rows_of(hj.home / "new.db") == before

    without = hj.run("salvage", "--no-fill", "--dry-run", "--json")
    assert without.returncode == 3
    assert json.loads(without.stdout)["lost"] == said["filled"]

    plan = hj.run("restore", "--file", "new.db", "--dry-run")
    assert (plan.returncode, digest(hj.store)) == (0, damaged)
    put = hj.run("restore", "--file", "new.db", "--yes", "--json")
    assert put.returncode == 0
    kept = json.loads(put.stdout)
    assert (kept["how"], kept["backup"], kept["file"]) == ("swap", None, str(hj.home / "new.db"))
    assert rows_of(hj.store) == before
    assert digest(hj.store.with_name(kept["kept"].rpartition("/")[2])) == damaged


def test_the_shape_of_the_json_is_that_of_the_docs(hj):
    spoil(hj, damage.zeroed_leaf)

    said = json.loads(hj.run("salvage", "--dry-run", "--json").stdout)

    assert list(said) == [
        "done",
        "store",
        "target",
        "jobs",
        "read",
        "filled",
        "lost",
        "doubtful",
        "doubtful_included",
        "complete",
        "whole",
        "ranges",
        "lost_jobs",
        "doubtful_jobs",
        "sources",
        "troubles",
        "tables",
        "left_out",
        "ledger",
        "damaged_indexes",
        "healed_header",
        "journal",
        "notes",
        "pages",
        "copied_bytes",
        "unreadable_bytes",
        "seconds",
    ]
    (gap,) = said["ranges"]
    assert list(gap) == [
        "pages",
        "why",
        "first_rowid",
        "last_rowid",
        "saved",
        "lost",
        "created_after",
        "created_before",
    ]
    assert (gap["lost"], gap["saved"]) == (said["lost"], 0)
    assert all(gap["first_rowid"] <= job["rowid"] <= gap["last_rowid"] for job in said["lost_jobs"])
    assert not list(hj.home.glob("*.db"))


def test_a_restore_of_a_file_into_the_open_store_goes_live(hj):
    assert hj.run("salvage", "--to", "new.db").returncode == 0
    with held(hj.store, "PRAGMA journal_mode=WAL", "DELETE FROM jobs WHERE rowid<50") as pid:
        refused = hj.run("restore", "--file", "new.db", "--yes")
        assert refused.returncode == 6
        assert str(pid) in refused.stderr
        assert hj.run("restore", "--file", "new.db", "--yes", "--live").returncode == 0
    assert rows_of(hj.store) == rows_of(hj.home / "new.db")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["salvage"], 2, "--to names the new store"),
        (["salvage", "--to", "there.db"], 6, "is there already"),
        (["salvage", "--to", "no/such/new.db"], 7, "there is no directory"),
        (["salvage", "--to", "new.db", "--store", "none.db"], 7, "there is no job store"),
        (["salvage", "--to", "new.db", "--store", "there.db"], 7, "is the path right?"),
        (["restore", "--file", "none.db", "--yes"], 7, "there is no such file"),
        (["restore", "--file", "there.db", "--yes"], 6, "no usable job store"),
        (["restore", "--file", "new.db", "--at", "1h"], 2, "with no backup"),
        (["restore", "--file", "new.db", "--to", "x.db"], 2, "with no backup"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(hj, words, code, said):
    (hj.home / "there.db").write_text("no store " * 600)

    done = hj.run(*words)

    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_store_in_use_is_refused_with_the_remedy(hj):
    with held(hj.store, "PRAGMA journal_mode=WAL") as pid:
        refused = hj.run("salvage", "--to", "new.db")
        live = hj.run("salvage", "--to", "new.db", "--live")

    assert refused.returncode == 6
    assert f"pid {pid}" in refused.stderr
    assert "--live" in refused.stderr
    assert live.returncode == 0


def test_a_row_in_doubt_is_named_with_the_reason(hj):
    db = apsw.Connection(str(hj.store))
    db.execute("UPDATE jobs SET error='a'||char(0)||'b' WHERE rowid=6")
    ((job_id,),) = db.execute("SELECT id FROM jobs WHERE rowid=6")
    db.close()

    done = hj.run("salvage", "--to", "new.db")

    assert done.returncode == 3
    assert f"in doubt, left out: {job_id} (a text with a NUL, or that is no UTF-8)" in done.stdout


def test_on_a_terminal_the_work_shows_how_far_it_is(hj):
    code, shown = hj.on_terminal("salvage", "--dry-run")

    assert code == 0
    assert "reading pages" in shown
    assert "nothing lost" in shown


def emptied(hj):
    """The store is emptied beside a -wal that holds all of it."""
    db = apsw.Connection(str(hj.store))
    db.execute("PRAGMA journal_mode=WAL").fetchall()
    db.execute("PRAGMA wal_autocheckpoint=0").fetchall()
    db.execute("VACUUM")
    held = hj.store.with_name("jobs.db-wal").read_bytes()
    db.close()
    hj.store.write_bytes(b"")
    hj.store.with_name("jobs.db-wal").write_bytes(held)
    return held


def test_what_the_wal_of_an_emptied_store_holds_is_salvaged(hj):
    before = rows_of(hj.store)
    held = emptied(hj)

    looked = [
        hj.run(*words)
        for words in (("list",), ("doctor",), ("integrity",), ("backup", "create"), ("restore", "--live"))
    ]
    assert [done.returncode for done in looked] == [3, 3, 3, 3, 7]
    assert all("-wal" in done.stderr + done.stdout for done in looked[:4])
    done = hj.run("salvage", "--to", "new.db")

    assert (done.returncode, done.stderr) == (0, "")
    assert rows_of(hj.home / "new.db") == before
    put = hj.run("restore", "--file", "new.db", "--yes", "--json")
    assert put.returncode == 0
    assert rows_of(hj.store) == before
    kept = hj.store.with_name(json.loads(put.stdout)["kept"].rpartition("/")[2])
    assert kept.with_name(f"{kept.name}-wal").read_bytes() == held


def test_a_damaged_file_is_not_put_there_and_salvage_is_named(hj):
    assert hj.run("salvage", "--to", "new.db").returncode == 0
    new = hj.home / "new.db"
    spoiled = damage.Damaged(new, random.Random(1))  # noqa: S311 - repeatable on purpose
    damage.zeroed_leaf(spoiled)
    new.write_bytes(spoiled.data)
    was = digest(hj.store)

    done = hj.run("restore", "--file", "new.db", "--yes")

    assert (done.returncode, digest(hj.store)) == (6, was)
    assert f"nothing was restored: 'hyperjobs salvage --store {new}' reads it" in done.stderr


def test_a_file_that_is_no_backup_is_told_how_it_becomes_one(hj):
    assert hj.run("backup", "create").returncode == 0
    assert hj.run("salvage", "--to", "new.db").returncode == 0

    done = hj.run("diff", "new.db", "store")

    assert done.returncode == 7
    assert "new.db: is a file and no backup" in done.stderr
    assert "hyperjobs backup adopt" in done.stderr
