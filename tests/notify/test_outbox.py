"""A channel's queue: nobody waits for it, it is bounded, it keeps the order, and it ends when it is told to."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from hyperjobs.clock import SystemClock
from hyperjobs.notify.channel import Words
from hyperjobs.notify.http import Http
from hyperjobs.notify.notifier import Notifier
from hyperjobs.notify.outbox import MAX_WAITING, Outbox, Rules
from hyperjobs.notify.tracker import Tracker
from hyperjobs.notify.webhook import Webhook
from hyperjobs.secret import Secret
from support.processes import free_port, until
from support.receivers import http_receiver

RULES = Rules(name="ops", events=("*",), backoff_s=0.01)


@pytest.fixture
def notifier():
    kept: dict[str, str] = {}
    made = Notifier(clock=SystemClock(), remember=kept.__setitem__, recall=kept.get)
    made.kept = kept
    yield made
    made.stop(0.1)


@pytest.fixture
def receiver():
    with http_receiver() as running:
        yield running


def hook(url, **changes):
    return Webhook(**{"url": Secret(url), "words": Words(host="db1"), "http": Http(), "timeout_s": 2.0, **changes})


def counted(notifier):
    return {outcome: count for (_, outcome), count in notifier.counts().items()}


def test_events_arrive_in_order_and_are_counted(notifier, receiver, failure):
    notifier.use([(RULES, hook(receiver.url))])
    for name in ("task.started", "task.ok", "task.skipped"):
        notifier.tell(replace(failure, name=name))
    notifier.bad(failure)
    notifier.good(failure.subject, failure.at)
    receiver.wait(5)

    assert receiver.events() == ["task.started", "task.ok", "task.skipped", "backup.failed", "backup.recovered"]
    until(lambda: counted(notifier) == {"sent": 5, "failed": 0, "dropped": 0}, "the counts")


def test_a_message_that_fails_for_now_is_tried_until_it_arrives(notifier, receiver, failure):
    receiver.rule = lambda request: 503 if request.number < 4 else 200
    notifier.use([(RULES, hook(receiver.url))])

    notifier.bad(failure)
    notifier.good(failure.subject, failure.at)
    receiver.wait(5)

    assert receiver.events() == ["backup.failed"] * 4 + ["backup.recovered"]  # the end never overtakes


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (500, 4)])
def test_a_message_is_given_up_at_once_or_after_its_attempts(  # noqa: PLR0913, PLR0917 - fixtures
    notifier, receiver, failure, capfd, status, attempts
):
    receiver.rule = lambda _: status
    notifier.use([(replace(RULES, retry=3), hook(f"{receiver.url}/canary"))])

    notifier.bad(failure)
    until(lambda: counted(notifier)["failed"] == 1, "the end of trying")

    assert len(receiver.requests) == attempts
    said = capfd.readouterr().out
    assert said.count("notify.failed") == 1
    assert "canary" not in said


def test_what_was_given_up_is_news_the_next_time(notifier, receiver, failure):
    receiver.rule = lambda request: 404 if request.number == 1 else 200
    notifier.use([(RULES, hook(receiver.url))])

    notifier.bad(failure)
    until(lambda: counted(notifier)["failed"] == 1, "the first to fail")
    notifier.bad(replace(failure, occasion=32))
    until(lambda: counted(notifier)["sent"] == 1, "the second to arrive")
    notifier.bad(replace(failure, occasion=33))
    notifier.good(failure.subject, failure.at)
    receiver.wait(3)

    assert receiver.events() == ["backup.failed", "backup.failed", "backup.recovered"]


def test_telling_takes_no_time_while_a_receiver_hangs_and_the_queue_is_bounded(notifier, receiver, failure):
    receiver.rule = lambda _: "hang"
    notifier.use([(RULES, hook(receiver.url, timeout_s=60.0))])
    notifier.tell(replace(failure, name="task.ok"))
    receiver.wait(1)

    began = time.monotonic()
    for _ in range(10 * MAX_WAITING):
        notifier.tell(replace(failure, name="task.ok"))
    took = time.monotonic() - began

    assert took < 1.0
    assert counted(notifier) == {"sent": 0, "failed": 0, "dropped": 9 * MAX_WAITING}


def test_a_dead_receiver_keeps_nothing_from_the_others(notifier, receiver, failure):
    dead = f"http://localhost:{free_port()}"
    with http_receiver() as hanging:
        hanging.rule = lambda _: "hang"
        channels = {"dead": dead, "hanging": hanging.url, "good": receiver.url}
        notifier.use([(replace(RULES, name=name), hook(url)) for name, url in channels.items()])

        notifier.bad(failure)

        receiver.wait(1, timeout_s=2)


def test_a_stop_tries_what_waits_once_and_ends_in_time(notifier, receiver, failure):
    receiver.rule = lambda _: 503
    rules = replace(RULES, backoff_s=30.0)
    notifier.use([(rules, hook(receiver.url))])
    notifier.bad(failure)
    notifier.tell(replace(failure, name="task.ok"))
    receiver.wait(1)
    receiver.rule = lambda _: 200

    began = time.monotonic()
    assert notifier.stop(2.0)

    assert time.monotonic() - began < 2.0
    assert receiver.events() == ["backup.failed", "backup.failed", "task.ok"]


def test_a_stop_waits_for_no_receiver_that_hangs(notifier, receiver, failure):
    receiver.rule = lambda _: "hang"
    notifier.use([(RULES, hook(receiver.url, timeout_s=60.0))])
    notifier.bad(failure)
    receiver.wait(1)

    began = time.monotonic()
    notifier.stop(0.3)

    assert time.monotonic() - began < 1.0


def test_what_was_told_is_remembered_over_a_restart_and_what_was_not_is_told_then(receiver, failure):
    kept: dict[str, str] = {}
    other = replace(failure, subject="task:prune", name="task.failed", task="prune")
    receiver.rule = lambda request: 404 if request.json()["task"] == "prune" and request.number < 3 else 200

    for _ in range(2):
        notifier = Notifier(clock=SystemClock(), remember=kept.__setitem__, recall=kept.get)
        notifier.use([(RULES, hook(receiver.url))])
        notifier.bad(failure)
        notifier.bad(other)
        assert notifier.stop(5.0)
    notifier = Notifier(clock=SystemClock(), remember=kept.__setitem__, recall=kept.get)
    notifier.use([(RULES, hook(receiver.url))])
    notifier.good(failure.subject, failure.at)
    assert notifier.stop(5.0)

    assert [(request.json()["event"], request.json()["task"]) for request in receiver.requests] == [
        ("backup.failed", "backup"),
        ("task.failed", "prune"),
        ("task.failed", "prune"),
        ("backup.recovered", "backup"),
    ]


def test_only_events_and_tasks_that_are_wanted_arrive(notifier, receiver, failure):
    rules = replace(RULES, events=("*.failed", "backup.recovered", "store.*"), tasks=("backup",))
    notifier.use([(rules, hook(receiver.url))])

    notifier.tell(replace(failure, name="task.ok"))
    for task in ("prune", "backup"):
        notifier.bad(
            replace(
                failure, task=task, subject=f"task:{task}", name=f"{'backup' if task == 'backup' else 'task'}.failed"
            )
        )
        notifier.good(f"task:{task}", failure.at)
    notifier.bad(replace(failure, name="store.down", subject="store", task=None))
    receiver.wait(3)

    assert receiver.events() == ["backup.failed", "backup.recovered", "store.down"]


def test_what_stays_bad_is_said_again_by_itself(notifier, receiver, failure):
    clock = SystemClock()
    notifier.use([(replace(RULES, repeat=timedelta(seconds=0.2)), hook(receiver.url))])

    notifier.bad(replace(failure, at=clock.now()))
    receiver.wait(3)
    notifier.good(failure.subject, clock.now())
    until(lambda: "backup.recovered" in receiver.events(), "the recovery")

    *failures, last = receiver.events()
    assert (set(failures), last) == ({"backup.failed"}, "backup.recovered")


def test_a_reload_keeps_what_was_told_and_what_waits(notifier, receiver, failure):
    receiver.rule = lambda request: 503 if request.path == "/old" else 200
    slow = replace(RULES, backoff_s=30.0)
    notifier.use([(slow, hook(f"{receiver.url}/new")), (replace(slow, name="gone"), hook(f"{receiver.url}/gone"))])
    notifier.bad(failure)
    until(lambda: counted(notifier)["sent"] == 1 and len(receiver.requests) == 2, "both to arrive")

    notifier.use([(slow, hook(f"{receiver.url}/old"))])
    notifier.tell(replace(failure, name="task.ok"))  # cannot be delivered there …
    notifier.tell(replace(failure, name="task.skipped"))
    receiver.wait(3)
    notifier.use([(replace(RULES, retry=1), hook(f"{receiver.url}/new"))])  # … and is with the next
    notifier.bad(replace(failure, occasion=32))  # no news
    notifier.good(failure.subject, failure.at)
    until(lambda: "backup.recovered" in receiver.events(), "the recovery")

    told = [request.json()["event"] for request in receiver.requests if request.path == "/new"]
    assert told[0] == "backup.failed"
    assert told[-1] == "backup.recovered"
    assert told.count("backup.failed") == 1
    assert told.count("task.skipped") == 1


def test_settings_that_are_as_before_change_nothing(notifier, receiver):
    notifier.use([(RULES, hook(receiver.url))])
    threads = threading.active_count()

    notifier.use([(RULES, hook(receiver.url))])

    assert threading.active_count() == threads


def test_a_fault_of_a_channel_costs_one_message(notifier, failure, capfd):
    @dataclass(frozen=True)
    class Faulty:
        timeout_s: float = 1.0
        sent: Counter = field(default_factory=Counter, compare=False)

        def send(self, event, *, timeout_s):  # noqa: ARG002 - the protocol's
            if event.name == "task.ok":
                raise KeyError("canary-secret")
            self.sent[event.name] += 1

    channel = Faulty()
    notifier.use([(RULES, channel)])
    notifier.tell(replace(failure, name="task.ok"))
    notifier.tell(replace(failure, name="task.skipped"))
    until(lambda: channel.sent["task.skipped"] == 1, "the next")

    assert counted(notifier)["failed"] == 1
    assert "notify.channel_failed" in capfd.readouterr().out


def test_a_receiver_that_wants_to_be_left_alone_is():
    outbox = Outbox(RULES, hook("http://localhost"), Tracker(), clock=SystemClock(), count=print, remember=print)

    assert outbox._pause_s(1, 40.0) == 40.0
    assert 0.005 <= outbox._pause_s(1, 0.0) <= 0.01
    assert outbox._pause_s(20, 0.0) <= 60.0
