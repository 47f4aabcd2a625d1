"""What stricter rules would delete of archives and in second places is counted too, and what cannot be asked is unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hyperjobs.maintenance.backup.destination.opening import DestinationSettings, open_destination
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.mark import pin
from hyperjobs.maintenance.backup.retention import Policy
from hyperjobs.maintenance.effect import Loss, Rules
from hyperjobs.maintenance.effect_elsewhere import lost_archives, lost_elsewhere
from hyperjobs.maintenance.task import Turn
from hyperjobs.testing import START, FakeClock
from support.backups import store_of, take_daily
from support.pruning import Pruned

NOW = START + timedelta(days=100)


def turn(**options):
    return Turn(now=NOW, clock=FakeClock(NOW), **options)


def days(count, place, **more):
    return Rules(archives=place, archive_keep=timedelta(days=count), **more)


@pytest.fixture
def archives(tmp_path):
    """A store that was pruned on three days: 0, 10 and 20 days before the last of them."""
    pruned = Pruned(tmp_path)
    for _ in range(3):
        pruned.clock.advance(timedelta(days=10))
        pruned.add(2)
        pruned.prune()
    return pruned


@pytest.mark.parametrize(
    ("old", "new", "loss"),
    [
        (90, 5, Loss(more=2, total=3)),
        (15, 5, Loss(more=1, total=3)),
        (90, 30, Loss(more=0, total=3)),
        (5, 90, Loss()),
        (5, 5, Loss()),
    ],
)
def test_the_archives_that_only_the_new_rules_let_go_are_counted(archives, old, new, loss):
    place, now = archives.directory.path, archives.clock.now()

    assert lost_archives(archives.store, days(old, place), days(new, place), now) == loss


def test_archives_of_a_place_that_was_not_looked_after_are_all_new_losses(archives, tmp_path):
    place, now = archives.directory.path, archives.clock.now()

    assert lost_archives(archives.store, Rules(), days(5, place), now) == Loss(more=2, total=3)
    assert lost_archives(archives.store, days(5, tmp_path / "x"), days(5, place), now) == Loss(more=2, total=3)
    assert lost_archives(archives.store, days(90, place), Rules(), now) == Loss()
    assert lost_archives(tmp_path / "another.db", days(90, place), days(5, place), now) == Loss(more=0, total=0)


@pytest.fixture
def offsite(tmp_path):
    """A store with five backups, which are in a second place as well; the third is pinned."""
    store, directory = store_of(tmp_path / "jobs.db"), BackupDirectory(tmp_path / "backups")
    names = take_daily(store, directory, 5)
    (tmp_path / "there").mkdir()
    settings = DestinationSettings(name="offsite", directory=tmp_path / "there")
    for name in names:
        open_destination(settings).put(directory.path, name)
    pin(directory.path, names[2], reason="for the audit", now=NOW)
    rules = Rules(backups=directory.path, policy=Policy(last=4), minimum=1, destinations={"offsite": settings})
    return store, rules, settings


def test_the_backups_in_a_second_place_that_only_the_new_rules_let_go_are_counted(offsite):
    store, old, _ = offsite

    assert lost_elsewhere(store, old, replace(old, policy=Policy(last=1)), turn()) == {"offsite": Loss(more=2, total=5)}
    assert lost_elsewhere(store, old, replace(old, policy=Policy(last=9)), turn()) == {"offsite": Loss(more=0, total=5)}
    assert lost_elsewhere(store, old, replace(old, backups=None), turn()) == {}


def test_a_place_whose_rules_do_not_change_is_not_asked(offsite, tmp_path):
    store, old, _ = offsite
    (tmp_path / "there").rename(tmp_path / "away")

    assert lost_elsewhere(store, old, replace(old, keep_newest=9), turn()) == {}


def test_in_a_place_that_is_new_all_that_go_are_new_losses(offsite):
    store, new, _ = offsite

    assert lost_elsewhere(store, replace(new, destinations={}), new, turn()) == {"offsite": Loss(more=1, total=5)}


def test_a_place_that_cannot_be_asked_is_unknown_and_exceeds_every_share(offsite, tmp_path):
    store, old, _ = offsite
    stricter = replace(old, policy=Policy(last=1))
    (tmp_path / "there").rename(tmp_path / "away")
    gone = lost_elsewhere(store, old, stricter, turn())["offsite"]
    stopped = lost_elsewhere(store, old, stricter, turn(is_stopping=lambda: True))["offsite"]

    assert str(tmp_path / "there") in gone.unknown
    assert stopped.unknown == "offsite did not answer in time"
    assert gone.exceeds(1.0)
    assert stopped.exceeds(1.0)
