"""Which jobs go: a model of retention in a few lines of Python, and the store beside it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperjobs.errors import ConfigError, StoreFullError, StoreRefusedError
from hyperjobs.store import query
from hyperjobs.store.batch import Batch
from hyperjobs.store.cells import id_of
from hyperjobs.store.connection import Connection
from hyperjobs.store.due import Rule, newest_kept, survey
from hyperjobs.store.pins import pin
from hyperjobs.store.pruning import Keeping, Pruning
from hyperjobs.store.retention import Retention
from hyperjobs.store.wal_length import WalLength
from hyperjobs.testing import START, FakeClock
from support.ledgers import insert, make_store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FINISHED = ("cancelled", "completed", "failed")
NOW = START
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
NUMBERS = itertools.count()


def text(at: datetime, offset_h: int = 0) -> str:
    return at.astimezone(timezone(timedelta(hours=offset_h))).isoformat(" ", "microseconds")


def go(path: Path, retention: Retention, *, keep_newest: int = 0, most: int | None = None) -> set[str]:
    """Prune by the retention, without an archive; the ids that are left."""
    connection = Connection(path)
    try:
        query.register(connection.raw)
        cutoffs = retention.cutoffs(NOW)
        rule = Rule(cutoffs).limited(newest_kept(connection, cutoffs, keep_newest))
        foretold = survey(connection, rule).total
        before = connection.value("SELECT count(*) FROM jobs")
        pruning = Pruning(connection, rule, clock=FakeClock(), pause=lambda _seconds: None, most=most)
        assert pruning.run()
        left = {row[0] for row in connection.rows("SELECT id FROM jobs")}
        assert pruning.done.total == before - len(left)
        if most is None:
            assert pruning.done.total == foretold
        return left
    finally:
        connection.close()


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, object]]:
    found = []
    for number in range(draw(st.integers(0, 12))):
        ended = NOW - draw(st.sampled_from([3, 5, 8])) * DAY + draw(st.integers(-30, 30)) * timedelta(hours=1)
        ended += draw(st.sampled_from([-1, 0, 0, 1])) * TICK
        found.append(
            {
                "job_id": f"job-{number}",
                "status": draw(st.sampled_from([*FINISHED, "pending", "running", "paused"])),
                "provider": draw(st.sampled_from(["vsphere", "aws", "gcp"])),
                "ended": ended,
                "created": ended - draw(st.integers(0, 400)) * timedelta(hours=1),
                "offset": draw(st.integers(-12, 14)),
                "column": draw(st.sampled_from(["completed_at", "started_at", "created_at"])),
                "pinned": draw(st.sampled_from([False, False, False, True])),
            }
        )
    return found


ages = st.one_of(st.none(), st.sampled_from([3 * DAY, 5 * DAY, 8 * DAY]))
policies = st.dictionaries(st.sampled_from(FINISHED), ages)
retentions = st.builds(Retention, policies, st.dictionaries(st.sampled_from(["aws", "gcp"]), policies))


def expected(jobs: Iterable[dict[str, object]], retention: Retention, keep_newest: int) -> set[str]:
    finished = [job for job in jobs if job["status"] in FINISHED]
    ends = sorted((job["ended"] for job in finished), reverse=True)
    floor = ends[keep_newest - 1] if 0 < keep_newest <= len(ends) else None
    left = set()
    for job in jobs:
        own = retention.providers.get(str(job["provider"]), {})
        age = own[job["status"]] if job["status"] in own else retention.ages.get(str(job["status"]))
        goes = (
            job["status"] in FINISHED
            and age is not None
            and job["ended"] < NOW - age
            and not job["pinned"]
            and (keep_newest == 0 or (floor is not None and job["ended"] < floor))
        )
        if not goes:
            left.add(str(job["job_id"]))
    return left


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows(), retentions, st.integers(0, 4))
def test_exactly_the_jobs_past_their_own_retention_go(tmp_path, jobs, retention, keep_newest):
    path = make_store(tmp_path / f"jobs-{next(NUMBERS)}.db")
    db = apsw.Connection(str(path))
    for job in jobs:
        at = text(job["ended"], job["offset"])
        created = at if job["column"] == "created_at" else text(job["created"], job["offset"])
        insert(
            db,
            job["job_id"],
            job["status"],
            provider=job["provider"],
            created=created,
            started=at if job["column"] == "started_at" else None,
            completed=at if job["column"] == "completed_at" else None,
        )
    db.close()
    connection = Connection(path)
    for job in jobs:
        if job["pinned"]:
            pin(connection, job["job_id"], now=NOW)
    connection.close()

    assert go(path, retention, keep_newest=keep_newest) == expected(jobs, retention, keep_newest)


EVERYTHING = Retention(dict.fromkeys(FINISHED, 30 * DAY))


@pytest.mark.parametrize("change", [datetime(2025, 10, 26, 1, tzinfo=UTC), datetime(2025, 3, 30, 1, tzinfo=UTC)])
def test_round_a_change_of_the_clocks_exactly_the_truly_older_jobs_go(tmp_path, change):
    """Berlin's 02:30 comes twice in October: as text both are equal but for the offset, and texts sort wrongly."""
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    zones = [ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata"), UTC]
    instants = [change + timedelta(minutes=15 * step) for step in range(-12, 13)]
    for number, at in enumerate(instants):
        for zone in zones:
            local = at.astimezone(zone).isoformat(" ")
            insert(db, f"{number}-{zone}", "completed", created=local, started=local, completed=local)
    db.close()
    cutoff = NOW - change - timedelta(minutes=10)

    left = go(path, Retention({"completed": cutoff}))

    assert left == {f"{n}-{zone}" for n, at in enumerate(instants) for zone in zones if at >= NOW - cutoff}


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_a_job_goes_only_when_it_ended_before_the_cutoff(tmp_path, seconds):
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    ended = text(NOW - 30 * DAY + timedelta(seconds=seconds))
    insert(db, "job", "failed", created=text(NOW - 99 * DAY), completed=ended)
    db.close()

    assert go(path, EVERYTHING) == (set() if seconds < 0 else {"job"})


def test_a_job_that_ended_before_it_was_created_goes_by_its_creation(tmp_path):
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    for hours in (-1, 1, 1000):
        created = text(NOW - 30 * DAY + timedelta(hours=hours))
        insert(db, f"{hours}", "completed", created=created, completed="2001-01-01 00:00:00+00:00")
    db.close()

    assert go(path, EVERYTHING) == {"1", "1000"}


def test_of_more_than_may_go_the_oldest_go_by_the_hour_they_ended_in(tmp_path):
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    # created in the opposite order
    for hours in range(10):
        ended = NOW - 40 * DAY - timedelta(hours=hours)
        insert(
            db, f"{hours}", "completed", created=text(NOW - 99 * DAY + timedelta(hours=hours)), completed=text(ended)
        )
    db.close()
    connection = Connection(path)
    query.register(connection.raw)
    rule = Rule(EVERYTHING.cutoffs(NOW))
    rule = rule.limited(survey(connection, rule).through(4))
    pruning = Pruning(connection, rule, clock=FakeClock(), pause=lambda _seconds: None, most=4)

    pruning.run()

    assert {row[0] for row in connection.rows("SELECT id FROM jobs")} == {"0", "1", "2", "3", "4", "5"}
    connection.close()


def test_many_jobs_of_one_instant_are_all_found_and_none_twice(tmp_path):
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    old = text(NOW - 40 * DAY)
    with db:
        for number in range(11_000):
            insert(db, f"same-{number}", "completed", created=old, completed=old)
        for number in range(6_000):
            insert(db, f"later-{number}", "completed", created=text(NOW - 39 * DAY + number * TICK), completed=old)
    db.close()

    assert go(path, EVERYTHING) == set()


def test_a_job_without_an_id_stays_because_nothing_could_bring_it_back(tmp_path):
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    insert(db, None, "completed", created="2001-01-01 00:00:00+00:00", completed="2001-01-01 00:00:00+00:00")
    db.close()

    assert go(path, EVERYTHING) == {None}


def test_rows_that_do_not_go_end_the_prune_instead_of_going_on_for_ever(tmp_path):
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    insert(db, "stays", "completed", created="2001-01-01 00:00:00+00:00", completed="2001-01-01 00:00:00+00:00")
    db.execute("CREATE TRIGGER hyperjobs_keeps BEFORE DELETE ON jobs BEGIN SELECT RAISE(IGNORE); END")
    db.close()

    with pytest.raises(StoreRefusedError, match="do not go"):
        go(path, EVERYTHING)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"ages": {"completed": timedelta(0)}}, "retention.completed=0s"),
        ({"ages": {"failed": -DAY}}, "retention.failed=-1d"),
        ({"ages": {"failed": timedelta(days=36_501)}}, "retention.failed"),
        ({"ages": {"running": DAY}}, "retention.running"),
        ({"ages": {"completed": 30}}, "retention.completed=30"),
        ({"providers": {"aws": {"completed": timedelta(0)}}}, "providers.aws.completed=0s"),
        ({"providers": {"aws": None}}, "providers.aws"),
    ],
)
def test_an_age_that_makes_no_sense_is_refused_by_its_name(values, named):
    with pytest.raises(ConfigError, match=named):
        Retention(**values)


