"""What stricter rules would delete is counted by effect, and what is no stricter costs no look."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.retention import Policy
from hyperjobs.maintenance.effect import Loss, Rules, lost_backups, lost_jobs
from hyperjobs.maintenance.task import Turn
from hyperjobs.store.retention import Retention
from hyperjobs.store.snapshot import Pace
from hyperjobs.testing import START, FakeClock
from support.backups import store_of, take_daily
from support.stores import insert

NOW = START + timedelta(days=100)
MONTH = Rules(retention=Retention({"completed": timedelta(days=30)}))


def turn(**options):
    return Turn(now=NOW, clock=FakeClock(NOW), **options)


def days(count, **more):
    return Rules(retention=Retention({"completed": timedelta(days=count)}), **more)


@pytest.fixture
def store(tmp_path):
    """Ten completed jobs, one of each of the last ten days."""
    path = store_of(tmp_path / "jobs.db", jobs=0)
    for number in range(10):
        ended = str(NOW - timedelta(days=number, hours=1))
        insert(path, {"id": f"j{number}", "created_at": ended, "started_at": ended, "completed_at": ended})
    return path


@pytest.mark.parametrize(
    ("old", "new", "more"),
    [
        (days(30), days(3), 7),
        (days(5), days(3), 2),
        (Rules(), days(30), 0),
        (Rules(), days(3), 7),
        (days(3, keep_newest=8), days(3), 5),
        (days(30), days(3, keep_newest=8), 2),
        (
            days(30),
            replace(
                MONTH,
                retention=Retention({"completed": timedelta(days=30)}, {"vsphere": {"completed": timedelta(days=3)}}),
            ),
            7,
        ),
    ],
)
def test_the_jobs_that_only_the_new_rules_let_go_are_counted(store, old, new, more):
    assert lost_jobs(store, old, new, turn()) == Loss(more=more, total=10)


@pytest.mark.parametrize(("old", "new"), [(days(3), days(3)), (days(3), days(30)), (days(3), Rules())])
def test_what_is_no_stricter_passes_without_a_store(tmp_path, old, new):
    assert lost_jobs(tmp_path / "none.db", old, new, turn()) == Loss()


def test_what_cannot_be_counted_is_unknown_and_exceeds_every_share(store, tmp_path):
    # a stop is looked for every so many steps, so there must be some
    insert(store, *({"id": f"more-{number}"} for number in range(5000)))
    missing = lost_jobs(tmp_path / "none.db", days(30), days(3), turn())
    stopped = lost_jobs(store, days(30), days(3), turn(is_stopping=lambda: True))

    assert "none.db" in missing.unknown
    assert "in time" in stopped.unknown
    assert missing.exceeds(1.0)
    assert stopped.exceeds(1.0)


@pytest.mark.parametrize(("more", "exceeds"), [(25, False), (26, True)])
def test_exactly_the_share_is_not_more_than_it(more, exceeds):
    assert Loss(more=more, total=100).exceeds(0.25) is exceeds


def test_the_backups_that_only_the_new_rules_let_go_are_counted(store, tmp_path):
    directory = BackupDirectory(tmp_path / "backups")
    take_daily(store, directory, 5)
    old = Rules(backups=directory.path, policy=Policy(last=4), minimum=1)

    assert lost_backups(store, old, replace(old, policy=Policy(last=1)), NOW) == Loss(more=3, total=5)
    assert lost_backups(store, old, replace(old, policy=Policy(last=9)), NOW) == Loss(more=0, total=5)
    assert lost_backups(store, old, old, NOW) == Loss()
    # of a directory that the old rules did not look after, all that go are new losses
    assert lost_backups(store, replace(old, backups=tmp_path / "other"), old, NOW) == Loss(more=1, total=5)


def test_backups_of_another_host_are_lost_only_by_taking_its_name(store, tmp_path):
    directory = BackupDirectory(tmp_path / "backups")
    for day in range(3):
        create_backup(store, directory, clock=FakeClock(START + timedelta(days=day)), pace=Pace(), host="web-02")
    ours = Rules(backups=directory.path, policy=Policy(last=1), minimum=1, host="web-01")

    assert lost_backups(store, Rules(), ours, NOW).more == 0
    assert lost_backups(store, ours, replace(ours, host="web-02"), NOW).more == 2
