"""What docs/disaster.md is for, done for real to a world whose agent and writer live; each by the heading that tells what to do."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import apsw

from support.disks import MIB, small_disk
from support.doc_world import DAEMON, acknowledged, configuration
from support.processes import until
from support.stores import BUSY_MS, script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.follower import World

_MORE = 5


def lives_on(world: World, jobs: int = _MORE) -> None:
    """Return when the writer has written so many more jobs."""
    there = len(acknowledged(world))
    until(lambda: len(acknowledged(world)) >= there + jobs, f"{jobs} more jobs")


def delete_store(world: World) -> None:
    """All of its files, under the processes that have them open."""
    for path in world.store.parent.glob("jobs.db*"):
        path.unlink()


def delete_store_and_restart_writer(world: World) -> None:
    """As when somebody restarts hypersdk in the hope that it helps: it makes an empty one."""
    delete_store(world)
    world.stop(DAEMON)
    world.start(DAEMON)
    lives_on(world)


def delete_store_and_end_writer(world: World) -> None:
    """Nobody has it open any more."""
    delete_store(world)
    world.stop(DAEMON)


def _overwrite(world: World, name: str) -> None:
    """Rubbish over the root page of a table or an index, while nobody has a good one in memory to write over it."""
    for unit in (DAEMON, "hyperjobs"):
        world.stop(unit)
    connection = apsw.Connection(str(world.store))
    connection.set_busy_timeout(BUSY_MS)
    try:
        [(page,)] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name=?", (name,)).fetchall()
        [(size,)] = connection.execute("PRAGMA page_size").fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()
    spoil = "import sys; f = open(sys.argv[1], 'r+b'); f.seek(int(sys.argv[2])); f.write(b'\\xa5' * int(sys.argv[3]))"
    subprocess.run([sys.executable, "-c", spoil, world.store, str((page - 1) * size), str(size)], check=True)
    for unit in (DAEMON, "hyperjobs"):
        world.start(unit)


def damage_index(world: World) -> None:
    """One index cannot be read."""
    _overwrite(world, "idx_provider")


def damage_table(world: World) -> None:
    """No job can be read."""
    _overwrite(world, "jobs")


def prune_too_much(world: World) -> None:
    """A retention that was meant otherwise."""
    prune = {"retention": {"completed": "1h", "failed": "1h", "cancelled": "1h"}, "max_share": "100%"}
    maintenance = json.loads(configuration(world).read_text())["maintenance"]
    configuration(world, maintenance={**maintenance, "prune": prune})
    done = world.run("hyperjobs prune --yes")
    assert done.code == 0, done.written
    configuration(world)


def delete_too_much(world: World) -> None:
    """A command that was meant otherwise."""
    done = world.run("hyperjobs delete job-1 job-3 --yes")
    assert done.code == 0, done.written


def delete_by_another_program(world: World) -> None:
    """Nobody archived it."""
    script(world.store, "PRAGMA busy_timeout=5000", "DELETE FROM jobs WHERE id='job-3'")


def lose_host(world: World) -> None:
    """A new machine with the configuration of before."""
    world.close()
    for place in ("var/lib/hypersdk", "var/lib/hyperjobs", "var/backups/hyperjobs"):
        shutil.rmtree(world.root / place)
    (world.root / "var/lib/hypersdk").mkdir()


def _state_files(world: World) -> list[Path]:
    return list((world.root / "var/lib/hyperjobs").glob("jobs-*.db*"))


def delete_state(world: World) -> None:
    """Under the agent."""
    for path in _state_files(world):
        path.unlink()


def damage_state(world: World) -> None:
    """While the agent was off."""
    world.stop("hyperjobs")
    for path in _state_files(world):
        path.write_bytes(b"no database" * 1000)
    world.start("hyperjobs")


def lose_store_and_state(world: World) -> None:
    """The disk that both were on."""
    world.close()
    shutil.rmtree(world.root / "var/lib/hyperjobs")
    delete_store(world)


def lose_all_but_pieces(world: World) -> None:
    """The store, the agent's state and every backup; an export and the audit log are elsewhere."""
    lose_store_and_state(world)
    for place in ("var/backups/hyperjobs", "mnt/offsite"):
        shutil.rmtree(world.root / place)
        (world.root / place).mkdir(mode=0o700)


@contextlib.contextmanager
def on_a_small_disk(world: World) -> Iterator[Path]:
    """For the length of a block the store's directory is a disk of its own; gives where it is mounted."""
    place = world.root / "var/lib/hypersdk"
    kept = world.root / "var/lib/kept"
    place.rename(kept)
    with small_disk(world.root / "srv", 24 * MIB) as disk:
        for path in kept.iterdir():
            shutil.copy2(path, disk)
        place.symlink_to(disk)
        yield disk


def fill_disk(world: World, disk: Path) -> None:
    """Somebody's file takes all that is left; hypersdk is told so."""
    with (disk / "core.4242").open("wb", buffering=0) as core, contextlib.suppress(OSError):
        while True:
            core.write(bytes(4096))
    writer = world.process(DAEMON)
    assert writer is not None
    writer.until(lambda: "full" in writer.output, "a full disk")


NOTHING, A_MOMENT, SINCE_BACKUP = "nothing", "a moment", "since the backup"
"""What is lost: no job; the one that was being written when the writer ended; those that the newest backup has not."""

CASES: list[tuple[str, Callable[[World], None], str]] = [
    ("The store is gone, and hypersdk runs", delete_store, A_MOMENT),
    ("The store is gone", delete_store_and_end_writer, SINCE_BACKUP),
    ("The store is gone", delete_store_and_restart_writer, SINCE_BACKUP),
    ("The store is damaged", damage_index, NOTHING),
    ("The store is damaged", damage_table, NOTHING),
    ("Prune or delete took the wrong jobs", prune_too_much, NOTHING),
    ("Prune or delete took the wrong jobs", delete_too_much, NOTHING),
    ("Another program deleted jobs", delete_by_another_program, NOTHING),
    ("The host is gone", lose_host, SINCE_BACKUP),
    ("The agent's state is gone", delete_state, NOTHING),
    ("The agent's state is gone", damage_state, NOTHING),
    ("Store and state are gone", lose_store_and_state, SINCE_BACKUP),
]
"""Heading of the page, what was done, and what is lost by it; one that takes a disk of its own is tested beside them."""
