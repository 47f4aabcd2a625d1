"""Killed at any point of a backup or of its rotation: no row lost, no bad backup to be seen, nothing left behind."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import apsw
import pytest

from hyperjobs.maintenance.backup.catalogue import read_catalogue
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.proof import prove_database, verify
from support import backup_victim
from support.backups import store_of

if TYPE_CHECKING:
    from pathlib import Path

_WRITER = """
import sys, time, apsw
db = apsw.Connection(sys.argv[1]); db.set_busy_timeout(20000)
db.execute("PRAGMA synchronous=OFF").fetchall()
for number in range(10**9):
    job_id = f"{sys.argv[2]}-{number}"
    db.execute("INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at)"
               " VALUES(?,'n','v','p','vsphere','o','completed','2026-01-01 10:00:00+00:00')", (job_id,))
    sys.stdout.write(job_id + "\\n")
    sys.stdout.flush()
    time.sleep(0.005)  # a writer's own pace
"""
_LONGEST_S = 0.6
"""Some three backups' time, rotation and all."""


@contextmanager
def writing(store: Path, acknowledged: Path):
    """A writer that notes each row once its commit is done."""
    with acknowledged.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-c", _WRITER, str(store), acknowledged.name], stdout=file)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


@contextmanager
def victims(store: Path, directory: BackupDirectory):
    """Gives a function that starts a victim and returns its pid, and one that tells whether it ended by itself or was killed."""
    command = [sys.executable, backup_victim.__file__, str(store), str(directory.path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None

    def start() -> int:
        process.stdin.write("\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    def dies_within(seconds: float) -> bool:
        readable, _, _ = select.select([process.stdout], [], [], seconds)
        return bool(readable) and process.stdout.readline() == "dead\n"

    try:
        yield start, dies_within
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def left_over(directory: BackupDirectory) -> list[str]:
    """What is in the directory beside whole backups and the lock."""
    expected = {".hyperjobs-backup.lock"}
    for name in directory.names():
        expected |= {str(name), name.manifest}
    return sorted({path.name for path in directory.path.iterdir()} - expected)


def run(tmp_path: Path, cycles: int) -> None:
    """Kill so often, and look each time."""
    chance = random.Random(20260121)  # noqa: S311 - no secret
    store = store_of(tmp_path / "jobs.db", jobs=200)
    directory = BackupDirectory(tmp_path / "backups")
    directory.prepare()
    acknowledged = [tmp_path / "a", tmp_path / "b"]
    seen: set[str] = set()
    with (
        writing(store, acknowledged[0]),
        writing(store, acknowledged[1]),
        victims(store, directory) as (start, dies_within),
    ):
        for _ in range(cycles):
            pid = start()
            assert not dies_within(chance.uniform(0.0, _LONGEST_S)), "it was to live until it is killed"
            os.kill(pid, signal.SIGKILL)
            assert dies_within(20)
            for entry in read_catalogue(directory.path, store):
                if entry.manifest is None:  # killed between the two names, or the two deletions
                    pytest.fail(f"{entry.name}: {entry.found}")
                assert entry.is_verified
                if str(entry.name) not in seen:
                    verify(directory.path, entry.name)
                    seen.add(str(entry.name))
        with directory.locked():  # as the next start does
            assert left_over(directory) == []
    assert len(seen) > cycles // 4
    assert len(directory.names()) >= min(2, len(seen))
    written = [line for file in acknowledged for line in file.read_text().splitlines(keepends=True)]
    whole = {line.strip() for line in written if line.endswith("\n")}
    db = apsw.Connection(str(store))
    kept = {row[0] for row in db.execute("SELECT id FROM jobs")}
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.close()
    assert whole
    assert not whole - kept
    assert prove_database(store).content.jobs == len(kept)


def test_a_kill_at_any_point_costs_no_row_and_shows_no_bad_backup(tmp_path):
    run(tmp_path, 20)


@pytest.mark.long
def test_two_hundred_kills_cost_no_row_and_show_no_bad_backup(tmp_path):
    run(tmp_path, 200)