def test_the_longest_and_the_shortest_age_that_make_sense_are_taken():
    retention = Retention({"completed": timedelta(days=36_500), "failed": timedelta(microseconds=1), "cancelled": None})

    assert retention.is_set
    assert not Retention({"completed": None}, {"aws": {}}).is_set


def test_jobs_with_very_long_texts_go_a_few_at_a_time(tmp_path):
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    for number in range(12):
        insert(db, f"{number}", "failed", created=text(NOW - 99 * DAY + number * DAY), completed=text(NOW - 40 * DAY))
    db.execute("UPDATE jobs SET error=printf('%.*c',3000000,'x')")
    db.close()
    sizes = []

    class Sizes(Keeping):
        def keep(self, rows):
            sizes.append(len(rows))

    connection = Connection(path)
    Pruning(connection, Rule(EVERYTHING.cutoffs(NOW)), clock=FakeClock(), pause=lambda _: None, keeping=Sizes()).run()
    connection.close()

    assert sizes == [3, 3, 3, 3]


def test_a_batch_counts_and_its_left_rows_are_told_when_the_checkpoint_after_it_fails(tmp_path, monkeypatch):
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    with db:
        for number in range(20):
            insert(db, f"{number}", "failed", created=text(NOW - 99 * DAY), completed=text(NOW - 40 * DAY))
    told = []

    class Touched(Keeping):
        def keep(self, rows):
            assert len(rows) == 20
            db.execute("UPDATE jobs SET progress=7 WHERE id='3'")

        def left(self, rows):
            told.extend(rows)

    def fail(_self):
        raise StoreFullError("no room for the checkpoint")

    monkeypatch.setattr(WalLength, "keep_short", fail)
    connection = Connection(path)
    pruning = Pruning(
        connection, Rule(EVERYTHING.cutoffs(NOW)), clock=FakeClock(), pause=lambda _: None, keeping=Touched()
    )
    with pytest.raises(StoreFullError):
        pruning.run()
    connection.close()

    assert pruning.done.total == 19
    assert len(told) == 1
    assert db.execute("SELECT id FROM jobs").fetchall() == [("3",)]
    db.close()


