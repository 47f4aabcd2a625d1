"""Days on which clocks change, by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from hyperjobs.cron.expression import parse_schedule
from hyperjobs.cron.shift import Shift, shift_of


def on(text, zone, day, days=1):
    """(nominal, instant, local time it runs at, what was different) of each slot."""
    schedule = parse_schedule(text, zone)
    return [
        (
            slot.nominal.removesuffix(f" {zone}"),
            slot.at.strftime("%dT%H:%MZ"),
            slot.at.astimezone(schedule.tz).strftime("%d %H:%M"),
            shift_of(schedule, slot),
        )
        for slot in schedule.on(date.fromisoformat(day), days)
    ]


# zone, day, time of day, instant, local time it runs at
GAPS = [
    ("Europe/Berlin", "2026-03-29", "02:00", "29T01:00Z", "29 03:00"),
    ("Europe/Berlin", "2026-03-29", "02:30", "29T01:00Z", "29 03:00"),
    ("Europe/Berlin", "2026-03-29", "02:59", "29T01:00Z", "29 03:00"),
    ("America/Santiago", "2026-09-06", "00:00", "06T04:00Z", "06 01:00"),
    ("America/Santiago", "2026-09-06", "00:30", "06T04:00Z", "06 01:00"),
    ("Asia/Beirut", "2026-03-29", "00:15", "28T22:00Z", "29 01:00"),
    ("Africa/Cairo", "2026-04-24", "00:00", "23T22:00Z", "24 01:00"),
    ("America/Nuuk", "2026-03-28", "23:30", "29T01:00Z", "29 00:00"),  # the gap ends at midnight
    ("America/Scoresbysund", "2026-03-28", "23:30", "29T01:00Z", "29 00:00"),
    ("Australia/Lord_Howe", "2026-10-04", "02:15", "03T15:30Z", "04 02:30"),
    ("Antarctica/Troll", "2026-03-29", "01:30", "29T01:00Z", "29 03:00"),  # two hours
    ("Africa/Casablanca", "2026-03-22", "02:30", "22T02:00Z", "22 03:00"),  # the end of Ramadan
    ("Pacific/Apia", "2011-12-30", "00:00", "30T10:00Z", "31 00:00"),  # the day that was left out
    ("Pacific/Apia", "2011-12-30", "02:30", "30T10:00Z", "31 00:00"),
    ("Pacific/Apia", "2011-12-30", "23:59", "30T10:00Z", "31 00:00"),
    ("America/St_Johns", "2011-03-13", "00:30", "13T03:31Z", "13 01:01"),  # the clocks went on at 00:01
    ("Pacific/Chatham", "2026-09-27", "02:50", "26T14:00Z", "27 03:45"),
]
REPEATED = [
    ("Europe/Berlin", "2026-10-25", "02:00", "25T00:00Z", "25 02:00"),
    ("Europe/Berlin", "2026-10-25", "02:30", "25T00:30Z", "25 02:30"),
    ("Europe/Berlin", "2026-10-25", "02:59", "25T00:59Z", "25 02:59"),
    ("America/Santiago", "2026-04-04", "23:30", "05T02:30Z", "04 23:30"),
    ("Australia/Lord_Howe", "2026-04-05", "01:45", "04T14:45Z", "05 01:45"),
    ("Antarctica/Troll", "2026-10-25", "01:30", "24T23:30Z", "25 01:30"),
    ("El_Aaiun", "2026-02-15", "02:30", "15T01:30Z", "15 02:30"),  # Ramadan begins
    ("America/St_Johns", "2010-11-07", "00:00", "07T02:30Z", "07 00:00"),  # a minute later the date goes back
    ("America/St_Johns", "2010-11-06", "23:30", "07T02:00Z", "06 23:30"),
]
PLAIN = [
    ("Europe/Berlin", "2026-03-29", "01:59", "29T00:59Z", "29 01:59"),  # a minute before the gap
    ("Europe/Berlin", "2026-03-29", "03:00", "29T01:00Z", "29 03:00"),  # the first minute after it
    ("Europe/Berlin", "2026-10-25", "01:59", "24T23:59Z", "25 01:59"),
    ("Europe/Berlin", "2026-10-25", "03:00", "25T02:00Z", "25 03:00"),
    ("Pacific/Apia", "2011-12-29", "23:59", "30T09:59Z", "29 23:59"),
    ("Pacific/Apia", "2011-12-31", "00:00", "30T10:00Z", "31 00:00"),
    ("Asia/Kolkata", "2026-03-29", "02:30", "28T21:00Z", "29 02:30"),
    ("Pacific/Chatham", "2026-01-10", "02:30", "09T12:45Z", "10 02:30"),
    ("UTC", "2026-03-29", "02:30", "29T02:30Z", "29 02:30"),
]


def daily(case):
    zone, day, at, instant, shown = case
    zone = "Africa/El_Aaiun" if zone == "El_Aaiun" else zone
    hour, minute = at.split(":")
    [slot] = on(f"{int(minute)} {int(hour)} * * *", zone, day)
    assert slot[:3] == (f"{day}T{at}", instant, shown)
    return slot[3]


@pytest.mark.parametrize("case", GAPS, ids=str)
def test_a_time_that_the_clocks_skip_runs_right_after_the_gap(case):
    assert daily(case) is Shift.GAP


@pytest.mark.parametrize("case", REPEATED, ids=str)
def test_a_time_that_the_clocks_show_twice_runs_the_first_time_only(case):
    assert daily(case) is Shift.REPEATED


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_a_time_beside_a_change_runs_as_on_any_day(case):
    assert daily(case) is None


def test_several_times_in_one_gap_each_run_after_it():
    assert [slot[:2] for slot in on("0,20,40 2,3 * * *", "Europe/Berlin", "2026-03-29")] == [
        ("2026-03-29T02:00", "29T01:00Z"),
        ("2026-03-29T02:20", "29T01:00Z"),
        ("2026-03-29T02:40", "29T01:00Z"),
        ("2026-03-29T03:00", "29T01:00Z"),
        ("2026-03-29T03:20", "29T01:20Z"),
        ("2026-03-29T03:40", "29T01:40Z"),
    ]


def test_by_interval_both_passes_of_a_repeated_hour_run_and_each_has_a_name_of_its_own():
    slots = on("*/30 * * * *", "Europe/Berlin", "2026-10-25")

    assert len(slots) == 50
    assert [slot for slot in slots if slot[2].startswith("25 02")] == [
        ("2026-10-25T00:00Z", "25T00:00Z", "25 02:00", Shift.INTERVAL),
        ("2026-10-25T00:30Z", "25T00:30Z", "25 02:30", Shift.INTERVAL),
        ("2026-10-25T01:00Z", "25T01:00Z", "25 02:00", Shift.INTERVAL),
        ("2026-10-25T01:30Z", "25T01:30Z", "25 02:30", Shift.INTERVAL),
    ]


def test_by_interval_nothing_runs_for_an_hour_that_is_skipped():
    slots = on("*/30 * * * *", "Europe/Berlin", "2026-03-29")

    assert len(slots) == 46
    assert not [slot for slot in slots if slot[2].startswith("29 02")]
    assert [slot[3] for slot in slots if slot[2] == "29 03:00"] == [Shift.INTERVAL]


def test_by_interval_real_time_stays_in_order_when_a_date_comes_back():
    # St. John's: 00:00 of the 7th, at 00:01 back to 23:01 of the 6th, then 00:00 of the 7th again
    schedule = parse_schedule("*/30 * * * *", "America/St_Johns")
    start = datetime(2010, 11, 7, 1, 30, tzinfo=UTC)

    slots = list(schedule.between(start, start + timedelta(hours=3)))

    assert [slot.at.astimezone(schedule.tz).strftime("%d %H:%M") for slot in slots] == [
        "06 23:30",
        "07 00:00",
        "06 23:30",
        "07 00:00",
        "07 00:30",
        "07 01:00",
    ]


def test_by_interval_only_the_days_of_the_zone_count():
    # Sunday in Apia is Saturday 10:00 to Sunday 10:00 in UTC
    schedule = parse_schedule("0 * * * sun", "Pacific/Apia")
    start = datetime(2026, 7, 1, tzinfo=UTC)

    slots = list(schedule.between(start, start + timedelta(days=7)))

    assert len(slots) == 24
    assert {slot.at.astimezone(schedule.tz).strftime("%a") for slot in slots} == {"Sun"}


@pytest.mark.parametrize(("hours", "is_interval"), [("*", True), ("*/1", True), ("0-23", False), ("*/2", False)])
def test_only_an_hour_field_of_a_star_means_an_interval(hours, is_interval):
    assert parse_schedule(f"0 {hours} * * *", "Europe/Berlin").is_interval is is_interval


def test_a_slot_is_after_an_instant_only_if_it_is_later():
    schedule = parse_schedule("30 2 * * *")
    at = datetime(2026, 5, 1, 2, 30, tzinfo=UTC)
    tick = timedelta(microseconds=1)

    assert next(schedule.after(at - tick)).at == at
    assert next(schedule.after(at)).at == at + timedelta(days=1)
    assert next(schedule.before(at)).at == at
    assert next(schedule.before(at - tick)).at == at - timedelta(days=1)
    assert [slot.at for slot in schedule.between(at - tick, at)] == [at]
    assert list(schedule.between(at, at + timedelta(days=1) - tick)) == []


def test_the_second_pass_of_a_repeated_hour_does_not_bring_its_slots_back():
    schedule = parse_schedule("30 2 * * *", "Europe/Berlin")
    in_the_second_pass = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)

    assert next(schedule.after(in_the_second_pass)).nominal == "2026-10-26T02:30 Europe/Berlin"
    assert next(schedule.before(in_the_second_pass)).nominal == "2026-10-25T02:30 Europe/Berlin"


def test_at_the_ends_of_the_calendar_slots_end():
    schedule = parse_schedule("30 2 * * *", "Pacific/Kiritimati")

    assert list(schedule.after(datetime(9999, 12, 31, 23, 59, tzinfo=UTC))) == []
    assert list(schedule.before(datetime(1, 1, 1, tzinfo=UTC))) == []
    assert len(list(schedule.after(datetime(9998, 12, 1, tzinfo=UTC)))) == 30


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("30 2 * * *", 1),
        ("0 4 * * sun", 7),
        ("0 4 * * mon-fri", 3),
        ("0 0 1 * *", 31),
        ("*/30 * * * *", 1 / 48),
        ("0 */6 * * *", 1 / 4),
        ("0 9-17 * * *", 16 / 24),
        ("0 0 29 2 *", 1461),
    ],
)
def test_the_expected_interval_is_the_longest_between_two_neighbours(text, days):
    # from a day before a change in Berlin, which must not make a day of 23 or 25 hours
    for now in (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)):
        expected = 30 if text == "0 0 1 * *" else days
        assert parse_schedule(text, "Europe/Berlin").expected_interval(now) == timedelta(days=expected)
