"""Finding a destination by its name, and a backup in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hyperjobs.cli.destination import backup_before, backup_there, destination_named, fetched, manifests_there
from hyperjobs.errors import BackupNotFoundError, ConfigError
from hyperjobs.maintenance.backup.destination.opening import DestinationSettings
from hyperjobs.maintenance.restore.staging import staged
from hyperjobs.maintenance.restore.swap import put_new
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

    assert backup_there(nas, "latest") == taken[2]
    assert backup_there(nas, str(taken[0])) == taken[0]
    assert backup_before(nas, taken[1].at) == taken[1]
    assert [name for name, manifest in manifests_there(nas) if manifest is not None] == taken[::-1]


def test_what_is_not_there_is_refused_with_where_to_look(home, nas):
    with pytest.raises(BackupNotFoundError, match="there are no backups"):
        backup_there(nas, "latest")
    name = home.take()
    nas.put(home.path, name)
    with pytest.raises(BackupNotFoundError, match="backup list --from nas"):
        backup_there(nas, "other.db")
    with pytest.raises(BackupNotFoundError, match="backup list --from nas"):
        backup_before(nas, name.at.replace(year=2020))


def test_the_latest_is_not_guessed_when_number_and_time_disagree(home, nas, tmp_path):
    """The first directory was lost, and its host began to count anew."""
    old = [home.take(), home.take()]
    again = make_home(tmp_path / "again")
    again.clock.advance(86_400)
    new = again.take()
    for name in old:
        nas.put(home.path, name)
    nas.put(again.path, new)

    with pytest.raises(BackupNotFoundError, match="name the one you want") as said:
        backup_there(nas, "latest")

    assert str(old[1]) in str(said.value)
    assert str(new) in str(said.value)


def test_a_store_is_restored_from_a_destination_and_nothing_else_stays(home, nas, tmp_path):
    name = home.take()
    nas.put(home.path, name)
    target = tmp_path / "restored" / "jobs.db"
    target.parent.mkdir()

    with fetched(nas, name, target) as directory, staged(directory, name, target) as (database, manifest):
        put_new(database, target)

    assert manifest.jobs == JOBS
    assert ids(target) == ids(home.store)
    assert [path.name for path in target.parent.iterdir()] == ["jobs.db"]
