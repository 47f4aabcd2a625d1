from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from hyperjobs.cli.moment import parse_moment, show_age, show_instant, write_instant

NOW = datetime(2026, 9, 10, 12, 30, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _new_york(monkeypatch):
    """Tests read in a zone that has summer time, whatever the machine's is."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("now", NOW),
        ("7d", NOW - timedelta(days=7)),
        ("12h", NOW - timedelta(hours=12)),
        ("1d12h", NOW - timedelta(hours=36)),
        ("2h ago", NOW - timedelta(hours=2)),
        ("2026-09-01", datetime(2026, 9, 1, 4, tzinfo=UTC)),
        ("2026-01-01", datetime(2026, 1, 1, 5, tzinfo=UTC)),
        ("20260901", datetime(2026, 9, 1, 4, tzinfo=UTC)),
        ("2026-09-01T03:00", datetime(2026, 9, 1, 7, tzinfo=UTC)),
        ("2026-09-01 03:00:30", datetime(2026, 9, 1, 7, 0, 30, tzinfo=UTC)),
        ("2026-09-01T03:00Z", datetime(2026, 9, 1, 3, tzinfo=UTC)),
        ("2026-09-01T03:00+05:30", datetime(2026, 8, 31, 21, 30, tzinfo=UTC)),
        ("today", datetime(2026, 9, 10, 4, tzinfo=UTC)),
        ("Yesterday", datetime(2026, 9, 9, 4, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_in_the_readers_zone(text, at):
    assert parse_moment(text, now=NOW) == at


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-09-01", datetime(2026, 9, 1, tzinfo=UTC)),
        ("2026-09-01T03:00", datetime(2026, 9, 1, 3, tzinfo=UTC)),
        ("2026-09-01T03:00+02:00", datetime(2026, 9, 1, 1, tzinfo=UTC)),
        ("today", datetime(2026, 9, 10, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_in_utc_when_asked(text, at):
    assert parse_moment(text, now=NOW, utc=True) == at


@pytest.mark.parametrize(
    "text",
    ["", "7", "-7d", "7y", "2026-13-01", "2026-09-31", "soon", "99999d", "2026-09-01T25:00", "0001-01-01", "\uff11d"],
)
def test_what_is_no_moment_is_refused_with_an_example(text):
    if text == "0001-01-01":
        assert parse_moment(text, now=NOW, utc=True).year == 1
        return
    with pytest.raises(ValueError, match="2026-09-01T03:00"):
        parse_moment(text, now=NOW)


def test_a_day_in_the_autumn_change_begins_at_its_own_midnight():
    assert parse_moment("2026-11-01", now=NOW) == datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert parse_moment("2026-11-02", now=NOW) == datetime(2026, 11, 2, 5, tzinfo=UTC)


def test_a_table_shows_the_readers_zone_or_utc():
    at = datetime(2026, 9, 1, 2, 5, 59, tzinfo=UTC)

    assert show_instant(at, utc=False) == "2026-08-31 22:05"
    assert show_instant(at, utc=True) == "2026-09-01 02:05"
    assert show_instant(None, utc=True) == "-"


def test_the_ends_of_the_calendar_are_shown():
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    last = datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-12)))

    for at in (first, last):
        assert show_instant(at, utc=False)
        assert show_instant(at, utc=True)
        assert write_instant(at)


def test_programs_get_one_width_in_utc():
    assert write_instant(datetime(2026, 9, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))) == (
        "2026-09-01T00:00:00.000000Z"
    )


@pytest.mark.parametrize(
    ("ago", "age"),
    [
        (timedelta(0), "0s"),
        (timedelta(seconds=59), "59s"),
        (timedelta(seconds=60), "1m"),
        (timedelta(minutes=59, seconds=59), "59m"),
        (timedelta(hours=1), "1h"),
        (timedelta(hours=23, minutes=59), "23h"),
        (timedelta(days=1), "1d"),
        (timedelta(days=400), "400d"),
        (timedelta(hours=-3), "in 3h"),
    ],
)
def test_an_age_is_in_its_largest_unit(ago, age):
    assert show_age(NOW - ago, now=NOW) == age
