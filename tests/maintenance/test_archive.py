"""Archives of pruned jobs: proven before a row comes back, private, and never lost by a crash."""

from __future__ import annotations

import errno
import json
import os
import stat
from datetime import timedelta

import apsw
import pytest

from hyperjobs.errors import (
    ArchiveDamagedError,
    ArchiveNotFoundError,
    HyperjobsError,
    StoreFullError,
    StoreInterruptedError,
    StoreRefusedError,
)
from hyperjobs.maintenance.prune.name import ArchiveName
from hyperjobs.maintenance.prune.reading import archived_rows, manifest_of
from hyperjobs.store.batch import Batch
from hyperjobs.store.content import read_content
from hyperjobs.testing import START
from support.pruning import DAY, Pruned
from support.stores import RawText, insert


@pytest.fixture
def jobs(tmp_path):
    return Pruned(tmp_path)


def digest(jobs):
    db = apsw.Connection(str(jobs.store))
    try:
        with db:
            return read_content(db)
    finally:
        db.close()


def test_undo_gives_back_every_value_of_every_job(jobs):
    jobs.add(300)
    old = {"created_at": "2001-01-01 00:00:00+00:00", "completed_at": 978307200}
    insert(
        jobs.store,
        {"id": RawText(b"\xff\xfe"), "error": RawText(b"\xff\0\x80"), "name": "a\0b", **old},
        {"id": b"blob", "metadata": b"\0\x01", "total_size": "big", "progress": float("inf"), **old},
        {"id": "nulls", "error": None, "metadata": None, "user": None, "progress": None, "total_size": -1, **old},
        {"id": "日本 \u2028", "created_at": 1, "completed_at": b"x", "started_at": None, "files_count": 2.5},
    )
    before = digest(jobs)

    jobs.prune()
    assert digest(jobs).jobs == 0
    assert jobs.undo() == (304, 0)

    assert digest(jobs) == before
    assert jobs.undo() == (0, 304)
    assert digest(jobs) == before


def test_an_error_after_a_writer_touched_a_row_leaves_what_was_not_deleted_out_of_the_archive(jobs, monkeypatch):
    ids = set(jobs.add(800))
    real, calls = Batch.delete, []

    def delete(self, rows):
        calls.append(len(rows))
        if len(calls) == 2:
            raise StoreFullError("no room")
        db = apsw.Connection(str(jobs.store))
        db.execute("UPDATE jobs SET progress=7 WHERE rowid=?", (rows[0].rowid,))
        db.close()
        return real(self, rows)

    monkeypatch.setattr(Batch, "delete", delete)
    with pytest.raises(StoreFullError):
        jobs.prune()

    db = apsw.Connection(str(jobs.store))
    left = {job_id for (job_id,) in db.execute("SELECT id FROM jobs")}
    db.close()
    assert jobs.manifest().jobs == 800 - len(left)
    assert jobs.archived() == ids - left


def test_the_manifest_says_what_is_in_the_archive(jobs):
    ids = jobs.add(3, "completed", days=40, provider="aws") + jobs.add(1, "failed", days=50)

    report = jobs.prune()

    manifest = jobs.manifest()
    assert manifest.run == report.detail["archive"] == "jobs-20260121T100000Z-0001"
    assert (manifest.state, manifest.jobs) == ("complete", 4)
    assert manifest.by == {"completed": {"aws": 3}, "failed": {"vsphere": 1}}
    assert manifest.oldest == (START - 50 * DAY).isoformat()
    assert manifest.newest == (START - 40 * DAY + timedelta(seconds=2)).isoformat()
    assert manifest.cutoffs["failed"] == (START - 30 * DAY).isoformat()
    assert manifest.bytes == (jobs.directory.path / f"{manifest.run}.jsonl.zst").stat().st_size
    assert jobs.archived() == set(ids)


def test_everything_is_for_its_owner_alone_whatever_the_umask(jobs):
    jobs.add(1)
    old = os.umask(0)
    try:
        jobs.prune()
    finally:
        os.umask(old)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in jobs.directory.path.iterdir()}
    assert (stat.S_IMODE(jobs.directory.path.stat().st_mode), modes) == (0o700, {0o600})


def test_a_directory_that_others_may_write_is_refused_before_anything_is_deleted(jobs):
    jobs.add(1)
    jobs.directory.path.mkdir()
    jobs.directory.path.chmod(0o777)

    with pytest.raises(StoreRefusedError, match="chmod 0700"):
        jobs.prune()

    assert len(jobs.ids()) == 1


