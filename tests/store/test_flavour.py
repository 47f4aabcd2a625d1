"""A file is recognised before it is touched, and what is no job store is left as it was."""

from __future__ import annotations

import hashlib
import os
import stat

import pytest

from hyperjobs import (
    JobFilter,
    NotAJobStoreError,
    StoreError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreRefusedError,
    open_store,
)
from hyperjobs.store.flavour import Flavour, wal_reset_safe
from hyperjobs.testing import START, make_job
from support.stores import go_store, held, insert, new_store, script, shell

DAEMON = (
    "CREATE TABLE jobs (id TEXT PRIMARY KEY, name TEXT, vm_path TEXT, output_path TEXT, status TEXT, created_at TIMESTAMP,"
    " started_at TIMESTAMP, completed_at TIMESTAMP, progress_json TEXT, result_json TEXT, error TEXT, definition_json TEXT)"
)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_store_of_the_go_client_is_recognised(tmp_path):
    with open_store(go_store(tmp_path)) as store:
        assert store.flavour is Flavour.HYPERSDK
        assert not store.is_ledger_installed
        assert store.unknown_triggers == ()


def test_a_new_store_is_laid_out_as_the_go_client_would(tmp_path):
    new_store(tmp_path).close()
    (tmp_path / "go").mkdir()
    go = go_store(tmp_path / "go")
    ours = tmp_path / "jobs.db"
    dump = "SELECT type,name,tbl_name,sql FROM sqlite_schema ORDER BY name"

    assert shell(ours, dump) == shell(go, dump)
    assert shell(ours, "SELECT version FROM schema_version").strip() == "1"
    assert shell(ours, "PRAGMA journal_mode").strip() == "wal"
    assert shell(ours, "PRAGMA auto_vacuum").strip() == "2"
    assert stat.S_IMODE(ours.stat().st_mode) & ~0o640 == 0


def test_creating_respects_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        new_store(tmp_path).close()
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "jobs.db").stat().st_mode) == 0o600


def test_create_opens_what_is_already_there(tmp_path):
    with new_store(tmp_path) as store:
        store.save_job(make_job(id="a"))
    with new_store(tmp_path) as store:
        assert store.load_job("a").id == "a"


def test_a_missing_file_is_not_created(tmp_path):
    with pytest.raises(StoreNotFoundError, match=r"jobs\.db: there is no job store"):
        open_store(tmp_path / "jobs.db")

    assert list(tmp_path.iterdir()) == []


def test_create_needs_its_directory(tmp_path):
    with pytest.raises(StoreNotFoundError, match="no directory"):
        open_store(tmp_path / "no" / "jobs.db", create=True)


def test_create_and_read_only_exclude_each_other(tmp_path):
    with pytest.raises(StoreReadOnlyError):
        open_store(tmp_path / "jobs.db", create=True, read_only=True)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"some text, long enough to be taken for a header of 100 bytes" * 3, b"\x7fELF"]
)
def test_a_file_that_is_no_database_is_refused_and_unchanged(tmp_path, content):
    path = tmp_path / "jobs.db"
    path.write_bytes(content)

    with pytest.raises(NotAJobStoreError) as caught:
        open_store(path)

    assert caught.value.reason == "not_a_store"
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["jobs.db"]


@pytest.mark.parametrize("empty", ["no byte", "no table"])
def test_an_empty_file_becomes_a_store_only_when_asked(tmp_path, empty):
    path = tmp_path / "jobs.db"
    path.touch()
    if empty == "no table":
        script(path, "PRAGMA user_version=0", "CREATE TABLE t(a)", "DROP TABLE t")
    with pytest.raises(NotAJobStoreError, match="empty"):
        open_store(path)

    with open_store(path, create=True) as store:
        store.save_job(make_job(id="a"))

        assert store.count_jobs() == 1


def test_a_directory_and_a_fifo_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")

    for path, what in ((tmp_path, "a directory"), (tmp_path / "fifo", "a FIFO")):
        with pytest.raises(NotAJobStoreError, match=what):
            open_store(path)


def test_a_file_with_two_names_is_refused(tmp_path):
    new_store(tmp_path).close()
    (tmp_path / "other.db").hardlink_to(tmp_path / "jobs.db")

    with pytest.raises(StoreRefusedError, match="2 names") as caught:
        open_store(tmp_path / "jobs.db")
    assert caught.value.reason == "hard_link"


def test_a_symbolic_link_is_followed_once(tmp_path):
    new_store(tmp_path).close()
    (tmp_path / "link").symlink_to("jobs.db")

    with open_store(tmp_path / "link") as store:
        assert store.path == (tmp_path / "jobs.db").resolve()


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["CREATE TABLE people(name)"], "no jobs table"),
        (["CREATE TABLE jobs(id TEXT PRIMARY KEY, what)"], "lacks name"),
        (["CREATE TABLE t(a)", "CREATE VIEW jobs AS SELECT a FROM t"], "a view"),
        (["CREATE VIRTUAL TABLE jobs USING fts5(id)"], "virtual"),
    ],
)
def test_a_foreign_database_is_refused_and_unchanged(tmp_path, statements, words):
    path = tmp_path / "jobs.db"
    script(path, *statements)
    before = digest(path)

    for create in (False, True):
        with pytest.raises(NotAJobStoreError, match=words) as caught:
            open_store(path, create=create)
        assert caught.value.reason == "foreign"
    assert digest(path) == before


