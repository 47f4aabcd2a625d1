"""Jobs that come back are what they were, and move gauges and no counter."""

from __future__ import annotations

from datetime import timedelta

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperjobs.maintenance.prune.line import job_line, parse_line
from hyperjobs.store.cells import RawText, insert_cells, read_cells
from hyperjobs.store.connection import Connection
from hyperjobs.store.content import read_content
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.returning import bring_back, find_there
from hyperjobs.testing import FakeClock
from support.ledgers import Kept, insert, make_store


@pytest.fixture
def path(tmp_path):
    return make_store(tmp_path / "jobs.db")


@pytest.fixture
def connection(path):
    opened = Connection(path)
    yield opened
    opened.close()


def back(connection, rows, **options):
    batches = list(bring_back(connection, rows, clock=FakeClock(), pause=lambda _seconds: None, **options))
    return sum(batch.jobs for batch in batches), [job_id for batch in batches for job_id in batch.there]


def all_cells(connection):
    return [row[1] for row in connection.run(lambda db: read_cells(db, "ORDER BY rowid"))]


raw = st.binary(max_size=6)
cell = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=6),
    raw,
    raw.map(RawText),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.none(), cell), min_size=len(COLUMNS), max_size=len(COLUMNS)))
def test_any_row_that_sqlite_can_hold_comes_back_to_the_bit(connection, cells):
    job = ["" if value is None and place < 8 else value for place, value in enumerate(cells)]
    connection.change("DELETE FROM jobs")
    connection.run(lambda db: insert_cells(db, tuple(job)))
    before = connection.read(read_content).digest
    (kept,) = all_cells(connection)

    line = job_line(kept)
    connection.change("DELETE FROM jobs")
    back(connection, [parse_line(line)])

    assert line.count(b"\n") == 1
    assert connection.read(read_content).digest == before


def test_a_job_whose_id_is_there_is_left_alone(connection):
    db = apsw.Connection(str(connection.path))
    for name in ("a", "b"):
        insert(db, name, "completed")
    db.close()
    rows = all_cells(connection)
    connection.change("DELETE FROM jobs WHERE id='a'")
    connection.change("UPDATE jobs SET error='newer'")

    assert back(connection, rows) == (1, ["b"])
    assert back(connection, rows) == (0, ["a", "b"])
    assert connection.rows("SELECT id,error FROM jobs ORDER BY id") == [("a", ""), ("b", "newer")]


def test_a_look_finds_what_would_come_back_and_writes_nothing(connection):
    db = apsw.Connection(str(connection.path))
    for name in ("a", "b"):
        insert(db, name, "completed")
    db.close()
    rows = all_cells(connection)
    connection.change("DELETE FROM jobs WHERE id='a'")
    reader = Connection(connection.path, read_only=True)

    (found,) = find_there(reader, rows)

    assert (found.jobs, found.there) == (1, ["b"])
    reader.close()


def test_a_stop_between_two_batches_ends_it_and_a_second_time_brings_the_rest(connection):
    db = apsw.Connection(str(connection.path))
    with db:
        for number in range(600):
            insert(db, f"{number}", "completed")
    db.close()
    rows = all_cells(connection)
    connection.change("DELETE FROM jobs")

    stopped = list(bring_back(connection, rows, clock=FakeClock(), pause=lambda _seconds: True))

    assert [batch.jobs for batch in stopped] == [250]
    assert back(connection, rows)[0] == 350


@pytest.fixture
def kept(path, tmp_path):
    found = Kept(path, tmp_path / "state")
    found.turn()
    yield found
    found.stop()


@pytest.mark.parametrize("is_folded", [True, False])
def test_what_comes_back_moves_gauges_and_history_and_no_counter(kept, connection, is_folded):
    db = apsw.Connection(str(kept.path))
    with db:
        for number in range(600):
            insert(db, f"{number}", "completed", started="2026-01-01 10:00:00+00:00", completed="2026-01-01 11:00:00+00:00", size=5)  # fmt: skip
    rows = all_cells(connection)
    kept.turn()
    before, gauges = kept.exported(), kept.view().rollup.gauges
    db.execute("DELETE FROM jobs")
    db.close()
    kept.turn()

    back(connection, rows)
    if is_folded:
        kept.turn()

    assert kept.exported() == before
    assert {key: jobs for key, jobs in kept.view().rollup.gauges.items() if jobs} == gauges
    kept.turn()
    assert kept.keeper.check_drift() == 0


def test_a_job_put_in_the_place_of_another_moves_no_counter_either(kept, connection):
    db = apsw.Connection(str(kept.path))
    insert(db, "a", "completed", size=5)
    (row,) = all_cells(connection)
    insert(db, "a", "failed", size=5)
    db.close()
    kept.turn()
    before = kept.exported()

    assert back(connection, [row], replace=True) == (1, ["a"])

    kept.turn()
    assert kept.exported() == before
    assert kept.keeper.check_drift() == 0
    assert connection.value("SELECT status FROM jobs") == "completed"


def test_jobs_saved_after_some_came_back_are_counted(kept, connection):
    db = apsw.Connection(str(kept.path))
    insert(db, "a", "completed")
    (row,) = all_cells(connection)
    db.execute("DELETE FROM jobs")
    back(connection, [row])
    kept.clock.advance(timedelta(seconds=1))
    insert(db, "b", "completed")
    db.close()
    kept.turn()

    assert kept.exported()["finished", "vsphere", "completed", 0] == 2