def test_a_link_in_the_archives_place_is_not_followed(jobs, tmp_path):
    jobs.add(1)
    jobs.directory.prepare()
    target = tmp_path / "precious"
    target.write_text("precious")
    (jobs.directory.path / "jobs-20260121T100000Z-0001.jsonl.zst").symlink_to(target)

    with pytest.raises(HyperjobsError, match="cannot be written"):
        jobs.prune()

    assert target.read_text() == "precious"
    assert len(jobs.ids()) == 1


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _set(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    "harm",
    [
        lambda data, _: _flip(data),
        lambda data, _: os.truncate(data, data.stat().st_size - 10),
        lambda data, _: os.truncate(data, 0),
        lambda _, manifest: _set(manifest, sha256="0" * 64),
        lambda _, manifest: _set(manifest, bytes=7),
        lambda _, manifest: _set(manifest, run="jobs-20260121T100000Z-0009"),
        lambda _, manifest: _set(manifest, jobs="many"),
        lambda _, manifest: manifest.write_text("{}"),
    ],
)
def test_a_damaged_archive_brings_nothing_back(jobs, harm):
    jobs.add(600)
    jobs.prune()
    name = jobs.directory.find("latest")
    harm(jobs.directory.path / name.data, jobs.directory.path / name.manifest)

    with pytest.raises(ArchiveDamagedError):
        jobs.undo()

    assert jobs.ids() == set()


def test_an_undo_that_is_stopped_goes_on_the_next_time(jobs):
    jobs.add(600)
    jobs.prune()
    asked = iter([False, False, True])

    with pytest.raises(StoreInterruptedError, match="500 of 600"):
        jobs.undo(turn=jobs.turn(wait=lambda _seconds: next(asked), is_stopping=lambda: len(jobs.ids()) >= 500))

    assert jobs.undo() == (100, 500)


def test_a_dry_undo_counts_and_changes_nothing(jobs):
    ids = jobs.add(3)
    jobs.prune()
    jobs.sql(f"INSERT INTO jobs SELECT '{ids[0]}',1,1,1,1,1,'pending',1,1,1,1,1,1,1,1,1")

    assert jobs.undo(turn=jobs.turn(is_dry=True)) == (2, 1)
    assert jobs.ids() == {ids[0]}


def test_the_archive_of_another_store_is_refused_unless_it_is_meant(jobs, tmp_path):
    jobs.add(3)
    jobs.prune()
    jobs.store.rename(tmp_path / "moved.db")
    jobs.store = tmp_path / "moved.db"

    with pytest.raises(StoreRefusedError, match="--any-store") as caught:
        jobs.undo()

    assert caught.value.reason == "other_store"
    assert jobs.undo(any_store=True) == (3, 0)


def test_a_run_that_left_no_archive_is_not_found(jobs):
    with pytest.raises(ArchiveNotFoundError, match="prune list"):
        jobs.undo()
    jobs.add(1)
    jobs.prune()
    with pytest.raises(ArchiveNotFoundError):
        jobs.undo("../../etc/passwd")


# Expiry -------------------------------------------------------------------------------------------------------------


def test_archives_past_their_time_go_and_nothing_else(jobs):
    jobs.add(1)
    jobs.prune()
    first = jobs.directory.find("latest")
    folder = jobs.directory.path
    foreign = folder / "notes.txt"
    foreign.write_text("mine")
    strange = folder / "jobs-20200101T000000Z-0002.jsonl.zst"
    strange.write_bytes(b"no archive of ours")
    other = folder / "other-20200101T000000Z-0003"
    (folder / f"{other.name}.jsonl.zst").write_bytes(b"")
    (folder / f"{other.name}.manifest.json").write_text((folder / first.manifest).read_text())
    jobs.clock.advance(90 * DAY)

    assert jobs.prune().detail["unreadable_archives"] == [
        "jobs-20200101T000000Z-0002",
        "other-20200101T000000Z-0003",
    ]
    assert (folder / first.data).exists()
    jobs.clock.advance(timedelta(seconds=1))
    assert jobs.prune().detail["expired_archives"] == [str(first)]

    assert sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) == [
        strange.name,
        foreign.name,
        f"{other.name}.jsonl.zst",
        f"{other.name}.manifest.json",
    ]


