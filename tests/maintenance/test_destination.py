"""What holds for every destination: only what is whole there is listed, and what is there is left as it is."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from hyperjobs.errors import BackupDamagedError, HyperjobsError, StoreInterruptedError, StoreRefusedError
from hyperjobs.maintenance.backup.destination.directory import DirectoryDestination
from hyperjobs.maintenance.backup.destination.facts import read_facts
from hyperjobs.maintenance.backup.destination.rotation import by_policy, rotate_destination
from hyperjobs.maintenance.backup.manifest import read_manifest
from hyperjobs.maintenance.backup.proof import verify
from hyperjobs.maintenance.backup.retention import Policy
from hyperjobs.maintenance.publish import publish
from hyperjobs.maintenance.restore.staging import staged
from support.destinations import JOBS, Home, There, ids, make_home, new_bucket
from support.s3 import Server, destination, s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with s3_server(tmp_path_factory.mktemp("s3") / "served") as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


@pytest.fixture(params=["directory", pytest.param("s3", marks=pytest.mark.tool("rclone"))])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> There:
    if request.param == "directory":
        root = tmp_path / "second"
        root.mkdir(mode=0o700)
        return There(DirectoryDestination("second", root), root)
    server = request.getfixturevalue("server")
    bucket = new_bucket()
    root = server.make_bucket(bucket) / "store"
    root.mkdir()
    return There(destination(server.url, bucket), root)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_backup_that_was_put_is_listed_and_proves_whole(home, there, compression):
    name = home.take(compression)

    there.destination.put(home.path, name)

    assert there.destination.names() == [name]
    assert there.files() == [str(name), name.manifest]
    assert there.destination.manifest(name) == read_manifest(home.path / name.manifest)
    assert there.destination.verify(name).jobs == JOBS
    assert there.destination.prove(name).jobs == JOBS


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_store_comes_back_from_a_destination_when_everything_here_is_lost(home, there, tmp_path, compression):
    name = home.take(compression)
    there.destination.put(home.path, name)
    expected = ids(home.store)
    home.forget(name)
    home.store.unlink()

    there.destination.fetch(name, tmp_path / "fetched")
    with staged(tmp_path / "fetched", name, home.store) as (database, manifest):
        publish(database, home.store)

    assert manifest.jobs == JOBS
    assert ids(home.store) == expected


def test_what_was_fetched_is_readable_by_its_owner_alone(home, there, tmp_path):
    name = home.take()
    there.destination.put(home.path, name)
    old = os.umask(0)
    try:
        there.destination.fetch(name, tmp_path / "fetched")
    finally:
        os.umask(old)

    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "fetched").iterdir()}
    assert stat.S_IMODE((tmp_path / "fetched").stat().st_mode) == 0o700
    assert found == {".hyperjobs-backup.lock": 0o600, str(name): 0o600, name.manifest: 0o600}


def test_putting_and_fetching_twice_changes_nothing(home, there, tmp_path):
    name = home.take()
    for _ in range(2):
        there.destination.put(home.path, name)
        there.destination.fetch(name, tmp_path / "fetched")

    assert there.files() == [str(name), name.manifest]
    assert verify(tmp_path / "fetched", name).jobs == JOBS


def test_names_are_listed_oldest_first_and_files_of_others_are_not_touched(home, there):
    strange = ["notes.txt", "jobs.db", "jobs-20261340T000000Z-0001.db", "jobs-20260101T000000Z-1.db.json", "x.json"]
    for entry in strange:
        (there.root / entry).write_text(entry)
    taken = [home.take() for _ in range(3)]

    for name in reversed(taken):
        there.destination.put(home.path, name)
    there.destination.delete(taken[0])

    assert there.destination.names() == taken[1:]
    assert all((there.root / entry).read_text() == entry for entry in strange)
    assert len(there.files()) == len(strange) + 4


def test_what_is_deleted_is_gone_and_deleting_it_again_is_no_error(home, there):
    name = home.take()
    there.destination.put(home.path, name)

    there.destination.delete(name)
    there.destination.delete(name)

    assert there.files() == []
    assert there.destination.names() == []


def test_another_backup_of_the_same_name_is_left_alone(home, there, tmp_path):
    other = make_home(tmp_path / "other")
    other.add("one-more")
    mine, theirs = home.take(), other.take()
    assert mine == theirs
    there.destination.put(other.path, theirs)

    with pytest.raises(StoreRefusedError, match="another backup has this name"):
        there.destination.put(home.path, mine)

    assert there.destination.prove(theirs).jobs == JOBS + 1


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _set(manifest: Path, **values: object) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | values))


_HARM_TO_THE_FILE = {
    "a flipped bit": lambda file, _: _flip(file),
    "a lost end": lambda file, _: os.truncate(file, file.stat().st_size - 4096),
    "an added end": lambda file, _: file.write_bytes(file.read_bytes() + b"\0"),
    "an emptied file": lambda file, _: os.truncate(file, 0),
    "a lost file": lambda file, _: file.unlink(),
    "a lost manifest": lambda _, manifest: manifest.unlink(),
    "an emptied manifest": lambda _, manifest: os.truncate(manifest, 0),
    "a manifest of another name": lambda _, manifest: _set(manifest, name="jobs-20200101T000000Z-0001.db"),
    "a manifest of another hash": lambda _, manifest: _set(manifest, sha256="0" * 64),
    "a huge manifest": lambda _, manifest: manifest.write_bytes(b"[" * 1_000_000),
}
_HARM_TO_THE_CONTENT = {
    "a manifest of another count": lambda _, manifest: _set(manifest, jobs=199),
    "a manifest of another digest": lambda _, manifest: _set(manifest, digest="0" * 64),
}


@pytest.mark.parametrize("harm", _HARM_TO_THE_FILE)
def test_a_backup_harmed_there_does_not_verify_and_is_not_fetched(home, there, tmp_path, harm):
    name = home.take()
    there.destination.put(home.path, name)
    _HARM_TO_THE_FILE[harm](there.root / str(name), there.root / name.manifest)

    for attempt in (
        lambda: there.destination.verify(name),
        lambda: there.destination.prove(name),
        lambda: there.destination.fetch(name, tmp_path / "fetched"),
    ):
        with pytest.raises(BackupDamagedError) as refused:
            attempt()
        assert str(refused.value).startswith(there.destination.place)

    fetched = tmp_path / "fetched"
    assert not fetched.exists() or [path.name for path in fetched.iterdir()] == [".hyperjobs-backup.lock"]


@pytest.mark.parametrize("harm", _HARM_TO_THE_CONTENT)
def test_a_manifest_that_lies_about_the_jobs_does_not_prove(home, there, harm):
    name = home.take()
    there.destination.put(home.path, name)
    _HARM_TO_THE_CONTENT[harm](there.root / str(name), there.root / name.manifest)

    with pytest.raises(BackupDamagedError) as refused:
        there.destination.prove(name)

    assert str(refused.value).startswith(there.destination.place)


def test_two_backups_with_their_manifests_swapped_do_not_verify(home, there):
    first, second = home.take(), home.take()
    for name in (first, second):
        there.destination.put(home.path, name)
    one, other = (there.root / name.manifest for name in (first, second))
    texts = one.read_text(), other.read_text()
    one.write_text(texts[1])
    other.write_text(texts[0])

    for name in (first, second):
        with pytest.raises(BackupDamagedError, match="manifest beside it is of"):
            there.destination.verify(name)


def test_putting_again_what_was_harmed_there_says_so_and_replaces_nothing(home, there):
    name = home.take()
    there.destination.put(home.path, name)
    _flip(there.root / str(name))
    harmed = (there.root / str(name)).read_bytes()

    with pytest.raises(BackupDamagedError):
        there.destination.put(home.path, name)

    assert (there.root / str(name)).read_bytes() == harmed


@pytest.mark.parametrize(
    "harm", [_flip, lambda path: os.truncate(path, 4096), lambda path: path.write_bytes(path.read_bytes() + b"\0")]
)
def test_a_local_backup_that_is_damaged_goes_nowhere(home, there, harm):
    name = home.take()
    harm(home.path / str(name))

    with pytest.raises(BackupDamagedError) as refused:
        there.destination.put(home.path, name)

    assert str(home.path / str(name)) in str(refused.value)
    assert there.destination.names() == []
    assert there.files() == []


def test_a_link_in_a_backups_place_is_not_followed(home, there, tmp_path):
    name = home.take()
    (home.path / str(name)).rename(tmp_path / "elsewhere")
    (home.path / str(name)).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(HyperjobsError, match="cannot be read"):
        there.destination.put(home.path, name)

    assert there.files() == []


@pytest.mark.parametrize("asks", [0, 1, 2, 5, 10])
def test_a_stop_at_any_time_leaves_nothing_listed_that_is_not_whole_and_the_next_put_completes(home, there, asks):
    name = home.take()
    left = iter(range(asks))

    def keep_on() -> None:
        if next(left, None) is None:
            raise StoreInterruptedError("stop")

    with contextlib.suppress(StoreInterruptedError):
        there.destination.put(home.path, name, keep_on)
    for listed in there.destination.names():
        there.destination.prove(listed)
    there.destination.put(home.path, name)

    assert there.files() == [str(name), name.manifest]
    assert there.destination.prove(name).jobs == JOBS


def keep(*names: BackupName):
    return lambda _manifests: {str(name) for name in names}


def test_a_rotation_deletes_what_is_not_kept_oldest_first(home, there):
    taken = [home.take() for _ in range(4)]
    for name in taken:
        there.destination.put(home.path, name)
    seen: list[Manifest] = []

    rotated = rotate_destination(there.destination, lambda found: seen.extend(found) or {str(taken[1])}, 1)

    assert [manifest.name for manifest in seen] == [str(name) for name in taken]
    assert rotated.deleted == [str(taken[0]), str(taken[2])]
    assert rotated.kept == [str(taken[1]), str(taken[3])]
    assert there.destination.names() == [taken[1], taken[3]]


@pytest.mark.parametrize(("minimum", "stay"), [(0, 1), (1, 1), (2, 2), (3, 3), (4, 3)])
def test_a_rotation_never_goes_below_the_minimum(home, there, minimum, stay):
    taken = [home.take() for _ in range(3)]
    for name in taken:
        there.destination.put(home.path, name)

    rotate_destination(there.destination, keep(), minimum)

    assert there.destination.names() == taken[-stay:]


def test_nothing_is_deleted_when_the_newest_is_damaged_there(home, there):
    taken = [home.take() for _ in range(3)]
    for name in taken:
        there.destination.put(home.path, name)
    _flip(there.root / str(taken[-1]))

    with pytest.raises(BackupDamagedError, match="nothing older was deleted"):
        rotate_destination(there.destination, keep(), 1)

    assert there.destination.names() == taken


def test_a_damaged_backup_does_not_count_towards_the_minimum_and_is_not_deleted(home, there):
    taken = [home.take() for _ in range(3)]
    for name in taken:
        there.destination.put(home.path, name)
    os.truncate(there.root / str(taken[-1]), 4096)

    rotated = rotate_destination(there.destination, keep(), 1)

    assert rotated.left == [str(taken[2])]
    assert rotated.kept == [str(taken[1])]
    assert there.destination.names() == taken[1:]


def test_a_dry_rotation_says_the_same_and_deletes_nothing(home, there):
    taken = [home.take() for _ in range(3)]
    for name in taken:
        there.destination.put(home.path, name)

    planned = rotate_destination(there.destination, keep(), 1, is_dry=True)

    assert there.destination.names() == taken
    assert planned == rotate_destination(there.destination, keep(), 1)


def test_backups_of_a_host_that_counts_anew_are_not_the_oldest(home, there, tmp_path):
    """Its first directory was lost, so the newest backup has the least number."""
    old = [home.take() for _ in range(3)]
    again = make_home(tmp_path / "again")
    again.clock.advance(timedelta(days=9))
    new = again.take()
    for where, names in ((home, old), (again, [new])):
        for name in names:
            there.destination.put(where.path, name)

    rotate_destination(there.destination, keep(), 1)

    assert new.sequence == 1
    assert set(there.destination.names()) == {new, old[-1]}


def test_a_rotation_for_one_store_does_not_look_at_the_backups_of_another(home, there, tmp_path):
    other = make_home(tmp_path / "other")
    other.store = other.store.rename(tmp_path / "other" / "second.db")
    namesake = make_home(tmp_path / "namesake")
    namesake.clock.advance(timedelta(minutes=5))
    for where in (home, other, namesake):
        for _ in range(2):
            there.destination.put(where.path, where.take())

    rotate_destination(there.destination, keep(), 1, source=home.store)

    assert sorted((name.stem, name.sequence, name.at.minute) for name in there.destination.names()) == [
        ("jobs", 1, 5),
        ("jobs", 2, 0),
        ("jobs", 2, 5),
        ("second", 1, 0),
        ("second", 2, 0),
    ]


def test_a_rotation_by_policy_keeps_what_the_first_directory_would_keep(home, there):
    taken = [home.take() for _ in range(4)]
    for name in taken:
        there.destination.put(home.path, name)

    now = home.clock.now()
    rotate_destination(there.destination, by_policy(Policy(last=2), minimum=1, now=now, pinned=taken[:1]), 1)

    assert there.destination.names() == [taken[0], *taken[2:]]


def test_the_facts_count_what_is_there_by_its_state(home, there):
    taken = [home.take() for _ in range(5)]
    for name in taken:
        there.destination.put(home.path, name)
    os.truncate(there.root / str(taken[0]), 4096)
    _set(there.root / taken[3].manifest, state="damaged")
    os.truncate(there.root / taken[4].manifest, 0)

    facts = read_facts(there.destination)

    assert (facts.verified, facts.unverified, facts.failed, facts.damaged) == (2, 1, 1, 1)
    assert (facts.oldest_at, facts.newest_at) == (taken[1].at, taken[2].at)
    assert facts.newest_bytes == (there.root / str(taken[2])).stat().st_size


def test_an_empty_destination_has_no_newest_backup(there):
    facts = read_facts(there.destination)

    assert (facts.verified, facts.newest_at, facts.newest_bytes) == (0, None, None)


def test_a_name_that_was_never_there_is_refused(home, there):
    name = replace(home.take(), sequence=77)

    with pytest.raises(BackupDamagedError, match="the manifest is missing"):
        there.destination.verify(name)
