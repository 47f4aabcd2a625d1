"""A prune killed at any moment, beside a writer: every job is in the store or in an archive, and never in neither."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Self

import apsw
import pytest

from hyperjobs.maintenance.prune.reading import archived_rows, manifest_of
from hyperjobs.store.cells import id_of
from support.ledgers import insert
from support.processes import running
from support.pruning import Pruned

CYCLES = 8
TESTS = Path(__file__).parents[1]


class Writer:
    """Saves jobs that are not due, as fast as it can, and remembers those that were acknowledged."""

    def __init__(self, path: Path) -> None:
        self.acknowledged: set[str] = set()
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        db = apsw.Connection(str(self._path))
        db.set_busy_timeout(30_000)
        number = 0
        while not self._stop.wait(0.002):
            insert(db, f"new-{number}", "running")
            self.acknowledged.add(f"new-{number}")
            number += 1
        db.close()


@pytest.fixture
def jobs(tmp_path):
    return Pruned(tmp_path)


def in_archives(jobs):
    """The ids of every archive, those of killed prunes as an undo would find them."""
    found = set()
    for name in jobs.directory.names():
        jobs.undo(str(name), turn=jobs.turn(is_dry=True))  # proves it
        if manifest_of(jobs.directory, name) is not None:
            manifest = jobs.manifest(str(name))
            found |= {id_of(cells) for cells in archived_rows(jobs.directory.path / name.data, manifest)}
    return found


def test_no_kill_loses_a_job_and_undo_gives_every_one_back(jobs):
    due = set(jobs.add(20_000))
    environment = {"PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])}
    command = [sys.executable, "-m", "support.pruner", jobs.store, jobs.directory.path]

    with Writer(jobs.store) as writer:
        for cycle in range(CYCLES):
            with running(command, env=environment) as pruner:
                if cycle % 2:
                    pruner.until(lambda p=pruner: len(p.output.splitlines()) >= 1, "a batch")
                else:  # before, while or after the first archive appears
                    names = len(jobs.directory.names())
                    pruner.until(lambda n=names: len(jobs.directory.names()) > n, "an archive")
                pruner.kill()
        with running(command, env=environment) as pruner:
            assert pruner.wait(timeout_s=60) == 0, pruner.output

    left = jobs.ids()
    assert left & due == set()
    assert in_archives(jobs) == due
    for name in jobs.directory.names():
        jobs.undo(str(name))
    assert jobs.ids() == due | writer.acknowledged
    db = apsw.Connection(str(jobs.store))
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
