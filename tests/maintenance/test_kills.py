"""Any task killed at any moment, beside two writers: no acknowledged row is lost, and the next start leaves nothing behind."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from hyperjobs.clock import SystemClock
from hyperjobs.errors import HyperjobsError
from hyperjobs.maintenance.backup.catalogue import read_catalogue
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.proof import verify
from hyperjobs.maintenance.prune.directory import ArchiveDirectory
from hyperjobs.maintenance.prune.reading import archived_rows, manifest_of, recover
from hyperjobs.store.cells import id_of
from hyperjobs.store.connection import Connection
from hyperjobs.store.holds import Holds
from hyperjobs.store.runs import Runs
from hyperjobs.store.state import StateFile
from support.processes import until
from support.spaces import roomy_store
from support.task_victim import CHANGES, RESTORE, environment

TASKS = [*CHANGES, RESTORE]
TESTS = Path(__file__).parents[1]
LONGEST_S = 0.4
"""Some runs' time of the quick tasks, and about one of the slow."""
_WRITER = """
import sys, time, datetime, apsw
db = apsw.Connection(sys.argv[1]); db.set_busy_timeout(60000)
db.execute("PRAGMA synchronous=NORMAL").fetchall()
for number in range(10**9):
    is_due = number % 2
    job = f"{'due' if is_due else 'live'}-{sys.argv[2]}-{number}"
    at = "2025-01-01 10:00:00+00:00" if is_due else str(datetime.datetime.now(datetime.timezone.utc))
    db.execute("INSERT INTO jobs VALUES(?,'n','v','p','vsphere','o',?,?,?,?,0.0,'','null','',0,0)",
               (job, "completed" if is_due else "running", at, at, at if is_due else None))
    sys.stdout.write(job + "\\n")
    sys.stdout.flush()
    time.sleep(0.01)  # a writer's own pace
"""


@contextmanager
def writing(store, acknowledged):
    """A writer that notes each row once its commit is done."""
    with acknowledged.open("wb") as file:
        command = [sys.executable, "-c", _WRITER, str(store), acknowledged.name]
        process = subprocess.Popen(command, stdout=file)
        try:
            until(lambda: acknowledged.stat().st_size, "a writer at work")
            yield
            assert process.poll() is None, "a writer gave up"
        finally:
            process.terminate()
            process.wait()


