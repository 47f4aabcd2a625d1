"""One run at a time, shared."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hyperjobs.web.flight import SingleFlight
from support.web_client import PATIENCE_S, eventually


def test_those_who_come_while_a_run_is_under_way_get_its_result():
    flight, begun = SingleFlight(), threading.Event()

    def end_when_seven_wait():
        begun.set()
        assert eventually(lambda: len(flight._running._condition._waiters) == 7)
        return "shared"

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(flight.run, end_when_seven_wait, wait_s=PATIENCE_S)
        assert begun.wait(PATIENCE_S)
        others = [pool.submit(flight.run, pytest.fail, wait_s=PATIENCE_S) for _ in range(7)]

        assert [each.result(PATIENCE_S) for each in (first, *others)] == ["shared"] * 8


def test_who_cannot_wait_for_the_run_under_way_is_told_so():
    flight, begun, may_end = SingleFlight(), threading.Event(), threading.Event()

    def slow():
        begun.set()
        return may_end.wait(PATIENCE_S)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(flight.run, slow, wait_s=PATIENCE_S)
        assert begun.wait(PATIENCE_S)
        with pytest.raises(TimeoutError):
            flight.run(pytest.fail, wait_s=-1.0)
        may_end.set()

        assert first.result(PATIENCE_S)


def test_who_comes_after_a_run_gets_a_new_one():
    flight = SingleFlight()

    assert flight.run(lambda: "first", wait_s=1) == "first"
    assert flight.run(lambda: "second", wait_s=1) == "second"


def test_a_failed_run_fails_for_all_and_then_is_over():
    flight = SingleFlight()

    def fail():
        raise KeyError("broken")

    with pytest.raises(KeyError):
        flight.run(fail, wait_s=1)
    assert flight.run(lambda: "good", wait_s=1) == "good"
