"""Jobs that come in hold the lock shortly beside a writer, and longer, for half the work, where nobody else writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.ledger.fold import fold
from hyperjobs.store.merging import merge
from hyperjobs.testing import FakeClock
from support.ledgers import Kept
from support.stores import ROW, insert, new_store


def rows(number, **changes):
    for index in range(number):
        yield tuple({**ROW, "id": f"job-{index:06}", **changes}[name] for name in COLUMNS)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def connection(tmp_path, clock):
    new_store(tmp_path).close()
    connection = Connection(tmp_path / "jobs.db", clock=clock, synchronous="OFF")
    yield connection
    connection.close()


def test_batches_are_short_until_nobody_else_was_seen_for_a_while(connection, clock):
    batches = merge(connection, rows(40_000), pause=lambda _s: clock.advance(0.3))

    sizes = [done.total for done in batches]

    assert sizes[:3] == [250, 250, 250]
    assert sizes == sorted(sizes[:-1]) + sizes[-1:]
    assert max(sizes) == 4_000


def test_the_batch_after_anothers_commit_is_short_again(connection, clock, tmp_path):
    batches = merge(connection, rows(40_000), pause=lambda _s: clock.advance(0.3))
    sizes = [next(batches).total for _ in range(10)]
    insert(tmp_path / "jobs.db", {"id": "theirs"})

    after = [next(batches).total for _ in range(3)]

    assert sizes[-1] == 4_000
    assert after == [250, 250, 250]


def test_on_a_slow_disk_batches_stay_short_though_nobody_else_writes(connection, clock, monkeypatch):
    write = connection.write

    def slow(work):
        clock.advance(0.2)
        return write(work)

    monkeypatch.setattr(connection, "write", slow)

    sizes = [done.total for done in merge(connection, rows(5_000), pause=lambda _s: clock.advance(1))]

    assert set(sizes) == {250}


def test_a_writer_that_comes_while_nobody_else_writes_finds_the_lock_free_within_moments(
    connection, clock, monkeypatch
):
    """SQLite's own wait looks for the lock once in a tenth of a second, and could miss any number of shorter rests."""
    write, held_s, longest_held_s = connection.write, 0.0, 0.0

    def slow(work):
        clock.advance(0.1)
        return write(work)

    def rest(seconds):
        nonlocal held_s, longest_held_s
        held_s = 0.0 if seconds > 0.1 else held_s + 0.1
        longest_held_s = max(longest_held_s, held_s)
        clock.advance(seconds)

    monkeypatch.setattr(connection, "write", slow)

    batches = list(merge(connection, rows(40_000), pause=rest))

    assert len(batches) > 30
    assert longest_held_s < 2


def test_what_came_in_at_once_is_folded_in_short_transactions(connection, clock, tmp_path):
    kept = Kept(connection.path, tmp_path / "state", clock=clock)
    kept.turn()
    sizes = [done.total for done in merge(connection, rows(9_000), pause=lambda _s: clock.advance(0.3))]
    assert max(sizes) > 1_000
    folded = []

    while done := fold(connection, kept.options, now=clock.now()).rows:
        folded.append(done)
        view = kept.view()
        assert not view.is_whole or sum(view.rollup.gauges.values()) == 9_000  # at every moment
    assert view.is_whole
    kept.stop()
    assert max(folded) <= kept.options.fold_rows
    assert sum(folded) > 18_000


@pytest.mark.parametrize("is_alone", [True, False])
def test_the_wal_of_a_long_import_stays_short(connection, clock, is_alone):
    wal, longest = Path(f"{connection.path}-wal"), 0

    for _ in merge(connection, rows(25_000, metadata="x" * 3000), pause=lambda _s: clock.advance(float(is_alone))):
        longest = max(longest, wal.stat().st_size)

    assert longest < (48 if is_alone else 40) * 2**20
