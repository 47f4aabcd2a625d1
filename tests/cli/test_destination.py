"""Finding a destination by its name, and a backup in it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hyperjobs.cli.destination import backup_before, backup_there, destination_named, fetched
from hyperjobs.errors import BackupNotFoundError, ConfigError
from hyperjobs.maintenance.backup.destination.opening import DestinationSettings
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.name import FAILED
from hyperjobs.maintenance.publish import publish
from hyperjobs.maintenance.restore.staging import staged
from support.destinations import JOBS, Home, ids, make_home

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.maintenance.backup.destination.protocol import Destination


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


@pytest.fixture
def nas(tmp_path: Path) -> Destination:
    (tmp_path / "nas").mkdir(mode=0o700)
    return destination_named([DestinationSettings(name="nas", directory=tmp_path / "nas")], "nas")


@pytest.mark.parametrize(("names", "words"), [(["offsite", "nas"], "there is nas, offsite"), ([], "has none")])
def test_an_unknown_destination_is_answered_with_those_there_are(tmp_path, names, words):
    configured = [DestinationSettings(name=name, directory=tmp_path) for name in names]

    with pytest.raises(ConfigError, match=f"--from tape: .*{words}"):
        destination_named(configured, "tape")


def test_the_latest_is_the_newest_and_a_name_is_taken_as_it_is(home, nas):
    taken = [home.take() for _ in range(3)]
    for name in taken:
        nas.put(home.path, name)

    assert backup_there(nas, home.store, "latest") == taken[2]
    assert backup_there(nas, home.store, str(taken[0])) == taken[0]
    assert backup_before(nas, home.store, taken[1].at) == taken[1]


def test_what_is_not_there_is_refused_with_where_to_look(home, nas):
    with pytest.raises(BackupNotFoundError, match="there are no backups"):
        backup_there(nas, home.store, "latest")
    name = home.take()
    nas.put(home.path, name)
    with pytest.raises(BackupNotFoundError, match="backup list --from nas"):
        backup_there(nas, home.store, "other.db")
    with pytest.raises(BackupNotFoundError, match="backup list --from nas"):
        backup_before(nas, home.store, name.at.replace(year=2020))


def test_the_latest_is_not_guessed_when_number_and_time_disagree(home, nas, tmp_path):
    """The first directory was lost, and its host began to count anew."""
    old = [home.take(), home.take()]
    again = replace(home, directory=BackupDirectory(tmp_path / "again"))
    again.clock.advance(86_400)
    new = again.take()
    for name in old:
        nas.put(home.path, name)
    nas.put(again.path, new)

    with pytest.raises(BackupNotFoundError, match="name the one you want") as said:
        backup_there(nas, home.store, "latest")

    assert str(old[1]) in str(said.value)
    assert str(new) in str(said.value)


def test_of_a_shared_destination_only_the_stores_own_backups_are_chosen(home, nas, tmp_path):
    """Another store of the same file name has the greater number and the newer time there."""
    other = make_home(tmp_path / "other")
    other.clock.advance(60)
    own = home.take()
    theirs = [other.take() for _ in range(3)]
    nas.put(home.path, own)
    for name in theirs:
        nas.put(other.path, name)

    assert backup_there(nas, home.store, "latest") == own
    assert backup_before(nas, home.store, theirs[-1].at) == own
    assert backup_there(nas, home.store, str(theirs[-1])) == theirs[-1]
    for choose in (lambda: backup_there(nas, None, "latest"), lambda: backup_before(nas, None, theirs[-1].at)):
        with pytest.raises(BackupNotFoundError, match="several stores; name one"):
            choose()
    nas.delete(own)
    with pytest.raises(BackupNotFoundError, match=f"3 of other stores; name one if it is meant, as {theirs[-1]}"):
        backup_there(nas, home.store, "latest")
    assert backup_there(nas, None, "latest") == theirs[-1]


def test_a_backup_that_counts_for_nothing_is_not_the_latest(home, nas):
    good, marked, cut, spoilt = (home.take() for _ in range(4))
    for name in (good, marked, cut, spoilt):
        nas.put(home.path, name)
    (nas.path / f"{marked}{FAILED}").touch()
    os.truncate(nas.path / str(cut), 4096)
    (nas.path / spoilt.manifest).write_text("{}")

    assert backup_there(nas, home.store, "latest") == good
    assert backup_before(nas, home.store, spoilt.at) == good
    nas.delete(good)
    with pytest.raises(BackupNotFoundError, match=r"none of the 3 backups of .* is verified"):
        backup_there(nas, home.store, "latest")


def test_a_store_is_restored_from_a_destination_and_nothing_else_stays(home, nas, tmp_path):
    name = home.take()
    nas.put(home.path, name)
    target = tmp_path / "restored" / "jobs.db"
    target.parent.mkdir()

    with fetched(nas, name, target) as directory, staged(directory, name, target) as (database, manifest):
        publish(database, target)

    assert manifest.jobs == JOBS
    assert ids(target) == ids(home.store)
    assert [path.name for path in target.parent.iterdir()] == ["jobs.db"]