@pytest.mark.parametrize("is_first_pin", [True, False])
def test_a_job_that_is_pinned_when_it_was_archived_already_stays_and_is_told(tmp_path, is_first_pin):
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    for number in range(20):
        insert(db, f"{number}", "failed", created=text(NOW - 99 * DAY), completed=text(NOW - 40 * DAY))
    db.close()
    person, told = Connection(path), []
    if not is_first_pin:
        pin(person, "7", now=NOW)

    class Pinned(Keeping):
        def keep(self, rows):
            if len(rows) > 1:
                pin(person, "3", now=NOW)

        def left(self, rows):
            told.extend(rows)

    connection = Connection(path)
    Pruning(connection, Rule(EVERYTHING.cutoffs(NOW)), clock=FakeClock(), pause=lambda _: None, keeping=Pinned()).run()
    connection.close()

    assert {id_of(cells) for cells in told} == {"3"}
    assert {row[0] for row in person.rows("SELECT id FROM jobs")} == {"3"} | ({"7"} if not is_first_pin else set())
    person.close()


def test_where_a_batch_takes_long_the_next_ones_are_smaller_until_they_do_not(tmp_path, monkeypatch):
    path = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(path))
    with db:
        for number in range(1500):
            insert(db, f"{number}", "failed", created=text(NOW - 99 * DAY), completed=text(NOW - 40 * DAY))
    db.close()
    clock, took, deleted = FakeClock(), iter([0.021, 0.021, 0.016, 0.007, 0.007, *[0.0] * 20]), []
    real = Batch.delete

    def delete(self, rows):
        clock.advance(next(took))
        deleted.append(len(rows))
        return real(self, rows)

    monkeypatch.setattr(Batch, "delete", delete)
    connection = Connection(path)
    pauses = []
    Pruning(connection, Rule(EVERYTHING.cutoffs(NOW)), clock=clock, pause=pauses.append).run()
    connection.close()

    assert deleted[:6] == [400, 200, 100, 50, 100, 200]
    assert sum(deleted) == 1500
    assert pauses[:5] == pytest.approx([0.021, 0.021, 0.018, 0.018, 0.018])  # never shorter than a writer's wait