def test_a_column_too_many_is_foreign(tmp_path):
    new_store(tmp_path).close()
    script(tmp_path / "jobs.db", "ALTER TABLE jobs ADD COLUMN extra")

    with pytest.raises(NotAJobStoreError, match="has extra besides"):
        open_store(tmp_path / "jobs.db")


def test_tables_of_others_beside_it_do_not_matter(tmp_path):
    new_store(tmp_path).close()
    script(tmp_path / "jobs.db", "CREATE TABLE _litestream_seq(id INTEGER PRIMARY KEY, seq INTEGER)")

    with open_store(tmp_path / "jobs.db") as store:
        assert store.flavour is Flavour.HYPERSDK


@pytest.mark.parametrize(("version", "is_served"), [("1", True), ("2", True), ("3", False), ("9", False)])
def test_tables_of_ours_from_a_newer_version_are_refused(tmp_path, version, is_served):
    new_store(tmp_path).close()
    script(
        tmp_path / "jobs.db",
        "CREATE TABLE hyperjobs_meta(key TEXT PRIMARY KEY, value)",
        f"INSERT INTO hyperjobs_meta VALUES('schema_version','{version}')",
    )

    if is_served:
        open_store(tmp_path / "jobs.db").close()
        return
    with pytest.raises(StoreRefusedError, match=f"schema version {version} is newer than 2") as caught:
        open_store(tmp_path / "jobs.db")
    assert caught.value.reason == "newer"


def test_strange_triggers_are_told(tmp_path):
    new_store(tmp_path).close()
    script(tmp_path / "jobs.db", "CREATE TRIGGER spy AFTER DELETE ON jobs BEGIN SELECT 1; END")

    with open_store(tmp_path / "jobs.db") as store:
        assert store.unknown_triggers == ("spy",)


def test_the_daemons_own_store_is_counted_and_never_written(tmp_path):
    path = tmp_path / "jobs.db"
    script(
        path,
        DAEMON,
        """INSERT INTO jobs(id,status,created_at,definition_json) VALUES
           ('a','completed','2026-01-21 10:00:00+00:00','{"provider":"vsphere"}'),('b','running','2026-01-22 10:00:00+00:00','oops')""",
    )

    with open_store(path) as store:
        assert store.flavour is Flavour.DAEMON
        stats = store.get_job_stats()
        assert (stats.total, stats.completed, stats.running) == (2, 1, 1)
        assert [(group.group, group.total) for group in store.get_job_stats("provider")] == [("", 1), ("vsphere", 1)]
        for call in (
            lambda: store.save_job(make_job()),
            lambda: store.save_jobs([make_job()]),
            lambda: store.update_job_status("a", "failed"),
            lambda: store.delete_job("a"),
            lambda: store.list_jobs(JobFilter()),
            lambda: store.load_job("a"),
            lambda: store.get_job_stats(since=START),
        ):
            with pytest.raises(StoreRefusedError, match="daemon's own store") as caught:
                call()
            assert caught.value.reason == "daemon_store"


def test_many_processes_may_create_the_same_store_at_once(tmp_path):
    """The loser of the race finds the store laid out, or waits for it."""
    path = tmp_path / "jobs.db"
    path.touch()
    with held(path, ["PRAGMA journal_mode=WAL", "BEGIN IMMEDIATE"]), pytest.raises(StoreError, match="locked"):
        open_store(path, create=True, busy_timeout_s=0.05)

    with open_store(path, create=True) as store:
        assert store.count_jobs() == 0


@pytest.mark.parametrize(
    ("version", "is_safe"),
    [
        ("3.6.23", True), ("3.7.0", False), ("3.40.1", False), ("3.44.5", False), ("3.44.6", True), ("3.50.6", False),
        ("3.50.7", True), ("3.51.2", False), ("3.51.3", True), ("3.52.0", False), ("3.53.0", True), ("3.54", True), ("4.0.0", True),
    ],
)  # fmt: skip
def test_versions_with_the_wal_reset_bug_are_told_from_repaired_ones(version, is_safe):
    assert wal_reset_safe(version) is is_safe


def test_a_jobs_table_without_its_indexes_is_still_served(tmp_path):
    new_store(tmp_path).close()
    script(tmp_path / "jobs.db", "DROP INDEX idx_created_at", "DROP INDEX idx_status")
    insert(tmp_path / "jobs.db", {"id": "a"}, {"id": "b", "created_at": "2026-01-22 10:00:00+00:00"})

    with open_store(tmp_path / "jobs.db") as store:
        assert [job.id for job in store.list_jobs(JobFilter(status="completed", limit=2))] == ["b", "a"]
