"""Durations read and written."""

import subprocess
import sys
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.duration import MAX_DURATION, format_duration, parse_duration

MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", timedelta(days=30)),
        ("1d2h30m", timedelta(days=1, hours=2, minutes=30)),
        ("500ms", timedelta(milliseconds=500)),
        ("0.5s", timedelta(milliseconds=500)),
        ("5m", timedelta(minutes=5)),
        ("1w", timedelta(weeks=1)),
        ("1w1d1h1m1s1ms", timedelta(weeks=1, days=1, hours=1, minutes=1, seconds=1, milliseconds=1)),
        ("1m0.5s", timedelta(seconds=60.5)),
        ("0s", timedelta(0)),
        ("007d", timedelta(days=7)),
        ("0.000001s", MICROSECOND),
        ("36500d", MAX_DURATION),
    ],
)
def test_a_number_with_its_unit_is_a_duration(text, expected):
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("30", "has no unit; write 30s for seconds, 30m for minutes or 30d for days"),
        ("0", "has no unit"),
        ("1.5", "has no unit; write 1.5s"),
        (30, "has no unit; write 30s for seconds"),
        ("", "is empty"),
        ("-5s", "is negative"),
        ("\N{MINUS SIGN}5s", "is negative"),
        ("1e9d", "has the unknown unit 'e'"),
        ("1000000000d", "is longer than 36500d"),
        ("36500d0.000001s", "is longer than 36500d"),
        ("9" * 41, "is too long"),
        ("9" * 5000 + "d", "is too long"),
        ("1y", "months or years, which have no fixed length"),
        ("1mo", "months or years"),
        ("5D", "has the unknown unit 'D'"),
        ("5 m", "has the unknown unit ' m'"),
        ("5us", "has the unknown unit 'us'"),
        ("5\n", "has the unknown unit '\\n'"),
        ("1h1h", "repeats a unit or has them out of order"),
        ("1m1h", "repeats a unit or has them out of order"),
        ("0.5h1m", "only the last part may have one"),
        ("0.0000001s", "finer than a microsecond"),
        ("1d2", "a number without a unit"),
        ("1..5s", "a number without a unit"),
        ("s", "is not a duration"),
        ("five minutes", "is not a duration"),
        ("٣s", "is not a duration"),
        ("1h٣m", "unknown unit 'h\\u0663m'"),
        ("2:30", "has the unknown unit ':'"),
        ("PT5M", "is not a duration"),
    ],
)
def test_anything_else_is_refused_with_its_reason(text, message):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as refusal:
        parse_duration(text)

    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (timedelta(0), "0s"),
        (timedelta(days=90), "90d"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(hours=36), "1d12h"),
        (timedelta(milliseconds=500), "500ms"),
        (timedelta(microseconds=500), "0.5ms"),
        (timedelta(seconds=61.25), "1m1.25s"),
        (-timedelta(hours=1), "-1h"),
    ],
)
def test_a_duration_is_written_as_people_would(duration, expected):
    assert format_duration(duration) == expected


@given(st.timedeltas(min_value=timedelta(0), max_value=MAX_DURATION))
def test_what_is_written_reads_back_as_the_same(duration):
    assert parse_duration(format_duration(duration)) == duration


@given(st.text(alphabet="0123456789.wdhmsµ -e:", max_size=45) | st.text(max_size=45))
def test_any_text_is_a_duration_or_a_value_error(text):
    try:
        duration = parse_duration(text)
    except ValueError:
        return
    assert timedelta(0) <= duration <= MAX_DURATION


def test_durations_need_no_heavy_import():
    program = "import sys, hyperjobs.duration; print({'pydantic', 'yaml', 'structlog', 'hyperjobs.config'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
