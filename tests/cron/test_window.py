"""Hours within which something may begin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.cron.window import parse_window
from support.zones import MINUTE

BERLIN = ZoneInfo("Europe/Berlin")
UTC_ZONE = ZoneInfo("UTC")


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "time", "inside"),
    [
        ("02:00-05:00", "01:59:59.999999", False),
        ("02:00-05:00", "02:00", True),
        ("02:00-05:00", "04:59:59.999999", True),
        ("02:00-05:00", "05:00", False),
        ("23:00-02:00", "22:59", False),
        ("23:00-02:00", "23:00", True),
        ("23:00-02:00", "00:00", True),
        ("23:00-02:00", "01:59", True),
        ("23:00-02:00", "02:00", False),
        ("22:00-24:00", "23:59", True),
        ("22:00-24:00", "00:00", False),
        ("2:30-3:00", "02:30", True),
    ],
)
def test_a_window_holds_its_start_and_not_its_end(window, time, inside):
    assert parse_window(window).contains(at(f"2026-05-01T{time}"), UTC_ZONE) is inside


def test_a_window_is_in_local_time():
    window = parse_window("02:00-03:00")

    assert window.contains(at("2026-07-01T00:30"), BERLIN)
    assert not window.contains(at("2026-07-01T02:30"), BERLIN)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("02:00", "is not a window; write two times"),
        ("", "is not a window"),
        ("2-5", "is not a window"),
        ("02:00-05:00-06:00", "is not a window"),
        ("02:00:00-05:00:00", "is not a window"),
        ("02:00/05:00", "is not a window"),
        ("25:00-26:00", "has a time that no clock shows"),
        ("24:00-02:00", "has a time that no clock shows"),
        ("02:60-05:00", "has a time that no clock shows"),
        ("02:00-02:00", "is empty"),
        ("00:00-24:00", "is empty"),
        (150, "is not a window"),
        (None, "is not a window"),
    ],
)
def test_what_is_no_window_is_refused_with_what_to_write(text, said):
    with pytest.raises(ValueError, match=r"^[a-z]") as caught:
        parse_window(text)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        ("02:00-05:00", "2026-05-01T00:30", "2026-05-01T00:30"),  # it is open: 02:30 in Berlin
        ("02:00-05:00", "2026-05-01T03:00", "2026-05-02T00:00"),  # it is over
        ("02:00-05:00", "2026-04-30T23:59", "2026-05-01T00:00"),  # a minute too early
        ("02:00-02:45", "2026-03-29T00:00", "2026-03-30T00:00"),  # skipped by the clocks: the day after
        ("02:00-03:30", "2026-03-29T00:00", "2026-03-29T01:00"),  # begins in the gap, opens after it
        ("02:30-03:00", "2026-10-25T01:10", "2026-10-25T01:30"),  # the second 02:30 is in it too
    ],
)
def test_a_window_opens_at_the_next_local_start(window, now, opens):
    assert parse_window(window).next_open(at(now), BERLIN) == at(opens)


def test_clocks_set_back_at_its_end_open_it_again_for_the_minutes_they_repeat():
    """On 2026-04-05 at 03:00Z clocks in Santiago went from midnight back to 23:00."""
    window, zone = parse_window("00:00-23:01"), ZoneInfo("America/Santiago")

    assert window.next_open(at("2026-04-05T02:01"), zone) == at("2026-04-05T03:00")
    assert window.next_open(at("2026-04-05T03:01"), zone) == at("2026-04-05T04:00")


@given(
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.sampled_from(["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Pacific/Apia", "Antarctica/Troll"]),
    st.sampled_from(
        ["2011-12-28T11:00", "2026-03-28T01:00", "2026-10-23T23:00", "2026-09-05T05:00", "2026-04-04T03:00"]
    ),
    st.integers(0, 2880),
)
def test_no_minute_before_the_opening_is_in_the_window(start, end, zone, day, minutes):
    if start == end:
        return
    window = parse_window(f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}")
    now, tz = at(day) + timedelta(minutes=minutes), ZoneInfo(zone)

    opens = window.next_open(now, tz)

    assert window.contains(opens, tz)
    while now < opens:
        assert not window.contains(now, tz)
        now += MINUTE
