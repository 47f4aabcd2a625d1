"""A loop goes on through any fault, says it once, and shows whether it lives."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from hyperjobs.agent.loop import Loop
from hyperjobs.clock import SystemClock
from hyperjobs.errors import AgentRunningError, StoreBusyError, StoreInterruptedError, StoreNotFoundError
from hyperjobs.store.reader import Troubles
from support.processes import until


class QuickClock(SystemClock):
    """Real time, a thousand times as fast, so that waits of seconds take milliseconds."""

    def monotonic(self):
        return super().monotonic() * 1000


@contextmanager
def looping(turn, *, clock=None):
    troubles = Troubles()
    loop = Loop("test", turn, troubles=troubles, clock=clock or SystemClock())
    with capture_logs() as logs:
        loop.start()
        try:
            yield loop, troubles, logs
        finally:
            loop.stop()
            assert loop.join(10)


def script(*steps):
    """A turn that does the steps in order, then nothing more; and what tells that all are done."""
    left, done = list(steps), threading.Event()

    def turn(_is_stopping):
        if not left:
            done.set()
            return 60.0
        step = left.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    return turn, done


@pytest.fixture(autouse=True)
def _short_retries(monkeypatch):
    monkeypatch.setattr("hyperjobs.agent.loop._RETRY_S", 0.001)
    monkeypatch.setattr("hyperjobs.agent.loop._LONGEST_RETRY_S", 0.005)


def test_a_turn_is_made_again_after_as_long_as_it_says():
    turn, done = script(0.0, 0.0, 0.01)
    with looping(turn) as (_, troubles, logs):
        assert done.wait(10)

    assert (dict(troubles.counts), logs) == ({}, [])


def test_one_trouble_is_logged_once_and_counted_each_time_and_its_end_is_logged():
    turn, done = script(StoreNotFoundError("none"), StoreNotFoundError("none"), StoreNotFoundError("none"), 0.0)
    with looping(turn) as (_, troubles, logs):
        assert done.wait(10)

    assert troubles.counts == {"missing": 3}
    assert [(line["event"], line.get("reason") or line.get("after")) for line in logs] == [
        ("agent.loop_failed", "missing"),
        ("agent.loop_recovered", "missing"),
    ]


def test_another_trouble_is_logged_again():
    turn, done = script(StoreNotFoundError("none"), StoreBusyError("busy"), StoreNotFoundError("none"), 0.0)
    with looping(turn) as (_, troubles, logs):
        assert done.wait(10)

    assert troubles.counts == {"missing": 2, "busy": 1}
    assert [line["reason"] for line in logs if line["event"] == "agent.loop_failed"] == ["missing", "busy", "missing"]


def test_a_fault_of_ours_is_logged_with_its_trace_and_the_loop_goes_on():
    turn, done = script(ZeroDivisionError("oops"), 0.0)
    with looping(turn) as (_, troubles, logs):
        assert done.wait(10)

    assert troubles.counts == {}
    assert (logs[0]["reason"], logs[0]["exc_info"]) == ("ZeroDivisionError", True)


def test_what_is_said_for_people_is_logged_without_a_trace():
    turn, done = script(AgentRunningError("pid 1 has it"), 0.0)
    with looping(turn) as (_, _, logs):
        assert done.wait(10)

    assert (logs[0]["reason"], logs[0]["exc_info"], logs[0]["error"]) == ("agent_running", False, "pid 1 has it")


def test_an_interrupt_is_no_trouble():
    turn, done = script(StoreInterruptedError("stop"), 0.0)
    with looping(turn) as (_, troubles, logs):
        assert done.wait(10)

    assert (dict(troubles.counts), logs) == ({}, [])


def test_a_long_wait_ends_with_the_stop():
    turn, done = script()
    with looping(turn) as (loop, _, _):
        assert done.wait(10)
        loop.stop()

        assert loop.join(5)


def test_a_turn_can_see_the_stop():
    entered = threading.Event()

    def turn(is_stopping):
        entered.set()
        until(is_stopping, "the stop")
        return 60.0

    with looping(turn) as (loop, _, _):
        assert entered.wait(10)
        assert not loop.join(0)
        loop.stop()
        assert loop.join(10)


def test_a_loop_that_waits_on_purpose_is_not_silent_and_one_that_hangs_is():
    gate, entered = threading.Event(), threading.Event()

    def hang(_is_stopping):
        entered.set()
        gate.wait(20)
        return 0.0

    turn, done = script()
    with looping(turn) as (waiting, _, _), looping(hang, clock=QuickClock()) as (hanging, _, _):
        assert done.wait(10)
        assert entered.wait(10)
        until(lambda: hanging.silent_s() > 30, "silence")
        assert waiting.silent_s() < 10
        gate.set()


def test_a_loop_that_is_not_started_or_has_ended_is_silent_for_ever():
    loop = Loop("test", lambda _: 0.0, troubles=Troubles(), clock=SystemClock())
    assert loop.silent_s() == float("inf")
    assert loop.join(1)  # nothing to wait for
    loop.start()
    until(lambda: loop.silent_s() < 30, "life")
    loop.stop()
    assert loop.join(10)
    assert loop.silent_s() == float("inf")


def test_waits_between_failures_grow_to_a_bound(monkeypatch):
    monkeypatch.setattr("hyperjobs.agent.loop._RETRY_S", 1.0)
    monkeypatch.setattr("hyperjobs.agent.loop._LONGEST_RETRY_S", 5.0)
    loop = Loop("test", _busy, troubles=Troubles(), clock=SystemClock())

    assert [loop._guarded_turn() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def _busy(_is_stopping):
    raise StoreBusyError("busy")
