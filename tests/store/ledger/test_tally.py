"""What changes add up to: the counting rules, each with its edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hyperjobs.store import instant
from hyperjobs.store.ledger.label import Providers
from hyperjobs.store.ledger.replay import Change, Row
from hyperjobs.store.ledger.tally import (
    BYTES,
    CREATED,
    DURATION,
    DURATION_MICROS,
    FILES,
    FINISHED_JOBS,
    OVERFLOW,
    SKIPPED,
    WAIT,
    WAIT_MICROS,
    Tally,
)

NOW = datetime(2026, 1, 21, 10, 30, tzinfo=UTC)
AT = "2026-01-21 10:30:00"
HOUR = int(NOW.timestamp()) // 3600
_SECOND = timedelta(seconds=1)


def row(status: Any = "pending", **values: Any) -> Row:
    job: dict[str, Any] = {
        "provider": "vsphere", "status": status, "created_at": text(NOW - timedelta(hours=2)), "started_at": None,
        "completed_at": None, "total_size": 0, "files_count": 0,
    }  # fmt: skip
    return Row(**{**job, **values})


def text(at: datetime) -> str:
    return instant.format(at)


def tallied(
    *pairs: tuple[Row | None, Row | None],
    at: Any = AT,
    counted: bool = True,
    bounds: tuple[float, ...] = (60, 300),
    most: int = 50,
) -> Tally:
    tally = Tally(Providers(most=most), bounds=bounds, now=NOW)
    tally.add_all(Change("a", before, after, at, counted) for before, after in pairs)
    return tally


def totals(tally: Tally) -> dict[Any, int]:
    """What is not zero, without the bucket."""
    found: dict[Any, int] = {}
    for (metric, provider, status, _), count in tally.totals.items():
        if count:
            found[metric, provider, status] = found.get((metric, provider, status), 0) + count
    return found


def gauges(tally: Tally) -> dict[Any, int]:
    return {key: jobs for key, jobs in tally.gauges.items() if jobs}


# Gauges and events -------------------------------------------------------------------------------------------------


def test_a_job_that_appears_is_created_and_in_its_gauge() -> None:
    tally = tallied((None, row()))

    assert gauges(tally) == {("vsphere", "pending"): 1}
    assert totals(tally) == {(CREATED, "vsphere", ""): 1}


def test_a_delete_moves_the_gauge_only() -> None:
    tally = tallied((row("completed"), None))

    assert gauges(tally) == {("vsphere", "completed"): -1}
    assert totals(tally) == {}


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_job_finishes_once_when_it_enters_a_finished_status(status: str) -> None:
    tally = tallied((row("running"), row(status)), (row(status), row(status, files_count=1)))

    assert totals(tally)[FINISHED_JOBS, "vsphere", status] == 1


def test_a_job_that_goes_from_failed_to_completed_finishes_in_both() -> None:
    tally = tallied((row("running"), row("failed")), (row("failed"), row("completed")))

    assert (
        totals(tally)[FINISHED_JOBS, "vsphere", "failed"] == totals(tally)[FINISHED_JOBS, "vsphere", "completed"] == 1
    )


@pytest.mark.parametrize("status", ["", "COMPLETED", "done", None, b"completed", 7, 1.5])
def test_a_status_that_is_none_of_the_five_is_other_and_never_finishes(status: Any) -> None:
    tally = tallied((row("running"), row(status)), (row(status), None))

    assert gauges(tally) == {("vsphere", "running"): -1}
    assert totals(tally) == {}


def test_rows_brought_back_move_gauges_and_history_but_no_counter() -> None:
    tally = tallied((None, row("completed", total_size=5)), counted=False)

    assert gauges(tally) == {("vsphere", "completed"): 1}
    assert [event[2:4] for event in tally.history] == [(None, "completed")]
    assert totals(tally) == {}
    assert tally.hours == {}
    assert tally.latest == {}


# Hours -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("completed", "hour"),
    [
        (NOW + timedelta(hours=1) - _SECOND, HOUR + 1),
        (NOW + timedelta(hours=1), HOUR + 1),
        (NOW + timedelta(hours=1) + _SECOND, HOUR),
        (NOW - timedelta(days=400), HOUR - 400 * 24),
        (datetime(2026, 1, 21, 10, 0, tzinfo=UTC), HOUR),
        (datetime(2026, 1, 21, 10, 0, tzinfo=UTC) - timedelta(microseconds=1), HOUR - 1),
        (datetime(9999, 12, 31, tzinfo=UTC), HOUR),
    ],
)
def test_a_finish_belongs_to_the_hour_it_claims_up_to_an_hour_from_now(completed: datetime, hour: int) -> None:
    tally = tallied((row("running"), row("completed", completed_at=text(completed))))

    assert list(tally.hours) == [(hour, "vsphere", "completed")]


@pytest.mark.parametrize("completed", [None, "", "nonsense", b"2026-01-21 09:00:00", 1.5, "2026-13-45 99:00:00+00:00"])
def test_a_finish_without_a_readable_end_belongs_to_the_hour_it_was_written(completed: Any) -> None:
    tally = tallied((row("running"), row("failed", completed_at=completed)))

    assert tally.hours == {(HOUR, "vsphere", "failed"): [1, 0, 0, 0]}


@pytest.mark.parametrize("at", [None, -1, "", "garbage", b"2026"])
def test_a_log_row_without_its_time_was_written_now(at: Any) -> None:
    assert list(tallied((row("running"), row("failed")), at=at).hours) == [(HOUR, "vsphere", "failed")]


def test_the_end_is_read_in_the_writers_own_zone() -> None:
    tally = tallied((row("running"), row("completed", completed_at="2026-01-21 15:30:00.123456789+05:30")))

    assert list(tally.hours) == [(HOUR, "vsphere", "completed")]


@pytest.mark.parametrize(("ahead", "latest"), [(3600, 3600), (3601, 0)])
def test_the_newest_completion_is_never_more_than_an_hour_ahead(ahead: int, latest: int) -> None:
    tally = tallied((row("running"), row("completed", completed_at=text(NOW + timedelta(seconds=ahead)))))

    assert tally.latest == {"vsphere": int(NOW.timestamp()) + latest}


# Durations ---------------------------------------------------------------------------------------------------------


def _span(seconds: float) -> dict[str, str]:
    return {
        "started_at": text(NOW - timedelta(hours=1)),
        "completed_at": text(NOW - timedelta(hours=1) + timedelta(seconds=seconds)),
    }


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(59.999999, 0), (60, 0), (60.000001, 1), (300, 1), (300.000001, 2), (0, 0)]
)
def test_a_duration_falls_into_the_first_bucket_that_is_not_below_it(seconds: float, bucket: int) -> None:
    tally = tallied((row("running"), row("completed", **_span(seconds))))

    assert tally.totals[DURATION, "vsphere", "completed", bucket] == 1
    assert tally.totals[DURATION_MICROS, "vsphere", "completed", 0] == round(seconds * 1e6)
    assert next(iter(tally.hours.values()))[1] == round(seconds * 1e6)


@pytest.mark.parametrize(("seconds", "skipped"), [(0, 0), (-0.000001, 1), (-3600, 1)])
def test_a_negative_duration_counts_as_zero_and_as_an_anomaly(seconds: float, skipped: int) -> None:
    tally = tallied((row("running", started_at=_span(0)["started_at"]), row("completed", **_span(seconds))))

    assert tally.totals[DURATION, "vsphere", "completed", 0] == 1
    assert tally.totals[DURATION_MICROS, "vsphere", "completed", 0] == 0
    assert tally.totals.get((SKIPPED, "", "negative_duration", 0), 0) == skipped


def test_a_duration_is_observed_once_though_its_times_come_late() -> None:
    full = row("completed", **_span(10))
    bare = row("completed", started_at=full.started_at)

    tally = tallied((row("running"), bare), (bare, full), (full, full._replace(completed_at=text(NOW))))

    assert totals(tally)[DURATION, "vsphere", "completed"] == 1
    assert totals(tally)[FINISHED_JOBS, "vsphere", "completed"] == 1


def test_a_job_that_finishes_again_in_another_status_is_timed_again() -> None:
    failed = row("failed", **_span(10))

    tally = tallied((row("running"), failed), (failed, failed._replace(status="completed")))

    assert totals(tally)[DURATION, "vsphere", "failed"] == totals(tally)[DURATION, "vsphere", "completed"] == 1


def test_the_wait_is_observed_once_when_the_start_can_first_be_read() -> None:
    waiting, started = row(), row("running", started_at=text(NOW))

    tally = tallied(
        (waiting, waiting._replace(started_at="soon")),
        (waiting._replace(started_at="soon"), started),
        (started, started._replace(status="failed")),
    )

    assert totals(tally)[WAIT, "vsphere", ""] == 1
    assert totals(tally)[WAIT_MICROS, "vsphere", ""] == 2 * 3600 * 10**6


# Sizes -------------------------------------------------------------------------------------------------------------


def test_bytes_and_files_grow_while_finished_and_never_shrink() -> None:
    first, less, more = (
        row("completed", total_size=10, files_count=2),
        row("completed", total_size=4),
        row("completed", total_size=6),
    )

    tally = tallied((row("running", total_size=7), first), (first, less), (less, more))

    assert totals(tally)[BYTES, "vsphere", ""] == 10 + 2
    assert totals(tally)[FILES, "vsphere", ""] == 2
    assert next(iter(tally.hours.values())) == [1, 0, 12, 2]


@pytest.mark.parametrize("size", [None, -1, "many", b"\xff", 1.5, 2**63 - 1])
def test_a_size_that_makes_no_sense_is_none(size: Any) -> None:
    tally = tallied((row("running"), row("completed", total_size=size, files_count=size)))

    assert (BYTES, "vsphere", "") not in totals(tally)
    assert (FILES, "vsphere", "") not in totals(tally)


# Providers and history ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("others", "overflow"), [(49, 0), (50, 1)])
def test_a_provider_beyond_the_most_is_other_and_counted_as_overflow(others: int, overflow: int) -> None:
    first = [(None, row(provider=f"p{n}")) for n in range(others)]

    tally = tallied(*first, (None, row(provider="late")))

    assert totals(tally).get((OVERFLOW, "", ""), 0) == overflow
    assert gauges(tally)["other" if overflow else "late", "pending"] == 1


@pytest.mark.parametrize("provider", [None, "", b"vsphere"])
def test_a_provider_that_is_no_word_is_unknown(provider: Any) -> None:
    assert gauges(tallied((None, row(provider=provider)))) == {("unknown", "pending"): 1}


def test_the_history_holds_changes_of_status_and_nothing_else() -> None:
    tally = tallied((None, row()), (row(), row(total_size=1)), (row(), row("running")), (row("running"), None))

    assert tally.history == [
        ("a", int(NOW.timestamp()), None, "pending", None),
        ("a", int(NOW.timestamp()), "pending", "running", None),
        ("a", int(NOW.timestamp()), "running", None, None),
    ]


def test_a_status_that_is_no_text_is_shown_in_the_history() -> None:
    assert [event[3] for event in tallied((None, row(b"\xff")), (None, row(7))).history] == ["b'\\xff'", "7"]
