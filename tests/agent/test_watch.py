"""What no run tells of is noticed by looking, told once, and told again when it is over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hyperjobs.agent.announce import Announcer
from hyperjobs.agent.watch import Watch
from hyperjobs.notify.channel import Words
from hyperjobs.notify.event import KINDS, Event
from hyperjobs.notify.http import Http
from hyperjobs.notify.notifier import Notifier
from hyperjobs.notify.outbox import Rules
from hyperjobs.notify.webhook import Webhook
from hyperjobs.secret import Secret
from hyperjobs.store.holds import Holds
from hyperjobs.store.runs import Outcome, Run, Runs
from hyperjobs.store.state import StateFile
from hyperjobs.testing import FakeClock
from support.processes import until
from support.receivers import http_receiver

LAST = "task.started"
"""Told after the others, and delivered after them."""


class Looking:
    """A watch over things that a test sets, and the events that came of it."""

    def __init__(self, state, receiver, clock):
        self.clock, self.receiver = clock, receiver
        self.runs, self.holds = Runs(state), Holds(state)
        self.trouble, self.is_configured, self.scrapes, self.expected = None, True, 0, None
        self.notifier = Notifier(clock=clock)
        self.announcer = Announcer(self.notifier)
        hook = Webhook(url=Secret(receiver.url), words=Words(host="db1"), http=Http())
        told = [name for name, kind in KINDS.items() if kind.is_told]
        self.notifier.use([(Rules(name="ops", events=(*told, LAST)), hook)])
        self.watch = Watch(
            self.notifier,
            self.announcer,
            runs=self.runs,
            holds=self.holds,
            tasks=lambda: ["backup", "prune"],
            store_trouble=lambda: self.trouble,
            is_configured=lambda: self.is_configured,
            scrapes=lambda: self.scrapes,
            expected=lambda: self.expected,
            clock=clock,
        )

    def look(self, *, times=3):
        """Look a few times; returns what was told since the last call."""
        before = len(self.receiver.requests)
        for _ in range(times):
            self.watch.turn(lambda: False)
        self.notifier.tell(Event(name=LAST, subject="last", at=self.clock.now()))
        until(lambda: LAST in self.receiver.events()[before:], "what comes last")
        return self.receiver.events()[before:-1]

    def ran(self, task, outcome, *, reason="", slot="2026-01-01T01:30 UTC"):
        """Record a run."""
        self.clock.advance(60)
        at = self.clock.now()
        run_id = self.runs.begin(task, f"{slot} {at}" if slot else None, at)
        run = Run(id=run_id, task=task, slot=slot, started_at=at, ended_at=at, outcome=outcome, reason=reason)
        self.runs.end(run, {})
        return run


@pytest.fixture
def looking(tmp_path):
    clock = FakeClock()
    state = StateFile(tmp_path, tmp_path / "jobs.db", clock=clock)
    with http_receiver() as receiver:
        found = Looking(state, receiver, clock)
        yield found
        found.notifier.stop(1.0)
    state.close()


def test_nothing_is_told_while_all_is_well_or_nothing_is_known(looking):
    assert looking.look() == []
    looking.trouble = (None, 1000.0)
    looking.ran("backup", Outcome.OK)
    assert looking.look() == []


def test_a_failed_run_that_nobody_told_of_is_told_at_a_start_and_a_persons_success_ends_it(looking):
    looking.ran("backup", Outcome.FAILED, reason="no_space")
    assert looking.look() == ["backup.failed"]
    looking.ran("backup", Outcome.SKIPPED, reason="paused")
    assert looking.look() == []

    looking.ran("backup", Outcome.OK, slot=None)

    assert looking.look() == ["backup.recovered"]


def test_a_run_that_fails_before_a_persons_eyes_is_not_told(looking):
    looking.ran("prune", Outcome.FAILED, slot=None)

    assert looking.look() == []


def test_a_run_with_nothing_to_do_ends_a_failure(looking):
    looking.ran("prune", Outcome.FAILED)
    assert looking.look() == ["task.failed"]
    looking.ran("prune", Outcome.SKIPPED, reason="nothing_to_do")
    assert looking.look() == ["task.recovered"]


def test_telling_at_once_and_looking_later_is_one_message(looking):
    run = looking.ran("backup", Outcome.FAILED)
    looking.announcer.ended(run)
    assert looking.look() == ["backup.failed"]
    looking.announcer.ended(looking.ran("backup", Outcome.OK))
    assert looking.look() == ["backup.recovered"]
    looking.announcer.state(run)  # by somebody who looked before the run that went well
    assert looking.look() == []


def test_damage_is_told_as_damage(looking):
    looking.ran("backup", Outcome.FAILED, reason="damaged")

    assert looking.look() == ["integrity.damaged"]


def test_a_freeze_is_told_and_its_end_too(looking):
    looking.holds.freeze("integrity", "page 7 is malformed", looking.clock.now())
    assert looking.look() == ["store.frozen"]
    assert looking.receiver.requests[0].json()["reason"] == "integrity"
    looking.holds.unfreeze("restored", looking.clock.now())
    assert looking.look() == ["store.unfrozen"]


@pytest.mark.parametrize(("seconds", "told"), [(14.9, []), (15.0, ["store.down"])])
def test_a_store_is_down_after_a_while_and_not_before(looking, seconds, told):
    looking.trouble = ("busy", seconds)
    assert looking.look() == told
    looking.trouble = None  # a reload: nobody knows for a moment
    assert looking.look() == []
    looking.trouble = (None, 0.1)
    assert looking.look() == (["store.up"] if told else [])


def test_a_wrong_configuration_is_told_until_it_is_right(looking):
    looking.is_configured = False
    assert looking.look() == ["reload.failed"]
    looking.is_configured = True
    assert looking.look() == ["reload.recovered"]


def test_silence_of_three_intervals_is_told_once_and_its_end(looking):
    looking.expected = timedelta(minutes=5)
    looking.clock.advance(15 * 60)
    assert looking.look() == []
    looking.clock.advance(1)
    assert looking.look() == ["agent.not_scraped"]
    looking.clock.advance(3600)
    assert looking.look() == []
    looking.scrapes = 1
    assert looking.look() == ["agent.scraped"]
    looking.clock.advance(14 * 60)
    looking.scrapes = 2
    assert looking.look() == []


def test_without_an_expectation_silence_is_none(looking):
    looking.clock.advance(1e6)

    assert looking.look() == []
