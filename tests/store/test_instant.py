"""Times are read from whatever text or number a writer left, and written in one form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs import InvalidJobError
from hyperjobs.store import instant

TEN = datetime(2026, 1, 21, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-21 10:00:00+00:00",
        "2026-01-21T10:00:00Z",
        "2026-01-21 10:00:00",
        "2026-01-21 15:30:00+05:30",
        "2026-01-21 15:30:00 +05:30",
        "2026-01-21 15:30:00 +0530 IST",
        "2026-01-21 10:00:00.0000009 +0000 UTC m=+0.012",
        "2026-01-20 20:00:00.000000000-14:00",
        "2026-01-22 00:00:00+14:00",
        1768989600,
        1768989600000,
        1768989600000000,
        1768989600000000000,
    ],
)
def test_every_form_of_one_instant_is_read_as_the_same(text):
    assert instant.parse(text) == TEN


@pytest.mark.parametrize(("text", "micros"), [(".5", 500_000), (".123456789", 123_456), (".12157202", 121_572)])
def test_a_fraction_is_cut_at_the_microsecond(text, micros):
    assert instant.parse(f"2026-01-21 10:00:00{text}-03:30") == TEN + timedelta(
        hours=3, minutes=30, microseconds=micros
    )


def test_a_bare_date_is_its_midnight_in_utc():
    assert instant.parse("2026-01-21") == datetime(2026, 1, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        None, "", "yesterday", "2026-02-31 10:00:00+00:00", "2026-01-21 10:00:00+14:01", "2026-01-21 10:00:00+05:30:15",
        "2026-W01-1T10:00:00+00:00", "2026-01-21T100000.0+05:30", "2026-01-21 10:00:00,5+00:00", "2026-01-21 10:00+00:00",
        "2026-01-21x10:00:00+00:00", "٢٠٢٦-01-21 10:00:00", 2461061.9, True, b"2026-01-21", 10**12, -(10**12), [], object(),
    ],
)  # fmt: skip
def test_what_names_no_instant_is_none(value):
    assert instant.parse(value) is None


def test_an_instant_that_a_zone_pushes_past_the_calendar_is_held_at_its_end():
    assert instant.parse("0001-01-01 00:00:00+05:00") == datetime.min.replace(tzinfo=UTC)
    assert instant.parse("9999-12-31 23:59:59.9-12:00") == datetime.max.replace(tzinfo=UTC)


@given(st.one_of(st.text(max_size=40), st.integers(), st.floats(), st.binary(max_size=40), st.none()))
def test_reading_never_raises(value):
    found = instant.parse(value)

    assert found is None or found.tzinfo is UTC


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_what_is_written_is_read_back_and_has_one_width(naive, minutes):
    at = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))

    text = instant.format(at)

    assert instant.parse(text) == at
    assert len(text) == len("2026-01-21 10:00:00.000000+00:00")
    assert text.endswith("+00:00")


def test_a_naive_time_is_refused_with_the_remedy():
    with pytest.raises(InvalidJobError, match=r"datetime\.now\(UTC\)"):
        instant.format(datetime(2026, 1, 21))  # noqa: DTZ001 - what is refused


def test_an_instant_past_the_calendar_is_refused():
    with pytest.raises(InvalidJobError, match="1 to 9999"):
        instant.format(datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))))
