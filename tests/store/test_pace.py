"""How fast a job goes on, and how long it takes yet: told when it can be, and not when it cannot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.store.pace import Pace
from hyperjobs.testing import make_job


def pace_of(*looks, size=0, since=None):
    pace = Pace(since)
    for at_s, progress in looks:
        pace.look(make_job(id="j", status="running", progress=progress, total_size=size), at_s)
    return pace


@pytest.mark.parametrize("looks", [[], [(0, 10.0)], [(0, 10.0), (5, 10.0)], [(0, 10.0), (0, 20.0)]])
def test_one_look_or_no_progress_is_no_speed(looks):
    pace = pace_of(*looks, size=100)

    assert (pace.percent_per_s, pace.bytes_per_s, pace.left_s) == (None, None, None)


def test_two_looks_make_a_speed_and_a_time_left():
    pace = pace_of((0, 10.0), (10, 30.0), size=1000)

    assert (pace.percent_per_s, pace.bytes_per_s, pace.left_s) == (2.0, 20.0, 35.0)


def test_without_a_size_there_is_no_speed_in_bytes():
    assert pace_of((0, 10.0), (10, 30.0)).bytes_per_s is None


def test_what_was_more_than_a_minute_ago_does_not_count():
    fast_then_slow = [(0, 0.0), (10, 50.0), *((10 + second, 50.0 + second / 10) for second in range(1, 101))]

    assert pace_of(*fast_then_slow).percent_per_s == pytest.approx(0.1)


def test_looks_further_apart_than_a_minute_still_make_a_speed():
    assert pace_of((0, 0.0), (600, 60.0)).percent_per_s == pytest.approx(0.1)


def test_a_job_that_began_anew_is_told_by_its_new_attempt_alone():
    assert pace_of((0, 90.0), (10, 5.0)).percent_per_s is None
    assert pace_of((0, 90.0), (10, 5.0), (20, 15.0)).percent_per_s == 1.0


def test_it_stands_since_its_progress_was_last_another():
    assert pace_of((0, 10.0), (10, 20.0), (30, 20.0)).stood_s(50) == 40
    assert pace_of((0, 10.0)).stood_s(7) == 7
    assert pace_of((0, 10.0), since=-100.0).stood_s(7) == 107
    assert pace_of((0, 10.0), (5, 11.0), since=-100.0).stood_s(7) == 2


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 100)), max_size=60))
def test_whatever_the_looks_a_speed_is_positive_and_time_left_no_less_than_nothing(steps):
    pace, at_s = Pace(), 0.0
    for step_s, progress in steps:
        at_s += step_s
        pace.look(make_job(id="j", status="running", progress=progress), at_s)
        assert pace.percent_per_s is None or pace.percent_per_s > 0
        assert pace.left_s is None or pace.left_s >= 0
        assert pace.stood_s(at_s) >= 0
