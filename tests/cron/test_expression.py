"""What an expression may be, and what is said about one that is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.cron.expression import parse_schedule

START = datetime(2026, 1, 21, 10, 7, tzinfo=UTC)

BAD = {
    "": "is empty; write",
    "   ": "is empty",
    "0 2 * *": 'has 4 fields; write "minute hour day month weekday"',
    "0 0 2 * * *": "has 6 fields",
    "daily": "has 1 field;",
    "@dayly": "did you mean @daily?",
    "@reboot": "has the unknown alias '@reboot'; there are @hourly",
    "60 2 * * *": "has the minute field '60'; it takes 0-59",
    "0 24 * * *": "has the hour field '24'; it takes 0-23",
    "0 2 32 * *": "has the day field '32'; it takes 1-31",
    "0 2 0 * *": "has the day field '0'",
    "0 2 * 13 *": "has the month field '13'",
    "0 2 * * 8": "has the weekday field '8'; it takes 0-7",
    "0 2 * * sunday": "has the weekday field 'sunday'",
    "0 22-2 * * *": "has the hour field '22-2', whose range runs backwards; write two ranges",
    "*/0 * * * *": "has the minute field '*/0'",
    "-1 * * * *": "has the minute field '-1'",
    "1,,2 * * * *": "has the minute field '1,,2'",
    "٣ 2 * * *": "has the minute field",
    "9999999999999999999 2 * * *": "has the minute field '9999999999999999999'",
    "0 2 31 2 *": "never comes: there is no day 31 on weekday * in month 2",
    "0 2 30 feb *": "never comes",
    "0 2 31 4,6,9,11 *": "never comes",
    "0 2 31 2 */2": "never comes",
    "0 2 30,31 2 *": "never comes",
    "* * * * " + "0," * 200 + "0": "is longer than 200 characters",
}


@pytest.mark.parametrize("text", BAD)
def test_an_expression_that_cannot_be_used_is_refused_with_what_to_write(text):
    with pytest.raises(ValueError, match=r"^[a-z]") as caught:
        parse_schedule(text)

    assert BAD[text] in str(caught.value)


@pytest.mark.parametrize("value", [None, 150, 2.5, ["0 2 * * *"], True])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(ValueError, match="is not text"):
        parse_schedule(value)


@pytest.mark.parametrize(
    "text", ["0 2 29 2 *", "0 2 31 2 mon", "0 0 29 2 */7", "0 0 L 2 *", "0 0 LW * *", "0 0 * * 5L"]
)
def test_a_day_that_comes_at_least_once_in_a_life_is_a_schedule(text):
    slots = list(islice(parse_schedule(text).after(START), 2))

    assert slots[0].at < slots[1].at


@pytest.mark.parametrize(
    ("alias", "expression"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@Daily", "0 0 * * *"),
    ],
)
def test_an_alias_means_its_expression(alias, expression):
    now = START

    assert list(islice(parse_schedule(alias).after(now), 3)) == list(islice(parse_schedule(expression).after(now), 3))
    assert str(parse_schedule(alias)) == f"{alias} UTC"


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("berlin", "did you mean 'Europe/Berlin'?"),
        ("europe/berlin", "did you mean 'Europe/Berlin'?"),
        ("New York", "did you mean 'America/New_York'?"),
        ("Europe", "is not a known time zone ('Europe')"),
        ("", "is not a time zone; write one such as UTC"),
        (None, "is not a time zone"),
        ("../../etc/passwd", "is not a known time zone"),
        ("/usr/share/zoneinfo/UTC", "is not a known time zone"),
        ("right/Europe/Berlin", "is not a known time zone"),  # its minutes begin 27 seconds late
        ("a\0b", "is not a known time zone"),
        ("zzz" * 100, "write one such as UTC or Europe/Berlin"),
    ],
)
def test_a_zone_that_there_is_not_is_refused_with_the_nearest(zone, said):
    with pytest.raises(ValueError, match=r"^[a-z]") as caught:
        parse_schedule("@daily", zone)

    assert said in str(caught.value)


def field(low, high, names=()):
    number = st.integers(low, high)
    ordered = st.tuples(number, number).map(sorted)
    words = st.sampled_from(names) if names else st.nothing()
    term = st.one_of(
        number.map(str),
        words,
        ordered.map(lambda pair: f"{pair[0]}-{pair[1]}"),
        st.tuples(ordered, st.integers(1, 9)).map(lambda of: f"{of[0][0]}-{of[0][1]}/{of[1]}"),
        st.integers(1, 9).map(lambda step: f"*/{step}"),
    )
    return st.one_of(st.just("*"), st.just("*"), st.lists(term, min_size=1, max_size=3).map(",".join))


EXPRESSIONS = st.tuples(
    field(0, 59),
    field(0, 23),
    st.one_of(field(1, 31), st.sampled_from(["L", "LW"])),
    field(1, 12, ("jan", "Feb", "DEC")),
    st.one_of(field(0, 7, ("sun", "Mon", "SAT")), st.sampled_from(["mon#1", "5L", "sun#5"])),
).map(" ".join)


@given(EXPRESSIONS, st.integers(0, 9 * 366 * 1440))
def test_without_changes_of_the_clocks_slots_are_those_of_cronsim(text, minutes):
    start = START + timedelta(minutes=minutes)
    try:
        schedule = parse_schedule(text)
    except ValueError as exc:
        assert "never comes" in str(exc)  # noqa: PT017 - most expressions are sound
        return

    ours = [slot.at.replace(tzinfo=None) for slot in islice(schedule.after(start), 12)]

    assert ours == list(islice(CronSim(text, start.replace(tzinfo=None)), 12))


@given(st.text(alphabet="0123456789*,-/#LWsunmojafeb@ \t", max_size=40) | st.text(max_size=20))
def test_whatever_is_written_is_a_schedule_or_a_value_error(text):
    try:
        schedule = parse_schedule(text)
    except ValueError:
        return

    first, second = islice(schedule.after(START), 2)
    assert timedelta(0) < second.at - first.at
    assert schedule.expected_interval(first.at) > timedelta(0)
