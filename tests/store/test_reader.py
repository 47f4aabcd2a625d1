"""A scrape's look at the store: one snapshot, by a deadline, and again by itself after any trouble."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import apsw
import pytest

from hyperjobs.errors import NotAJobStoreError, StoreDamagedError, StoreError, StoreInterruptedError, StoreNotFoundError
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.reader import StoreReader, Troubles
from support.ledgers import Kept, insert, make_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GAUGE = ("vsphere", "completed")


class Read:
    """A kept store and the reader of its scrapes."""

    def __init__(self, folder: Path) -> None:
        self.kept = Kept(make_store(folder / "jobs.db"), folder / "state")
        self.kept.turn()
        self.troubles = Troubles()
        self.reader = StoreReader(
            self.kept.path, options=LedgerOptions(), troubles=self.troubles, clock=self.kept.clock
        )

    def jobs(self) -> int:
        return self.reader.snapshot(now=self.kept.clock.now()).view.rollup.gauges.get(_GAUGE, 0)

    def add(self, *ids: str) -> None:
        db = apsw.Connection(str(self.kept.path))
        for job in ids:
            insert(db, job, "completed")
        db.close()


@pytest.fixture
def read(tmp_path: Path) -> Iterator[Read]:
    read = Read(tmp_path)
    yield read
    read.reader.close()
    read.kept.stop()


def test_a_snapshot_has_what_is_folded_and_what_is_not(read: Read) -> None:
    read.add("a")
    read.kept.turn()
    read.add("b")

    found = read.reader.snapshot(now=read.kept.clock.now())

    assert found.view.rollup.gauges == {_GAUGE: 2}
    assert found.view.unfolded_rows == 2
    assert (found.flavour, found.facts.journal_mode, found.facts.schema_version) == ("hypersdk", "wal", "1")


def test_a_log_too_long_to_add_is_said_and_left_out(tmp_path: Path) -> None:
    kept = Kept(make_store(tmp_path / "jobs.db"), tmp_path / "state", options=LedgerOptions(overlay_rows=4))
    kept.turn()
    db = apsw.Connection(str(kept.path))
    for job, jobs, rows in (("a", 1, 2), ("b", 2, 4), ("c", 0, 6)):
        insert(db, job, "completed")
        view = kept.view()
        assert (view.rollup.gauges.get(_GAUGE, 0), view.unfolded_rows) == (jobs, rows)
    db.close()
    kept.stop()


def test_a_store_without_a_ledger_is_not_ready(tmp_path: Path) -> None:
    kept = Kept(make_store(tmp_path / "jobs.db"), tmp_path / "state")

    assert not kept.view().is_ready
    kept.stop()


def test_a_missing_an_empty_and_a_foreign_store_are_said_and_the_next_scrape_is_good(
    read: Read, tmp_path: Path
) -> None:
    read.add("a")
    assert read.jobs() == 1
    read.kept.keeper.close()
    subprocess.run(["sh", "-c", f"mv '{read.kept.path}' '{tmp_path}/away'; rm -f '{read.kept.path}'-*"], check=True)
    with pytest.raises(StoreNotFoundError):
        read.jobs()
    read.kept.path.touch()
    with pytest.raises(NotAJobStoreError):
        read.jobs()
    db = apsw.Connection(str(read.kept.path))
    db.execute("CREATE TABLE t(x)")
    db.close()
    with pytest.raises(NotAJobStoreError):
        read.jobs()
    subprocess.run(["sh", "-c", f"rm -f '{read.kept.path}'*; mv '{tmp_path}/away' '{read.kept.path}'"], check=True)

    assert read.jobs() in {0, 1}  # the log may have gone with its -wal
    assert dict(read.troubles.counts) == {"missing": 1, "not_a_store": 1, "foreign": 1}


def test_a_damaged_store_is_said_and_the_next_scrape_is_good(read: Read, tmp_path: Path) -> None:
    read.kept.keeper.close()
    db = apsw.Connection(str(read.kept.path))
    db.execute(f"VACUUM INTO '{tmp_path}/good.db'")
    db.close()
    subprocess.run(
        ["sh", "-c", f"rm -f '{read.kept.path}'-*; yes garbage | head -c 8192 > '{read.kept.path}'"], check=True
    )
    with pytest.raises(StoreError) as failed:
        read.jobs()
    assert isinstance(failed.value, NotAJobStoreError | StoreDamagedError)
    subprocess.run(["cp", f"{tmp_path}/good.db", str(read.kept.path)], check=True)

    assert read.jobs() == 0


def test_a_file_put_in_place_of_the_open_one_is_what_is_read(read: Read, tmp_path: Path) -> None:
    read.add("a")
    read.kept.turn()
    db = apsw.Connection(str(read.kept.path))
    db.execute(f"VACUUM INTO '{tmp_path}/old.db'")
    db.close()
    read.add("b")
    assert read.jobs() == 2
    read.kept.keeper.close()
    subprocess.run(["sh", "-c", f"cp '{tmp_path}/old.db' '{read.kept.path}'; rm -f '{read.kept.path}'-*"], check=True)

    assert read.jobs() == 1


def test_a_snapshot_past_its_deadline_is_given_up_and_the_next_one_is_good(read: Read) -> None:
    db = apsw.Connection(str(read.kept.path))
    with db:
        for number in range(5_000):
            insert(db, f"job-{number}", "running")
    db.close()

    with pytest.raises(StoreInterruptedError) as failed:
        read.reader.snapshot(now=read.kept.clock.now(), deadline_s=read.kept.clock.monotonic() - 1)

    assert failed.value.reason == "timeout"
    assert dict(read.troubles.counts) == {"timeout": 1}
    assert read.reader.snapshot(now=read.kept.clock.now()).view.rollup.gauges["vsphere", "running"] == 5_000


def test_a_scan_takes_the_place_of_the_ledger(read: Read) -> None:
    view = read.kept.view()
    reader = StoreReader(
        read.kept.path, options=LedgerOptions(), troubles=read.troubles, clock=read.kept.clock, scanned=lambda: view
    )

    assert reader.snapshot(now=read.kept.clock.now()).view is view
    reader.close()


def test_closing_twice_and_interrupting_what_is_closed_do_nothing(read: Read) -> None:
    read.reader.close()
    read.reader.interrupt()
    read.reader.close()

    assert read.jobs() == 0
