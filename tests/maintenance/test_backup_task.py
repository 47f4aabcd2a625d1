"""One run of the backup task: what is there after it, and what it says."""

from __future__ import annotations

import contextlib
import json
import time
from datetime import timedelta

import apsw
import pytest

from hyperjobs.errors import (
    BackupDamagedError,
    BackupUploadError,
    StoreFullError,
    StoreInterruptedError,
)
from hyperjobs.maintenance.backup import create
from hyperjobs.maintenance.backup.catalogue import read_catalogue
from hyperjobs.maintenance.backup.destination.directory import DirectoryDestination
from hyperjobs.maintenance.backup.destination.opening import DestinationSettings, open_destination
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.name import FAILED
from hyperjobs.maintenance.backup.proof import verify
from hyperjobs.maintenance.backup.retention import Policy
from hyperjobs.maintenance.backup.task import BackupTask
from hyperjobs.maintenance.runner import Runner
from hyperjobs.maintenance.task import Turn
from hyperjobs.store.holds import Holds
from hyperjobs.store.runs import Outcome, Runs
from hyperjobs.store.state import StateFile
from hyperjobs.testing import START, FakeClock
from support.backups import store_of, take_daily

NOW = START + timedelta(days=40)


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path / "jobs.db")


@pytest.fixture
def directory(tmp_path):
    return BackupDirectory(tmp_path / "backups")


def turn(**options):
    return Turn(**{"now": NOW, "clock": FakeClock(NOW), **options})


def numbers(directory):
    return [name.sequence for name in directory.names()]


def test_a_run_takes_a_proven_backup_and_lets_old_ones_go(store, directory):
    take_daily(store, directory, 3)

    report = BackupTask(store, directory, policy=Policy(last=2)).run(turn())

    assert numbers(directory) == [3, 4]
    newest = directory.names()[-1]
    assert newest.compression == "zstd"
    assert verify(directory.path, newest).jobs == 20
    assert report.skipped is None
    assert report.detail["name"] == str(newest)
    assert report.detail["jobs"] == 20
    assert [name.split("-")[2][:4] for name in report.detail["deleted"]] == ["0001", "0002"]
    assert report.detail["kept"][str(newest)] == ["last"]
    assert {"bytes", "copy_seconds", "verify_seconds"} <= report.detail.keys()


def test_a_backup_of_this_run_is_not_one_of_the_future(store, directory):
    """The run began before its backup was taken, and retention counts from after it."""
    clock = FakeClock(NOW + timedelta(minutes=5))

    report = BackupTask(store, directory).run(turn(clock=clock))

    assert report.detail["kept"][report.detail["name"]] == ["last", "daily", "weekly", "monthly"]


def test_a_dry_run_says_what_it_needs_and_would_delete_and_does_neither(store, directory):
    take_daily(store, directory, 4)

    report = BackupTask(store, directory, policy=Policy(last=2)).run(turn(is_dry=True))

    assert numbers(directory) == [1, 2, 3, 4]
    assert len(report.detail["deleted"]) == 2
    assert report.detail["needed_bytes"] > 0
    assert "would delete 2 old" in report.summary


def test_a_dry_run_needs_no_directory(store, directory):
    report = BackupTask(store, directory).run(turn(is_dry=True))

    assert not directory.path.exists()
    assert report.detail["free_bytes"] > 0


def test_while_the_store_is_frozen_backups_go_beside_the_good_ones_and_nothing_goes(store, directory):
    take_daily(store, directory, 5)
    task = BackupTask(store, directory, policy=Policy(last=1), is_frozen=lambda: True)

    reports = [task.run(turn()) for _ in range(4)]

    states = [str(entry.state) for entry in read_catalogue(directory.path, store)]
    assert states == ["verified"] * 5 + ["damaged"] * 3
    assert [report.skipped for report in reports] == [None, None, None, "frozen"]
    assert "frozen" in reports[0].detail["kept_all"]


def test_a_damaged_store_fails_the_run_and_deletes_nothing(store, directory):
    take_daily(store, directory, 5)
    apsw.Connection(str(store)).close()
    data = bytearray(store.read_bytes())
    data[3 * 4096 : 4 * 4096] = bytes(range(256)) * 16
    store.write_bytes(data)

    with pytest.raises(BackupDamagedError):
        BackupTask(store, directory, policy=Policy(last=1)).run(turn())

    states = [str(entry.state) for entry in read_catalogue(directory.path, store)]
    assert states == ["verified"] * 5 + ["damaged"]


