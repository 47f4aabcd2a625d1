"""A failure is told once and its end once, whatever comes in between; held against a plain model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hyperjobs.notify.event import Event
from hyperjobs.notify.tracker import Tracker

START = datetime(2026, 9, 10, 1, 30, tzinfo=UTC)
SUBJECTS = ("task:backup", "task:prune", "store")
HOUR = timedelta(hours=1)


def failed(at=START, *, subject="task:backup", occasion=0, name="task.failed"):
    return Event(name=name, subject=subject, at=at, occasion=occasion, task="backup")


class OncePerChange(RuleBasedStateMachine):
    """What is told of each subject alternates: bad, good, bad, good; whoever missed the bad hears it the next time."""

    def __init__(self):
        super().__init__()
        self.tracker = Tracker()
        self.now, self.occasion = START, 0
        self.bad: dict[str, Event] = {}  # subject → what was given out and has not ended
        self.heard: set[str] = set()
        self.lost: set[str] = set()

    @rule(subject=st.sampled_from(SUBJECTS))
    def fails(self, subject):
        self.occasion += 1
        told = self.tracker.bad(failed(self.now, subject=subject, occasion=self.occasion))

        assert (told is not None) == (subject not in self.bad or subject in self.lost)
        if told is not None:
            self.bad[subject] = told
            self.lost.discard(subject)

    @rule(subject=st.sampled_from(SUBJECTS))
    def works(self, subject):
        self.occasion += 1
        told = self.tracker.good(subject, self.now, occasion=self.occasion)

        assert (told is not None) == (subject in self.bad)
        assert told is None or (told.name, told.subject) == ("task.recovered", subject)
        self.bad.pop(subject, None)
        self.heard.discard(subject)
        self.lost.discard(subject)

    @precondition(lambda self: self.bad)
    @rule(data=st.data())
    def arrives(self, data):
        subject = data.draw(st.sampled_from(sorted(self.bad)))
        self.tracker.sent(self.bad[subject])
        self.heard.add(subject)

    @precondition(lambda self: self.bad)
    @rule(data=st.data())
    def is_lost(self, data):
        subject = data.draw(st.sampled_from(sorted(self.bad)))
        self.tracker.lost(self.bad[subject])
        self.lost.add(subject)

    @rule()
    def restarts(self):
        """What nobody heard is forgotten, and so is news again."""
        self.tracker = Tracker(None, self.tracker.dump())
        self.bad = {subject: event for subject, event in self.bad.items() if subject in self.heard}
        self.lost.clear()

    @rule(hours=st.integers(1, 100))
    def time_passes(self, hours):
        self.now += hours * HOUR

    @invariant()
    def nothing_is_told_again_unasked(self):
        assert self.tracker.due(self.now) == []
        assert self.tracker.next_due() is None


OncePerChange.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestOncePerChange = OncePerChange.TestCase


def test_what_stays_bad_is_told_again_after_its_time_and_not_before():
    tracker = Tracker(6 * HOUR)
    assert tracker.bad(failed()) is not None

    assert tracker.next_due() == START + 6 * HOUR
    assert tracker.due(START + 6 * HOUR - timedelta(seconds=1)) == []
    assert [event.name for event in tracker.due(START + 6 * HOUR)] == ["task.failed"]
    assert tracker.due(START + 6 * HOUR) == []
    assert tracker.bad(failed(START + 11 * HOUR, occasion=2)) is None
    assert tracker.bad(failed(START + 12 * HOUR, occasion=3)) is not None
    assert tracker.good("task:backup", START + 13 * HOUR) is not None
    assert tracker.due(START + 100 * HOUR) == []


def test_without_a_time_every_failure_is_told_and_one_seen_twice_once():
    tracker = Tracker(timedelta(0))

    told = [tracker.bad(failed(START, occasion=occasion)) is not None for occasion in (1, 1, 2, 2, 3)]
    assert told == [True, False, True, False, True]


def test_a_failure_of_another_kind_is_news():
    tracker = Tracker()

    assert tracker.bad(failed()) is not None
    assert tracker.bad(failed(name="integrity.damaged")).name == "integrity.damaged"
    assert tracker.good("task:backup", START).name == "integrity.recovered"


def test_a_recovery_says_since_when_it_was_bad_also_after_a_restart():
    tracker = Tracker()
    tracker.bad(failed(occasion=1))
    tracker.bad(failed(START + HOUR, occasion=2))
    tracker.sent(failed())

    recovery = Tracker(None, tracker.dump()).good("task:backup", START + 2 * HOUR)

    assert (recovery.since, recovery.at, recovery.task) == (START, START + 2 * HOUR, "backup")


def test_a_restart_does_not_hurry_a_repetition():
    tracker = Tracker(6 * HOUR)
    tracker.bad(failed())
    tracker.sent(failed())
    tracker.due(START + 6 * HOUR)

    assert Tracker(6 * HOUR, tracker.dump()).next_due() == START + 12 * HOUR


@pytest.mark.parametrize(
    "told", [None, "", "no json", "{}", "[1]", '[{"name": "x"}]', '{"a": 1}', "null", '[{"name":"task.failed"}]']
)
def test_what_another_version_wrote_is_no_trouble(told):
    assert Tracker(None, told).bad(failed()) is not None


def test_what_is_older_than_the_recovery_is_no_news():
    tracker = Tracker()
    tracker.good("task:backup", START, occasion=7)

    assert tracker.bad(failed(occasion=6)) is None
    assert tracker.bad(failed(occasion=8)) is not None
    assert tracker.good("task:backup", START, occasion=7) is None
    assert tracker.good("task:backup", START, occasion=9) is not None