@pytest.mark.parametrize(("error", "kind"), [(errno.ENOSPC, StoreFullError), (errno.EIO, HyperjobsError)])
@pytest.mark.parametrize("frame", [0, 1, 2])
def test_a_write_that_fails_deletes_nothing_that_is_not_in_the_archive(jobs, monkeypatch, error, kind, frame):
    ids = jobs.add(1400)
    synced = []

    def fdatasync(descriptor):
        if len(synced) == frame:
            raise OSError(error, os.strerror(error))
        synced.append(descriptor)

    partly = []
    monkeypatch.setattr("hyperjobs.maintenance.prune.frame.os.fdatasync", fdatasync)
    with pytest.raises(kind, match="cannot be written"):
        jobs.prune(turn=jobs.turn(partly=partly.append))
    monkeypatch.undo()

    gone = 1200 * max(frame - 1, 0)  # the first frame says what the archive is
    assert len(jobs.ids()) == 1400 - gone
    assert partly[0].detail["pruned_jobs"] == gone
    assert jobs.prune().detail["pruned_jobs"] == 1400 - gone
    for name in jobs.directory.names():
        jobs.undo(str(name))
    assert jobs.ids() == set(ids)


# Killed prunes ------------------------------------------------------------------------------------------------------


def killed(jobs, *, torn=b""):
    """As a kill leaves it: rows without a manifest, and what was not yet a whole frame."""
    name = jobs.directory.find("latest")
    (jobs.directory.path / name.manifest).unlink()
    with (jobs.directory.path / name.data).open("ab") as file:
        file.write(torn)
    return name


@pytest.mark.parametrize("torn", [b"", b"\x28\xb5\x2f\xfd\x24", bytes(4096)])
def test_undo_uses_the_archive_of_a_prune_that_was_killed(jobs, torn):
    ids = jobs.add(600)
    jobs.prune()
    killed(jobs, torn=torn)

    assert jobs.undo(turn=jobs.turn(is_dry=True)) == (600, 0)
    assert jobs.undo() == (600, 0)
    assert jobs.ids() == set(ids)
    assert (jobs.manifest().state, jobs.manifest().jobs) == ("recovered", 600)


def test_the_next_prune_completes_the_archive_of_a_killed_one_and_knows_what_was_not_deleted(jobs):
    ids = jobs.add(300)
    jobs.prune()
    name = killed(jobs, torn=b"torn")
    rows = list(archived_rows(jobs.directory.path / name.data, _recovered(jobs, name)))
    assert len(rows) == 300
    killed(jobs)
    # the kill came before the last batch was deleted: those rows are still there, and change afterwards
    last = ids[250:]
    jobs.undo()
    killed(jobs)
    jobs.sql(f"DELETE FROM jobs WHERE id<'{last[0]}'", "UPDATE jobs SET error='newer'")  # noqa: S608 - ours

    report = jobs.prune()

    assert report.detail["recovered_archives"] == [str(name)]
    assert jobs.manifest(str(name)).jobs == 250
    assert jobs.archived(str(name)) == set(ids[:250])
    assert jobs.archived() == set(last)
    assert jobs.undo(str(name)) == (250, 0)
    assert jobs.undo() == (50, 0)
    assert digest(jobs).jobs == 300


def _recovered(jobs, name):
    assert jobs.undo(turn=jobs.turn(is_dry=True)) == (300, 0)
    assert manifest_of(jobs.directory, name) is None
    jobs.undo()
    jobs.sql("DELETE FROM jobs")
    return manifest_of(jobs.directory, name)


def test_the_archive_of_a_killed_prune_of_another_store_is_left_to_that_one(jobs, tmp_path):
    jobs.add(1)
    jobs.prune()
    name = killed(jobs)
    (tmp_path / "second").mkdir()
    second = Pruned(tmp_path / "second")
    second.directory = jobs.directory
    second.add(1)

    assert "recovered_archives" not in second.prune().detail
    assert manifest_of(jobs.directory, name) is None
    assert jobs.prune().detail["recovered_archives"] == [str(name)]


@pytest.mark.parametrize(
    "name", ["jobs-20260121T100000Z-1", "jobs-20261321T100000Z-0001", "x", "jobs-20260121T100000Z-0001.db"]
)
def test_a_name_of_another_kind_is_none_of_ours(name):
    assert ArchiveName.parse(name) is None


def test_an_archive_that_a_kill_left_empty_is_cleared_away(jobs):
    jobs.directory.prepare()
    (jobs.directory.path / "jobs-20260120T100000Z-0001.jsonl.zst").touch()
    jobs.add(1)

    report = jobs.prune()

    assert report.detail["archive"] == "jobs-20260121T100000Z-0001"
    assert [str(name) for name in jobs.directory.names()] == [report.detail["archive"]]


def test_names_are_read_back_from_the_run_and_from_both_files():
    name = ArchiveName(7, START, "a-b.c")

    assert {ArchiveName.parse(text) for text in (str(name), name.data, name.manifest)} == {name}