def roomy_after(deletions, directory, monkeypatch):
    """A disk that has room for a backup once there are so few."""
    real = create.require_room

    def require(path, needed, what):
        if what == "a backup" and len(directory.names()) > deletions:
            raise StoreFullError(f"{path}: {what} needs more")
        real(path, needed, what)

    monkeypatch.setattr(create, "require_room", require)


def test_a_full_disk_costs_old_backups_down_to_the_minimum_and_then_there_is_room(store, directory, monkeypatch):
    take_daily(store, directory, 6)
    roomy_after(2, directory, monkeypatch)

    report = BackupTask(store, directory, policy=Policy(last=9), minimum=2).run(turn())

    assert numbers(directory) == [5, 6, 7]
    assert len(report.detail["freed_for_room"]) == 4


def test_a_disk_that_stays_full_keeps_the_minimum_and_fails(store, directory, monkeypatch):
    take_daily(store, directory, 6)
    roomy_after(0, directory, monkeypatch)
    task = BackupTask(store, directory, policy=Policy(last=9), minimum=2)

    for _ in range(3):
        with pytest.raises(StoreFullError):
            task.run(turn())

    assert numbers(directory) == [5, 6]


def test_a_full_disk_costs_nothing_while_the_store_is_frozen(store, directory, monkeypatch):
    take_daily(store, directory, 6)
    roomy_after(0, directory, monkeypatch)

    with pytest.raises(StoreFullError):
        BackupTask(store, directory, policy=Policy(last=1), is_frozen=lambda: True).run(turn())

    assert len(directory.names()) == 6


def places(tmp_path, *names):
    """Destinations that are directories; one that is called ``gone`` is not there."""
    for name in names:
        if name != "gone":
            (tmp_path / name).mkdir(mode=0o700)
    return [DirectoryDestination(name, tmp_path / name) for name in names]


def opened(*destinations):
    """How each is opened, by name."""
    return {each.name: lambda each=each: each for each in destinations}


def test_the_failure_of_one_destination_keeps_the_backup_from_no_other(store, directory, tmp_path):
    near, gone, far = places(tmp_path, "near", "gone", "far")
    task = BackupTask(store, directory, policy=Policy(last=2), destinations=opened(near, gone, far))
    take_daily(store, directory, 3)

    with pytest.raises(BackupUploadError, match=r"is safe in .* not at gone: ") as failed:
        task.run(turn())

    [newest] = directory.names()[-1:]
    assert near.names() == far.names() == [newest]
    outcomes = failed.value.detail["destinations"]
    assert (outcomes["near"], outcomes["far"]) == ("ok", "ok")
    assert str(tmp_path / "gone") in outcomes["gone"]
    assert len(failed.value.detail["deleted"]) == 2  # what is here was in order before


def test_the_same_rules_hold_at_a_destination_and_for_this_store_alone(store, directory, tmp_path):
    [near] = places(tmp_path, "near")
    (tmp_path / "elsewhere").mkdir()
    other = store_of(tmp_path / "elsewhere" / "jobs.db", jobs=3)
    BackupTask(other, BackupDirectory(tmp_path / "others"), destinations=opened(near)).run(turn())
    [foreign] = near.names()

    for days in range(4):
        now = START + timedelta(days=days, hours=1)
        task = BackupTask(store, directory, policy=Policy(last=2), destinations=opened(near))
        task.run(turn(now=now, clock=FakeClock(now)))

    own = directory.names()
    assert len(own) == 2
    assert set(near.names()) == {*own, foreign}


def test_nothing_goes_from_a_destination_while_rotation_is_held_and_a_marked_copy_never_comes(
    store, directory, tmp_path
):
    [near] = places(tmp_path, "near")
    for days in range(3):
        held = {"is_rotation_held": lambda: True, "destinations": opened(near), "policy": Policy(last=2)}
        now = START + timedelta(days=days)
        BackupTask(store, directory, **held).run(turn(now=now, clock=FakeClock(now)))
    assert len(near.names()) == 3

    BackupTask(store, directory, is_frozen=lambda: True, destinations=opened(near)).run(
        turn(now=START + timedelta(days=4))
    )

    assert len(near.names()) == 3
    assert len(directory.names()) == 4


