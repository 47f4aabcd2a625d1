"""The drill restores the newest backup for real, never touches the live store, and leaves nothing."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import signal
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import apsw
import pytest

from hyperjobs.clock import SystemClock
from hyperjobs.errors import (
    BackupDamagedError,
    BackupNotFoundError,
    StoreFullError,
    StoreInterruptedError,
    StorePermissionError,
)
from hyperjobs.maintenance import room
from hyperjobs.maintenance.backup.catalogue import newest_verified, read_catalogue
from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.name import FAILED, BackupName
from hyperjobs.maintenance.backup.proof import verify
from hyperjobs.maintenance.drill import DrillTask
from hyperjobs.maintenance.restore.staging import staged
from hyperjobs.maintenance.scratch import private_folder
from hyperjobs.store.snapshot import Pace
from hyperjobs.testing import START, FakeClock
from support import stores
from support.agents import fill
from support.ledgers import insert, make_store
from support.stores import script
from support.turns import make_turn, stop_after

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 60


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "live").mkdir()
    path = make_store(tmp_path / "live" / "jobs.db")
    db = apsw.Connection(str(path))
    for number in range(200):
        insert(db, f"job-{number}", "completed")
    db.close()
    return path


@pytest.fixture
def directory(tmp_path: Path) -> BackupDirectory:
    return BackupDirectory(tmp_path / "backups")


def back_up(store: Path, directory: BackupDirectory, compression: str = "none") -> BackupName:
    made = create_backup(store, directory, clock=FakeClock(), pace=Pace(), compression=compression)
    name = BackupName.parse(made.name)
    assert name is not None
    return name


def drill(store: Path, directory: BackupDirectory, **options) -> DrillTask:
    given = {"newest": lambda: next(reversed(directory.names()), None), "distrust": lambda _name, _said: None}
    return DrillTask(store, directory, **{**given, **options})


def newest_that_counts(store: Path, directory: BackupDirectory) -> BackupName | None:
    entry = newest_verified(read_catalogue(directory.path, store))
    return entry.name if entry is not None else None


def entries(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_the_newest_backup_is_restored_proven_and_read_and_nothing_is_left(store, directory, compression):
    back_up(store, directory)
    script(store, "DELETE FROM jobs WHERE id='job-7'")
    newest = back_up(store, directory, compression)
    before = entries(directory.path), entries(store.parent)

    report = drill(store, directory).run(make_turn())

    assert (entries(directory.path), entries(store.parent)) == before
    assert (report.detail["backup"], report.detail["jobs"]) == (str(newest), 199)
    assert report.summary.startswith(f"{newest}: 199 jobs restored, proven and read in ")
    assert set(report.detail["anomalies"].values()) == {0}


def test_the_age_of_the_data_counts_from_the_moment_of_the_snapshot(store, directory):
    back_up(store, directory)
    clock = FakeClock(START + timedelta(hours=26))

    report = drill(store, directory).run(make_turn(clock=clock))

    assert report.detail["rpo_seconds"] == 26 * 3600
    assert report.summary.endswith("its data is 26.0 h old")


def test_the_age_of_the_data_is_never_less_than_nothing(store, directory):
    back_up(store, directory)

    assert (
        drill(store, directory).run(make_turn(clock=FakeClock(START - timedelta(hours=1)))).detail["rpo_seconds"] == 0
    )


def test_the_time_it_took_is_that_until_the_store_could_be_used(store, directory):
    back_up(store, directory)

    report = drill(store, directory).run(make_turn(clock=SystemClock()))

    assert 0 < report.detail["rto_seconds"] <= report.detail["seconds"] < DEADLINE_S


def test_the_live_store_need_not_even_be_there(store, directory):
    back_up(store, directory)
    for path in store.parent.iterdir():
        path.unlink()

    assert drill(store, directory).run(make_turn()).detail["jobs"] == 200
    assert entries(store.parent) == []


def test_without_a_backup_it_fails_and_says_so(store, directory):
    with pytest.raises(BackupNotFoundError, match=r"no verified backup of .*hyperjobs backup create") as caught:
        drill(store, directory).run(make_turn())

    assert (caught.value.reason, caught.value.exit_code) == ("no_backup", 7)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_backup_that_is_damaged_fails_the_drill_counts_no_more_and_stops_the_rotation(store, directory, compression):
    older = back_up(store, directory, compression)
    name = back_up(store, directory, compression)
    file = directory.path / str(name)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    before, distrusted = entries(directory.path), []

    with pytest.raises(BackupDamagedError, match=r"; it no longer counts$") as caught:
        drill(store, directory, distrust=lambda *told: distrusted.append(told)).run(make_turn())

    assert str(caught.value).startswith(f"{file}: ")
    assert "hyperjobs-" not in str(caught.value).replace(str(directory.path), "")
    assert distrusted == [(name, str(caught.value))]
    assert entries(directory.path) == sorted([*before, f"{name}{FAILED}"])
    assert newest_that_counts(store, directory) == older


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_damage_that_only_sqlite_finds_names_the_backup_and_not_the_copy_that_is_gone(store, directory, compression):
    """As if it had been taken so: file and manifest agree, and what is in it is wrong."""
    name = back_up(store, directory, compression)
    file, manifest = directory.path / str(name), directory.path / name.manifest
    data = bytearray(file.read_bytes() if compression == "none" else gzip.decompress(file.read_bytes()))
    data[4096:8192] = bytes(range(256)) * 16
    file.write_bytes(data if compression == "none" else gzip.compress(data))
    told = {"bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | told))

    with pytest.raises(BackupDamagedError) as caught:
        drill(store, directory).run(make_turn())
    with pytest.raises(BackupDamagedError) as checked:
        verify(directory.path, name)

    assert str(caught.value) == f"{checked.value}; it no longer counts"
    assert set(re.findall(r"/[^ :;]*", str(caught.value))) == {str(file)}


def test_a_manifest_that_promises_other_jobs_fails_the_drill(store, directory):
    name = back_up(store, directory)
    manifest = directory.path / name.manifest
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"digest": "0" * 64}))

    with pytest.raises(BackupDamagedError, match="content differs"):
        drill(store, directory).run(make_turn())


def test_what_was_odd_in_the_source_is_counted_and_passes(store, directory):
    stores.insert(store, {"id": "a", "error": None}, {"id": "b", "user": stores.RawText(b"\xff")})
    back_up(store, directory)

    report = drill(store, directory).run(make_turn())

    assert {kind: rows for kind, rows in report.detail["anomalies"].items() if rows} == {"null_value": 1, "not_utf8": 1}


def test_the_store_of_the_daemon_is_drilled_too(tmp_path, directory):
    columns = "id,name,vm_path,output_path,status,created_at,started_at,completed_at,progress_json,result_json,error,definition_json"
    script(
        tmp_path / "daemon.db", f"CREATE TABLE jobs ({columns})", "INSERT INTO jobs(id,status) VALUES('a','running')"
    )
    back_up(tmp_path / "daemon.db", directory)

    assert drill(tmp_path / "daemon.db", directory).run(make_turn()).detail["jobs"] == 1


def test_a_disk_without_room_is_told_before_anything_is_written(store, directory, monkeypatch):
    back_up(store, directory)
    before = entries(directory.path)
    monkeypatch.setattr(room, "_SPARE_BYTES", 10**18)

    with pytest.raises(StoreFullError, match=r"needs .* MiB, .* MiB are free") as caught:
        drill(store, directory).run(make_turn())

    assert caught.value.exit_code == 5
    assert entries(directory.path) == before


def test_a_scratch_directory_that_is_not_there_is_told(store, directory, tmp_path):
    back_up(store, directory)

    with pytest.raises(StorePermissionError, match="no folder can be made there"):
        drill(store, directory, scratch=tmp_path / "nowhere").run(make_turn())


def test_a_dry_run_says_what_it_would_restore_and_writes_nothing(store, directory, tmp_path):
    name = back_up(store, directory)
    (tmp_path / "scratch").mkdir(mode=0o500)

    report = drill(store, directory, scratch=tmp_path / "scratch").run(make_turn(is_dry=True))

    assert str(name) in report.summary
    assert entries(tmp_path / "scratch") == []


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_stop_at_any_step_is_obeyed_and_leaves_nothing(tmp_path, directory, compression):
    """Each look at the stop is answered with yes once; what comes after the last look has been done."""
    store = make_store(tmp_path / "jobs.db")
    fill(store, 8_000)
    back_up(store, directory, compression)
    before = entries(directory.path)
    looks, stopped = 0, 0
    while True:
        try:
            drill(store, directory).run(make_turn(is_stopping=stop_after(looks)))
        except StoreInterruptedError:
            stopped += 1
            assert entries(directory.path) == before
            looks = looks + 1 if looks < 16 else looks * 2
        else:
            break

    # copied and hashed by the megabyte, SQLite asked while it checks, every chunk of the digest and of the rows
    assert stopped > 16


def test_a_restore_obeys_a_stop_too(store, directory):
    name = back_up(store, directory)
    target, before = store.parent / "new.db", entries(store.parent)

    def stop() -> None:
        raise StoreInterruptedError("stopped")

    with pytest.raises(StoreInterruptedError), staged(directory.path, name, target, stop):
        pytest.fail("it was brought out")

    assert entries(store.parent) == before


_DRILL = """
import sys
from pathlib import Path
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.drill import DrillTask
from hyperjobs.maintenance.task import Turn
from hyperjobs.testing import FakeClock
directory, clock = BackupDirectory(Path(sys.argv[2])), FakeClock()
def progress(what, done, all):
    print(done, flush=True)
    if done == int(sys.argv[3]):
        sys.stdin.read()
