from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.store.cursor import parse_cursor, write_cursor
from hyperjobs.store.models import JobCursor


@given(
    st.none() | st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
)
def test_a_cursor_is_read_back_as_the_same_place(at, job_id):
    cursor = JobCursor(at, job_id)

    assert parse_cursor(write_cursor(cursor)) == cursor


@given(st.text())
def test_a_cursor_is_one_word_of_a_shell(job_id):
    word = write_cursor(JobCursor(None, job_id))

    assert shlex.split(word) == [word]
    assert word.isascii()


def test_a_cursor_is_readable():
    at = datetime(2026, 9, 1, 9, tzinfo=timezone(timedelta(hours=9)))

    assert write_cursor(JobCursor(at, "migration-1")) == "2026-09-01T00:00:00.000000Z/migration-1"


@pytest.mark.parametrize("word", ["", "job-1", "2026-09-01/job-1", "soon/job-1", "/job-1"])
def test_another_word_is_refused(word):
    with pytest.raises(ValueError, match=r"."):
        parse_cursor(word)