class Victims:
    """Starts tasks, and knows when they are dead."""

    def __init__(self, store, directory):
        path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.task_victim", str(store), str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment(store, directory), "PYTHONPATH": path},
        )

    def start(self, words):
        self._process.stdin.write(f"{words}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def dies_within(self, seconds):
        readable, _, _ = select.select([self._process.stdout], [], [], seconds)
        return bool(readable) and self._process.stdout.readline() == "dead\n"

    def run_once(self, task):
        self.start(f"once {task}")
        assert self.dies_within(60), task

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Place:
    """A store, and all that an agent keeps of it; what it knows of them is looked up anew each time."""

    def __init__(self, folder):
        self.folder = folder
        self.store = roomy_store(folder / "store" / "jobs.db", jobs=600)
        self.backups = BackupDirectory(folder / "backups")
        self.archives = ArchiveDirectory(folder / "archives")
        self.acknowledged = [folder / "a", folder / "b"]
        self.proven = set()
        self._had, self._told = set(), set()
        self._archived = {}

    def look(self, task):
        """After a kill in this task: all rows that were acknowledged before are where they may be."""
        told = self.told()  # what is acknowledged from now on may not be read below
        expected, self._told = self._had | (told - self._told), told
        found = jobs_in(self.store)
        lost = expected - found
        if task == "prune":
            gone = {job for job in lost if not job.startswith("live-")}
            lost -= gone & self.archived() if gone else set()
        if task == RESTORE and lost:  # it took the store back on purpose, and kept what was there
            lost -= jobs_in(self.kept()[-1])
        assert not lost, f"killed in {task}: {len(lost)} rows are lost, such as {sorted(lost)[:5]}"
        self._had = found
        for entry in read_catalogue(self.backups.path, self.store):
            assert entry.is_verified, f"killed in {task}: {entry.name}: {entry.state} {entry.found}"
            if entry.name not in self.proven:
                with self.backups.locked():  # as the next run does; it ends what a killed publication began
                    pass
                verify(self.backups.path, entry.name)
                self.proven.add(entry.name)

    def told(self):
        """Every row whose saving was acknowledged so far."""
        written = [line for file in self.acknowledged for line in file.read_text().splitlines(keepends=True)]
        return {line.strip() for line in written if line.endswith("\n")}

    def kept(self):
        return sorted(self.store.parent.glob("jobs.db.before-restore-*"))

    def archived(self):
        """The ids in all archives, those of killed prunes too."""
        connection = Connection(self.store)
        found = set()
        for name in self.archives.names():
            if name in self._archived:
                continue
            manifest = manifest_of(self.archives, name)
            is_whole = manifest is not None
            try:
                manifest = manifest or recover(self.archives, name, connection, clock=SystemClock(), is_dry=True)
            except HyperjobsError:
                continue  # not even its head lasted
            rows = (
                {str(id_of(cells)) for cells in archived_rows(self.archives.path / name.data, manifest)}
                if manifest
                else set()
            )
            found |= rows
            if is_whole:
                self._archived[name] = rows
        connection.close()
        return found.union(*self._archived.values())

    def left_over(self):
        """What is there beside what an agent keeps."""
        expected = {"jobs.db", "jobs.db-wal", "jobs.db-shm", *(path.name for path in self.kept())}
        found = {path.name for path in self.store.parent.iterdir()}
        for name in self.backups.names():
            expected |= {str(name), name.manifest}
        found |= {path.name for path in self.backups.path.iterdir()}
        for archive in self.archives.names():
            expected |= {archive.data, archive.manifest}
        found |= {path.name for path in self.archives.path.iterdir()}
        return sorted(found - expected - {".hyperjobs-backup.lock", ".hyperjobs-archive.lock"})


def jobs_in(path):
    """The ids in a sound store."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(20_000)
    try:
        with connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path
            return {row[0] for row in connection.execute("SELECT id FROM jobs")}
    finally:
        connection.close()


def cycles(tmp_path, number, *, seed=20260121):
    """Kill so often, in tasks as they come, and look each time; how often in each."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for name in ("store", "state", "backups", "archives"):
        (tmp_path / name).mkdir(mode=0o700)
    place = Place(tmp_path)
    killed = dict.fromkeys(TASKS, 0)
    order = [task for _ in range(number // len(TASKS) + 1) for task in chance.sample(TASKS, len(TASKS))][:number]
    victims = Victims(place.store, tmp_path)
    try:
        with writing(place.store, place.acknowledged[0]), writing(place.store, place.acknowledged[1]):
            for _ in range(2):
                victims.run_once("backup")
            for task in order:
                pid = victims.start(task)
                assert not victims.dies_within(chance.uniform(0.0, LONGEST_S)), f"{task} was to live until it is killed"
                os.kill(pid, signal.SIGKILL)
                assert victims.dies_within(20)
                killed[task] += 1
                place.look(task)
            for task in TASKS:  # the next start of each
                victims.run_once(task)
                place.look(task)
    finally:
        victims.close()
    trouble = tmp_path / "trouble"
    assert not trouble.exists(), trouble.read_text()[:3000]
    assert place.left_over() == []
    assert len(place.backups.names()) == 2
    state = StateFile(tmp_path / "state", place.store, clock=SystemClock())
    assert Runs(state).running() == []
    assert not Holds(state).frozen()  # no kill looks like damage
    assert not Holds(state).distrusted()
    state.close()
    return killed


def test_a_kill_in_any_task_costs_no_row_and_leaves_nothing_behind(tmp_path):
    assert sum(cycles(tmp_path, 12).values()) == 12


@pytest.mark.long
def test_two_hundred_kills_in_all_tasks_cost_no_row_and_leave_nothing_behind(tmp_path):
    assert min(cycles(tmp_path, 200).values()) > 200 // len(TASKS) - 1
