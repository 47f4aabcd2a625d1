"""An older copy written into the store's own file, under all the handles that an agent keeps on it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from hyperjobs.errors import StoreBusyError
from hyperjobs.store.checkpoint import Checkpointer
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.reader import StoreReader, Troubles
from support.ledgers import Kept, make_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.tool("sqlite3")


class Agent:
    """The handles that an agent keeps: keeper, checkpointer, reader; its writer is the sqlite3 shell."""

    def __init__(self, folder: Path) -> None:
        self.kept = Kept(make_store(folder / "jobs.db"), folder / "state")
        self.troubles = Troubles()
        self.reader = StoreReader(
            self.kept.path, options=LedgerOptions(), troubles=self.troubles, clock=self.kept.clock
        )
        self.checkpointer = Checkpointer(self.kept.path, clock=self.kept.clock)
        self._jobs = 0

    def turn(self) -> None:
        self.kept.turn()

    def checkpoint(self) -> None:
        self.checkpointer.turn(lambda: False)

    def jobs(self) -> int:
        return sum(self.reader.snapshot(now=self.kept.clock.now()).view.rollup.gauges.values())

    def add(self, jobs: int) -> None:
        for _ in range(jobs):
            self._jobs += 1
            values = f"'job-{self._jobs}','n','v','/v','vsphere','/o','completed','2026-01-01 10:00:00+00:00',NULL,NULL,0,'','null','',0,0"
            self.shell(f"INSERT INTO jobs VALUES({values})")

    def shell(self, sql: str) -> str:
        command = ["sqlite3", "-bail", "-cmd", ".timeout 3000", str(self.kept.path), sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def stop(self) -> None:
        self.reader.close()
        self.checkpointer.close()
        self.kept.stop()


_FIRST: dict[str, Callable[[Agent], object]] = {
    "the keeper": Agent.turn,
    "the checkpointer": Agent.checkpoint,
}


@pytest.mark.parametrize("copy", ["VACUUM INTO '{}'", ".backup '{}'"], ids=["not in WAL mode", "in WAL mode"])
@pytest.mark.parametrize("first", _FIRST)
def test_all_handles_let_go_before_the_first_opens_again(tmp_path: Path, copy: str, first: str) -> None:
    agent = Agent(tmp_path)
    agent.turn()
    agent.add(3)
    agent.turn()
    agent.shell(copy.format(tmp_path / "old.db"))
    agent.add(40)
    agent.turn()
    agent.checkpoint()
    assert agent.jobs() == 43
    before = agent.kept.exported()

    store = agent.kept.path
    subprocess.run(["sh", "-c", f"cp '{tmp_path}/old.db' '{store}'; rm -f '{store}-wal' '{store}-shm'"], check=True)
    _FIRST[first](agent)
    agent.turn()
    agent.checkpoint()
    agent.add(2)
    agent.turn()

    assert agent.jobs() == int(agent.shell("SELECT count(*) FROM jobs")) == 5
    after = agent.kept.exported()
    assert after["finished", "vsphere", "completed", 0] == before["finished", "vsphere", "completed", 0] + 2 == 45
    assert agent.kept.keeper.counts.epoch == 1
    assert agent.shell("PRAGMA integrity_check") == "ok"
    assert not agent.troubles.counts
    agent.stop()


def test_a_scrape_beside_a_handle_from_before_is_refused_and_the_one_after_it_is_good(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.turn()
    agent.add(3)
    agent.turn()
    agent.shell(f".backup '{tmp_path / 'old.db'}'")
    agent.add(40)
    assert agent.jobs() == 43
    store = agent.kept.path
    subprocess.run(["sh", "-c", f"cp '{tmp_path}/old.db' '{store}'; rm -f '{store}-wal' '{store}-shm'"], check=True)

    with pytest.raises(StoreBusyError, match="the file was replaced"):
        agent.jobs()
    agent.turn()

    assert agent.jobs() == 3
    assert dict(agent.troubles.counts) == {"busy": 1}
    agent.stop()
