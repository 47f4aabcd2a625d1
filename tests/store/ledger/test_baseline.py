"""The first count: exact whatever the size, in short transactions, and taken again when it was stopped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import apsw
import pytest

from hyperjobs.errors import StoreInterruptedError
from hyperjobs.store.ledger import baseline
from support.ledgers import Kept, insert, make_store

if TYPE_CHECKING:
    from pathlib import Path

_FIRST = datetime(2024, 1, 1, 0, 30, tzinfo=UTC)


def _fill(path: Path, jobs: int) -> None:
    """One job finished in each hour, in one transaction."""
    db = apsw.Connection(str(path))
    with db:
        for number in range(jobs):
            at = (_FIRST + timedelta(hours=number)).strftime("%Y-%m-%d %H:%M:%S+00:00")
            insert(db, f"job-{number}", "completed", started=at, completed=at, size=2, files=1)
    db.close()


def _hours(path: Path) -> list[tuple[int, ...]]:
    db = apsw.Connection(str(path))
    try:
        return db.execute("SELECT hour,jobs,bytes,files FROM hyperjobs_hour ORDER BY hour").fetchall()
    finally:
        db.close()


def test_a_store_with_more_hours_than_memory_holds_is_counted_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "_CELLS_IN_MEMORY", 100)
    path = make_store(tmp_path / "jobs.db")
    _fill(path, 2_500)
    kept = Kept(path, tmp_path / "state")

    kept.turn()

    first = int(_FIRST.timestamp()) // 3600
    assert [(first + number, 1, 2, 1) for number in range(2_500)] == _hours(path)
    assert kept.view().rollup.gauges == {("vsphere", "completed"): 2_500}
    kept.stop()


def test_a_count_stopped_while_its_hours_were_brought_over_is_taken_again(tmp_path: Path) -> None:
    path = make_store(tmp_path / "jobs.db")
    _fill(path, 2_500)
    kept = Kept(path, tmp_path / "state")

    with pytest.raises(StoreInterruptedError):
        kept.keeper.turn(lambda: len(_hours(path)) >= 1_000)
    assert not kept.view().is_ready
    db = apsw.Connection(str(path))
    db.execute("DELETE FROM jobs WHERE id<>'job-7'")
    db.close()
    kept.turn()

    assert [(int(_FIRST.timestamp()) // 3600 + 7, 1, 2, 1)] == _hours(path)
    assert kept.view().rollup.gauges == {("vsphere", "completed"): 1}
    kept.stop()
