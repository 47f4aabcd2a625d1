"""The Go driver writes on while its store is written anew, converted, made smaller and indexed anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hyperjobs.maintenance.checkpoint import CheckpointTask
from hyperjobs.maintenance.reindex import ReindexTask
from hyperjobs.maintenance.vacuum.task import VacuumTask
from support.holders import execute
from support.ledgers import Kept, make_store
from support.spaces import content_of, space_of, turn

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.maintenance.task import Task
    from support.gowriter import GoWriter

pytestmark = pytest.mark.tool("go-sqlite3")

_FREE_PAGES = (
    "CREATE TABLE filler(x)",
    "INSERT INTO filler SELECT zeroblob(3500) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000) SELECT i FROM n)",
    "DROP TABLE filler",
)


def test_a_go_writer_notices_nothing_and_the_ledger_counts_all_it_did(go_writer: GoWriter, tmp_path: Path) -> None:
    store = make_store(tmp_path / "jobs.db")
    kept = Kept(store, tmp_path / "state")
    kept.turn()
    tasks: list[Task] = [
        VacuumTask(store, mode="full", min_free=0.0),
        CheckpointTask(store, truncate=lambda _now: True),
        VacuumTask(store, mode="convert"),
        VacuumTask(store, min_free=0.0),
        ReindexTask(store),
    ]
    with go_writer.writing(store, "-seconds", 4, "-rate", 500, "-slow-ms", 1000) as process:
        process.until(lambda: content_of(store).jobs > 20, "a writer at work")
        for task in tasks:
            execute(store, *_FREE_PAGES)
            assert task.run(turn()).skipped is None, task.name
            kept.turn()
        assert process.exit_code is None
        written = go_writer.report(process)
    kept.turn()

    assert written.raw["errors"] == []
    assert written.raw["slow"] == []
    assert [job["id"] for job in go_writer.read(store)] == [job["id"] for job in written.jobs]
    assert {key: count for key, count in kept.view().rollup.gauges.items() if count} == written.gauges
    assert kept.keeper.check_drift() == 0
    assert content_of(store).jobs == len(written.jobs)
    assert space_of(store).auto_vacuum.name == "INCREMENTAL"
    kept.stop()
