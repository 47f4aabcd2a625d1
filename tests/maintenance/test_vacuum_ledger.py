"""Counters and gauges are exact whatever a VACUUM does to the rows' numbers, also while the log waits to be folded."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from bench.dataset import dice
from hyperjobs.maintenance.vacuum.task import VacuumTask
from hyperjobs.store.ledger.replay import ATTEMPT, LOG_COLUMNS, RENAMING, replay
from support.ledgers import Kept, insert, make_store
from support.spaces import turn

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

_STATUSES = ("pending", "running", "completed", "failed", "cancelled")


def some_writes(db: apsw.Connection, chance: random.Random, number: int) -> None:
    """Saves, updates, renames and deletes of a few ids, so that most of them meet a row."""
    db.execute(f"PRAGMA recursive_triggers={chance.choice(('ON', 'OFF'))}").fetchall()
    for _ in range(number):
        job, other, status = (f"job-{chance.randrange(60)}", f"job-{chance.randrange(60)}", chance.choice(_STATUSES))
        match chance.randrange(7):
            case 0 | 1 | 2:
                insert(db, job, status, size=chance.randrange(1000), verb="INSERT OR REPLACE")
            case 3:
                insert(db, job, status, verb="INSERT OR IGNORE")
            case 4:
                db.execute("UPDATE jobs SET status=? WHERE id=?", (status, job))
            case 5:
                db.execute("UPDATE OR REPLACE jobs SET id=? WHERE id=?", (other, job))
            case _:
                db.execute("DELETE FROM jobs WHERE id=?", (job,))


def counted(path: Path) -> Counter[tuple[str, str]]:
    db = apsw.Connection(str(path))
    found = Counter(
        {
            (provider, status): n
            for provider, status, n in db.execute("SELECT provider,status,count(*) FROM jobs GROUP BY 1,2")
        }
    )
    db.close()
    return found


@pytest.mark.parametrize("mode", ["full", "convert"])
@pytest.mark.parametrize("seed", range(3))
def test_a_log_that_was_begun_before_a_vacuum_and_goes_on_after_it_folds_exactly(tmp_path, mode, seed):
    chance = dice(seed)
    path = make_store(tmp_path / "jobs.db")
    kept = Kept(path, tmp_path / "state")
    kept.turn()
    writer = apsw.Connection(str(path))
    writer.execute("PRAGMA synchronous=OFF").fetchall()
    for _ in range(4):
        some_writes(writer, chance, 200)
        report = VacuumTask(path, mode=mode, min_free=0.0).run(turn())
        assert report.skipped in {None, "nothing_to_free", "already_incremental"}
        writer.execute("VACUUM")  # whatever the task decided
        some_writes(writer, chance, 200)
        unfolded = kept.view()

        kept.turn()

        assert unfolded.rollup.gauges == kept.view().rollup.gauges
        gauges = {key: n for key, n in kept.view().rollup.gauges.items() if n}
        assert gauges == dict(counted(path))
    assert kept.keeper.check_drift() == 0
    writer.close()
    kept.stop()


_RID, _NAMED = LOG_COLUMNS.index("rid"), LOG_COLUMNS.index("t")


def _operations(log: list[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """The log cut before each attempt: a statement's rows stay together."""
    operation: list[tuple[Any, ...]] = []
    for row in log:
        if row[1] in {ATTEMPT, RENAMING} and operation:
            yield operation
            operation = []
        operation.append(row)
    yield operation


def _renumbered(row: tuple[Any, ...], by: int) -> tuple[Any, ...]:
    cells = list(row)
    for place in (_RID, *((_NAMED,) if row[1] == ATTEMPT else ())):
        if cells[place] not in {None, -1}:
            cells[place] += by
    return tuple(cells)


@pytest.mark.parametrize("seed", range(5))
def test_a_rowid_in_the_log_means_nothing_outside_its_own_statement(tmp_path, seed):
    """A VACUUM may number the rows anew between two statements, and never within one."""
    chance = dice(seed)
    path = make_store(tmp_path / "jobs.db")
    kept = Kept(path, tmp_path / "state")
    kept.turn()
    writer = apsw.Connection(str(path))
    writer.execute("PRAGMA synchronous=OFF").fetchall()
    some_writes(writer, chance, 500)
    log = writer.execute("SELECT * FROM hyperjobs_log ORDER BY seq").fetchall()
    writer.close()
    kept.stop()

    moved = [
        _renumbered(row, by) for operation in _operations(log) for by in [chance.randrange(10**6)] for row in operation
    ]

    assert any(before != after for before, after in zip(log, moved, strict=True))
    assert list(replay(moved)) == list(replay(log))
