"""What a kind of failed jobs comes to: how many there are, between when, and the newest as its example."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from hyperjobs.store.failures import Failures, ended_at
from hyperjobs.testing import START

TIMES = [START, START + timedelta(hours=1), START + timedelta(hours=2)]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_newest_job_is_the_example_in_whichever_order_they_come(order):
    found = Failures(kind="k")
    for number in order:
        found.add(TIMES[number], f"job-{number}", f"error {number}")

    assert (found.jobs, found.first_at, found.last_at) == (3, TIMES[0], TIMES[2])
    assert (found.example_id, found.example) == ("job-2", "error 2")


@pytest.mark.parametrize("times", [[START, START], [None, None]])
def test_of_those_that_ended_together_or_nobody_knows_when_the_one_added_last_is(times):
    found = Failures(kind="k")
    for number, at in enumerate(times):
        found.add(at, f"job-{number}", "")

    assert (found.example_id, found.last_at) == ("job-1", times[0])


@pytest.mark.parametrize("times", [[START, None], [None, START]])
def test_one_with_a_time_comes_before_one_without(times):
    found = Failures(kind="k")
    for at in times:
        found.add(at, str(at), "")

    assert (found.example_id, found.first_at, found.last_at) == (str(START), START, START)


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        (("2026-01-20 10:00:00+00:00", "2026-01-19 10:00:00+00:00", None), 20),
        (("nonsense", "2026-01-19 10:00:00+00:00", "2026-01-18 10:00:00+00:00"), 19),
        ((None, None, "2026-01-18 10:00:00+00:00"), 18),
    ],
)
def test_a_job_ended_at_the_first_of_its_times_that_can_be_read(times, wanted):
    assert ended_at(*times).day == wanted


def test_a_job_without_any_such_time_ended_at_none():
    assert ended_at(None, "", "nonsense") is None