@pytest.fixture
def recorded(tmp_path):
    """A run by the runner, and what is in its record after it."""
    clock = FakeClock(NOW)
    state = StateFile(tmp_path, tmp_path / "jobs.db", clock=clock)
    runner = Runner(Runs(state), Holds(state), locks=tmp_path / "lock", clock=clock)

    def run(task, **options):
        runner.run(task, **options)
        return Runs(state).last_ended("backup")

    yield run
    state.close()


@pytest.mark.parametrize("stop_at", [6, 5, 3])
def test_the_record_of_a_stopped_run_has_the_backup_that_it_took_and_what_it_deleted(
    store, directory, recorded, stop_at
):
    take_daily(store, directory, 5)
    was_taken = False

    def is_stopping():
        nonlocal was_taken
        was_taken = was_taken or len(directory.names()) == 6
        return was_taken and len(directory.names()) == stop_at

    run = recorded(BackupTask(store, directory, policy=Policy(last=1), minimum=1), is_stopping=is_stopping)

    assert run.outcome is Outcome.INTERRUPTED
    assert run.detail["name"] == str(directory.names()[-1])
    assert [int(name.split("-")[2][:4]) for name in run.detail["deleted"]] == list(range(1, 7 - stop_at))
    assert (run.detail["freed_bytes"] > 0) is (stop_at < 6)
    assert run.detail["name"] in run.summary


def test_the_record_of_a_run_without_room_has_what_was_deleted_for_it(store, directory, monkeypatch, recorded):
    take_daily(store, directory, 5)
    roomy_after(0, directory, monkeypatch)

    run = recorded(BackupTask(store, directory, policy=Policy(last=9), minimum=2))

    assert (run.outcome, run.reason) == (Outcome.FAILED, "no_space")
    assert [int(name.split("-")[2][:4]) for name in run.detail["freed_for_room"]] == [1, 2, 3]


def test_whoever_holds_the_directory_keeps_old_backups_from_going_and_the_new_one_from_no_destination(
    store, directory, tmp_path, recorded
):
    near, gone = places(tmp_path, "near", "gone")
    take_daily(store, directory, 5)
    with contextlib.ExitStack() as others:

        def come_in_between():
            others.enter_context(BackupDirectory(directory.path).locked())
            return False

        task = BackupTask(
            store,
            directory,
            policy=Policy(last=1),
            is_rotation_held=come_in_between,
            destinations=opened(near, gone),
        )
        run = recorded(task)

    assert (run.outcome, run.reason) == (Outcome.FAILED, "backup_running")
    assert len(directory.names()) == 6
    assert near.names() == directory.names()[-1:]
    assert run.detail["name"] == str(directory.names()[-1])
    assert run.detail["destinations"]["near"] == "ok"
    assert str(tmp_path / "gone") in run.detail["destinations"]["gone"]


def test_a_new_backup_that_rotation_finds_damaged_is_brought_nowhere(store, directory, tmp_path, recorded):
    [near] = places(tmp_path, "near")
    take_daily(store, directory, 5)

    def damage():
        file = directory.path / str(directory.names()[-1])
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
        return False

    task = BackupTask(store, directory, policy=Policy(last=1), is_rotation_held=damage, destinations=opened(near))
    run = recorded(task)

    assert (run.outcome, run.reason) == (Outcome.FAILED, "backup_damaged")
    assert run.detail["name"] == str(directory.names()[-1])
    assert len(directory.names()) == 6
    assert near.names() == []


