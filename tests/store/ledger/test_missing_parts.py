"""Numbers that are short of something for a while are shown as they were, and count nothing twice when it comes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import apsw
import pytest

from hyperjobs.store.connection import Connection
from hyperjobs.store.continuity import LEDGER, ROWS, Continuity
from hyperjobs.store.ledger.baseline import take_baseline
from hyperjobs.store.ledger.install import install
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.ledger.scan import Scanner
from hyperjobs.store.ledger.tally import CREATED
from hyperjobs.store.sqlite import open_store
from hyperjobs.store.state import StateFile
from hyperjobs.testing import FakeClock
from support.ledgers import Kept, insert, make_store

if TYPE_CHECKING:
    from pathlib import Path

KEY = (CREATED, "vsphere", "", 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_store(tmp_path / "jobs.db")


def write(path: Path, *ids: str) -> None:
    db = apsw.Connection(str(path))
    for job_id in ids:
        insert(db, job_id)
    db.close()


def created(kept: Kept) -> int:
    return kept.exported().get(KEY, 0)


def test_a_scrape_before_the_numbers_are_ready_changes_nothing_of_them(tmp_path: Path) -> None:
    continuity = Continuity(StateFile(tmp_path, tmp_path / "jobs.db", clock=FakeClock()))
    continuity.export({KEY: 100})

    assert continuity.export({}, is_whole=False) == {KEY: 100}
    assert continuity.export({KEY: 101}) == {KEY: 101}


def test_an_agent_that_comes_back_to_a_long_log_counts_each_job_once(path: Path, tmp_path: Path) -> None:
    options = LedgerOptions(overlay_rows=10)
    first = Kept(path, tmp_path / "state", options=options)
    first.turn()
    write(path, "a", "b")
    assert created(first) == 2  # shown with the log on top, and not yet folded
    first.stop()
    first.state.close()
    write(path, *(f"missed-{number}" for number in range(30)))

    second = Kept(path, tmp_path / "state", options=options)
    before = created(second)
    second.turn()

    assert before == 2
    assert created(second) == 32
    second.stop()


def test_a_log_that_grows_long_between_two_scrapes_counts_each_job_once(path: Path, tmp_path: Path) -> None:
    kept = Kept(path, tmp_path / "state", options=LedgerOptions(overlay_rows=10))
    kept.turn()
    write(path, "a", "b")
    assert created(kept) == 2
    write(path, *(f"more-{number}" for number in range(30)))

    assert created(kept) == 2
    kept.turn()
    assert created(kept) == 32
    kept.stop()


def test_what_is_logged_between_two_batches_of_a_first_count_is_counted(path: Path) -> None:
    clock, options = FakeClock(), LedgerOptions()
    connection = Connection(path)
    install(connection, now=clock.now())
    write(path, "before")

    class Writers:
        def __init__(self) -> None:
            self.rests = 0

        def is_stopping(self) -> bool:
            return False

        def rest(self, _seconds: float) -> None:
            self.rests += 1
            write(path, f"meanwhile-{self.rests}")

    pace = Writers()
    take_baseline(connection, options, clock=clock, pace=pace)
    kept = Kept(path, path.parent / "state", options=options)
    kept.turn()

    assert pace.rests
    assert kept.view().rollup.gauges == {("vsphere", "pending"): 1 + pace.rests}
    assert kept.keeper.check_drift() == 0
    connection.close()
    kept.stop()


def test_a_while_of_scanning_leaves_no_trace_in_the_ledgers_counters(path: Path, tmp_path: Path) -> None:
    kept = Kept(path, tmp_path / "state")
    kept.turn()
    write(path, *(f"job-{number}" for number in range(10)))
    kept.turn()
    db = apsw.Connection(str(path))
    db.execute("DELETE FROM jobs WHERE id<>'job-0'")
    db.close()
    kept.turn()
    assert created(kept) == 10

    scanner = Scanner(path, options=kept.options, continuity=kept.continuity, clock=kept.clock)
    scanner.turn(lambda: False)
    write(path, "during")
    scanner.turn(lambda: False)
    while_scanning = created(kept)
    kept.keeper.close()
    before_a_turn = created(kept)
    kept.turn()

    assert (while_scanning, before_a_turn, created(kept)) == (11, 11, 11)
    write(path, "after")
    kept.turn()
    assert created(kept) == 12
    kept.stop()


def test_what_counters_are_on_top_of_is_remembered(tmp_path: Path) -> None:
    state = StateFile(tmp_path, tmp_path / "jobs.db", clock=FakeClock())
    first = Continuity(state)
    first.export({KEY: 10})
    first.settle({KEY: 2}, ROWS, first.shown())
    first.save()

    second = Continuity(state)

    assert second.export({KEY: 10}) == {KEY: 10}  # the ledger's own total on top of the rows' offset would be 18
    second.settle({KEY: 10}, LEDGER, second.shown())
    assert second.export({KEY: 11}) == {KEY: 11}


def test_an_older_copy_with_a_log_is_not_counted_on_top_of_itself(path: Path, tmp_path: Path) -> None:
    kept = Kept(path, tmp_path / "state")
    kept.turn()
    kept.keeper.close()
    write(path, "a", "b", "c")
    copy = tmp_path / "copy.db"
    source, target = apsw.Connection(str(path)), apsw.Connection(str(copy))
    with target.backup("main", source, "main") as backup:
        backup.step()
    target.close()
    source.close()
    kept.turn()
    write(path, "d")
    kept.turn()
    assert created(kept) == 4
    kept.keeper.close()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    copy.rename(path)

    kept.turn()
    after = created(kept)
    write(path, "e")
    kept.turn()

    assert (after, created(kept)) == (4, 5)
    kept.stop()


def test_totals_read_before_offsets_moved_are_not_shown_on_top_of_them() -> None:
    continuity = Continuity()
    continuity.export({KEY: 10})
    era = continuity.era
    continuity.settle({KEY: 4}, LEDGER, continuity.shown())

    assert continuity.export({KEY: 10}, era=era) == {KEY: 10}
    assert continuity.export({KEY: 5}, era=continuity.era) == {KEY: 11}


def test_a_scrape_that_saw_more_than_the_keeper_is_no_loss() -> None:
    continuity = Continuity()
    continuity.export({KEY: 10})
    shown = continuity.shown()
    continuity.export({KEY: 12})  # between the keeper's look at what was shown and at the store

    continuity.settle({KEY: 11}, LEDGER, shown)

    assert continuity.export({KEY: 12}) == {KEY: 12}
    assert continuity.export({KEY: 13}) == {KEY: 13}


def test_a_period_is_counted_from_the_rows_until_the_first_count_is_in(path: Path) -> None:
    db = apsw.Connection(str(path))
    insert(db, "done", "completed", completed="2026-01-01 11:00:00+00:00")
    db.close()
    connection = Connection(path)
    install(connection, now=datetime(2026, 1, 2, tzinfo=UTC))
    connection.close()

    with open_store(path, read_only=True) as store:
        assert store.get_job_stats(since=datetime(2026, 1, 1, tzinfo=UTC)).completed == 1