DrillTask(Path(sys.argv[1]), directory, newest=lambda: directory.names()[-1], distrust=print).run(
    Turn(now=clock.now(), clock=clock, progress=progress))
"""


@pytest.mark.parametrize("step", [0, 1, 2])
def test_the_scratch_of_a_killed_drill_goes_with_the_next_and_that_of_a_living_one_stays(store, directory, step):
    back_up(store, directory)
    before = entries(directory.path)
    words = [sys.executable, "-c", _DRILL, str(store), str(directory.path), str(step)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        while process.stdout.readline().strip() != str(step):
            assert process.poll() is None
        beside = entries(directory.path)
        assert len(beside) == len(before) + 1

        drill(store, directory).run(make_turn())
        assert entries(directory.path) == beside  # the other is at work
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=DEADLINE_S)

    drill(store, directory).run(make_turn())

    assert entries(directory.path) == before


def test_a_private_folder_leaves_what_only_looks_like_its_own(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (tmp_path / "parent").mkdir()
    (tmp_path / "parent" / ".x-link").symlink_to(outside)
    (tmp_path / "parent" / ".x-file").touch()
    (tmp_path / "parent" / ".x-old").mkdir()

    with private_folder(tmp_path / "parent", ".x-") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert entries(folder.parent) == sorted([".x-file", ".x-link", folder.name])

    assert entries(tmp_path / "parent") == [".x-file", ".x-link"]
    assert entries(outside) == ["kept"]