def test_a_stop_is_obeyed_at_every_point_and_leaves_no_half(store, directory):
    """The n-th time anybody asks, a stop has come: wherever that is, it ends the run and nothing half is there."""
    total = 0

    def counting():
        nonlocal total
        total += 1
        return False

    BackupTask(store, directory, pages=2, policy=Policy(last=1)).run(turn(is_stopping=counting))
    for stop_at in range(1, total, max(1, total // 25)):
        asked = 0

        def stopping(stop_at=stop_at):
            nonlocal asked
            asked += 1
            return asked >= stop_at

        with pytest.raises(StoreInterruptedError):
            BackupTask(store, directory, pages=2, policy=Policy(last=1)).run(turn(is_stopping=stopping))
        assert not [path for path in directory.path.iterdir() if path.name.startswith(".hyperjobs-tmp")]
    assert {str(entry.state) for entry in read_catalogue(directory.path, store)} == {"verified"}


def test_a_stop_ends_a_long_check_within_a_second(tmp_path, directory):
    store = store_of(tmp_path / "large.db", jobs=30_000)
    began = None

    def progress(what, _done, _pages):
        nonlocal began
        if what == "verifying":
            began = time.monotonic()

    with pytest.raises(StoreInterruptedError):
        BackupTask(store, directory, pause_s=0.0).run(
            turn(progress=progress, is_stopping=lambda: began is not None and time.monotonic() > began + 0.05)
        )

    assert began is not None
    assert time.monotonic() - began < 1.0


def test_a_stop_also_ends_what_is_brought_elsewhere_and_the_backup_stays(store, directory, tmp_path):
    near, far = places(tmp_path, "near", "far")

    def stop_when_it_is_uploaded():
        return (tmp_path / "backups").is_dir() and any((tmp_path / "near").iterdir())

    task = BackupTask(store, directory, destinations=opened(near, far))
    with pytest.raises(StoreInterruptedError):
        task.run(turn(is_stopping=stop_when_it_is_uploaded))

    assert verify(directory.path, directory.names()[-1]).jobs == 20
    assert near.names() == far.names() == []


def test_a_destination_that_cannot_be_opened_keeps_the_backup_from_nothing_and_is_opened_anew_each_run(
    store, directory, tmp_path
):
    [near] = places(tmp_path, "near")
    key = tmp_path / "key"
    settings = DestinationSettings(
        name="offsite", bucket="b", endpoint="http://127.0.0.1:9", access_key_file=key, secret_key_file=key
    )
    task = BackupTask(
        store, directory, destinations={"offsite": lambda: open_destination(settings), "near": lambda: near}
    )

    with pytest.raises(BackupUploadError, match="cannot be read") as failed:
        task.run(turn())
    key.write_text("two words")
    with pytest.raises(BackupUploadError, match="holds no key"):
        task.run(turn())

    assert near.names() == directory.names()
    assert len(directory.names()) == 2
    assert str(key) in failed.value.detail["destinations"]["offsite"]
    assert failed.value.detail["destinations"]["near"] == "ok"


def test_a_run_tells_what_each_destination_that_took_the_backup_holds_of_this_store(store, directory, tmp_path):
    near, gone = places(tmp_path, "near", "gone")
    (tmp_path / "elsewhere").mkdir()
    other = store_of(tmp_path / "elsewhere" / "jobs.db", jobs=3)
    BackupTask(other, BackupDirectory(tmp_path / "others"), destinations=opened(near)).run(turn())
    now = NOW + timedelta(days=1)
    BackupTask(store, directory, destinations=opened(near)).run(turn(now=now, clock=FakeClock(now)))
    (near.path / f"{directory.names()[0]}{FAILED}").touch()
    now += timedelta(days=1)

    with pytest.raises(BackupUploadError) as failed:
        BackupTask(store, directory, destinations=opened(near, gone)).run(turn(now=now, clock=FakeClock(now)))

    [facts] = json.loads(json.dumps(failed.value.detail["destination_facts"]))
    newest_at_s = directory.names()[-1].at.timestamp()
    counts = {"verified": 1, "unverified": 0, "failed": 1, "damaged": 0}
    assert facts == {"name": "near", **counts, "newest_at_s": newest_at_s}


def test_a_stop_is_obeyed_while_a_destination_tells_what_it_holds_and_no_other_is_asked(store, directory, tmp_path):
    asked = []

    class Watched(DirectoryDestination):
        def sizes(self, keep_on=lambda: None):
            asked.append(self.name)
            keep_on()
            return super().sizes(keep_on)

    destinations = [Watched(each.name, each.path) for each in places(tmp_path, "near", "far")]
    task = BackupTask(store, directory, destinations=opened(*destinations), is_rotation_held=lambda: True)

    with pytest.raises(StoreInterruptedError):
        task.run(turn(is_stopping=lambda: bool(asked)))

    assert asked == ["near"]
    assert len(destinations[0].names()) == 1
