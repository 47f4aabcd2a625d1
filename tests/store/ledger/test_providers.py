"""Labels stay few and valid, whatever providers writers invent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import pytest

from hyperjobs.store.ledger.label import OTHER, clean
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.ledger.tally import OVERFLOW
from support.ledgers import Kept, insert, make_store

if TYPE_CHECKING:
    from pathlib import Path

# ruff: noqa: S608 - the tables are ours

# One of six hostile forms by the number: newline, quote, lone surrogate, 10 kB, blob, right-to-left and NUL.
_HOSTILE = """
WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i+1 FROM n WHERE i<:last)
INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at)
SELECT 'job-'||i,'n','v','/v', CASE i%6
  WHEN 0 THEN 'line'||char(10)||i
  WHEN 1 THEN '"},{provider="'||i||'\\'
  WHEN 2 THEN CAST(x'eda080' AS TEXT)||i
  WHEN 3 THEN i||substr(hex(zeroblob(5000)),1,:long)
  WHEN 4 THEN CAST('b'||i AS BLOB)
  ELSE char(0x202e,7)||'x'||i END, '/o', 'completed', '2026-01-01 10:00:00+00:00'
FROM n
"""
_TABLES = ("hyperjobs_gauge", "hyperjobs_total", "hyperjobs_hour", "hyperjobs_latest", "hyperjobs_provider")


def _fill(kept: Kept, first: int, last: int, *, long: int = 20) -> None:
    db = apsw.Connection(str(kept.path))
    db.execute(_HOSTILE, {"first": first, "last": last, "long": long})
    db.close()


def _labels(kept: Kept) -> dict[str, set[str]]:
    db = apsw.Connection(str(kept.path))
    try:
        columns = {table: "label" if table == "hyperjobs_provider" else "provider" for table in _TABLES}
        return {
            table: {label for (label,) in db.execute(f"SELECT {column} FROM {table}")} - {""}
            for table, column in columns.items()
        }
    finally:
        db.close()


@pytest.mark.parametrize("is_there_before", [True, False], ids=["counted", "folded"])
def test_fifty_thousand_hostile_providers_give_no_more_than_fifty_one_labels(
    tmp_path: Path, *, is_there_before: bool
) -> None:
    kept = Kept(make_store(tmp_path / "jobs.db"), tmp_path / "state")
    if not is_there_before:
        kept.turn()
    _fill(kept, 1, 50_000)

    kept.turn()

    view = kept.view()
    assert len({provider for provider, _ in view.rollup.gauges}) == 51
    assert all(len(labels) <= 51 for labels in _labels(kept).values())
    assert sum(view.rollup.gauges.values()) == 50_000
    assert sum(count for (metric, *_), count in view.rollup.totals.items() if metric == "finished") == 50_000
    assert view.rollup.totals[OVERFLOW, "", "", 0] > 40_000
    for label in {provider for provider, _ in view.rollup.gauges}:
        assert label.isprintable()
        assert len(label.encode()) <= 128
    kept.stop()


def test_the_unfolded_log_admits_no_more_than_the_folded_one(tmp_path: Path) -> None:
    kept = Kept(make_store(tmp_path / "jobs.db"), tmp_path / "state")
    kept.turn()
    _fill(kept, 1, 600, long=10_000)

    unfolded = kept.view().rollup.gauges
    kept.turn()

    assert len({provider for provider, _ in unfolded}) == 51
    assert kept.view().rollup.gauges == unfolded
    kept.stop()


def test_labels_once_admitted_stay_over_restarts(tmp_path: Path) -> None:
    kept = Kept(make_store(tmp_path / "jobs.db"), tmp_path / "state", options=LedgerOptions(max_providers=2))
    kept.turn()
    db = apsw.Connection(str(kept.path))
    for provider in ("first", "second", "third"):
        insert(db, provider, "completed", provider=provider)
    kept.turn()
    kept.stop()

    again = Kept(kept.path, tmp_path / "state", options=kept.options)
    db.execute("DELETE FROM jobs WHERE id='first'")
    insert(db, "late", "completed", provider="third")
    again.turn()

    assert {key: jobs for key, jobs in again.view().rollup.gauges.items() if jobs} == {("second", "completed"): 1, (OTHER, "completed"): 2}  # fmt: skip
    db.close()
    again.stop()


def test_an_allow_list_admits_none_but_its_own(tmp_path: Path) -> None:
    kept = Kept(make_store(tmp_path / "jobs.db"), tmp_path / "state", options=LedgerOptions(providers=("aws",)))
    kept.turn()
    db = apsw.Connection(str(kept.path))
    for provider in ("vsphere", "aws"):
        insert(db, provider, "failed", provider=provider)
    db.close()
    kept.turn()

    assert kept.view().rollup.gauges == {("aws", "failed"): 1, (OTHER, "failed"): 1}
    kept.stop()


def test_a_repair_of_gauges_makes_no_label_that_is_not_remembered(tmp_path: Path) -> None:
    kept = Kept(make_store(tmp_path / "jobs.db"), tmp_path / "state", options=LedgerOptions(max_providers=2))
    kept.turn()
    db = apsw.Connection(str(kept.path))
    (trigger,) = db.execute("SELECT sql FROM sqlite_schema WHERE name='hyperjobs_ai'").fetchall()[0]
    db.execute("DROP TRIGGER hyperjobs_ai")
    for provider in ("x", "y", "z"):  # gone past the ledger, as by a connection with its triggers off
        insert(db, provider, provider=provider)
    db.execute(trigger)
    assert kept.keeper.check_drift() == 3
    for number, provider in enumerate(("p", "q", "r")):
        insert(db, f"later-{number}", provider=provider)
    db.close()
    kept.turn()

    assert len({provider for provider, _ in kept.view().rollup.gauges}) <= 3
    kept.stop()


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        ("vsphere", "vsphere"),
        ("a" * 128, "a" * 128),
        ("a" * 129, "a" * 128),
        ("é" * 65, "é" * 64),
        ("new\nline", "new\ufffdline"),
        ("\ud800", "\ufffd"),
        ("", "unknown"),
        (None, "unknown"),
        (b"vsphere", "unknown"),
        (7, "7"),
        (1.5, "1.5"),
    ],
)
def test_a_label_is_printable_and_at_most_128_bytes(raw: object, label: str) -> None:
    assert clean(raw) == label
