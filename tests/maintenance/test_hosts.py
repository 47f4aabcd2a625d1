"""Backups say who took them, and no host deletes those of another."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import structlog

from hyperjobs.maintenance.backup.catalogue import read_catalogue
from hyperjobs.maintenance.backup.choice import choose
from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.destination.directory import DirectoryDestination
from hyperjobs.maintenance.backup.destination.rotation import by_policy, rotate_destination
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.manifest import manifest_of
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.backup.retention import Policy
from hyperjobs.maintenance.backup.rotation import rotate
from hyperjobs.maintenance.backup.task import BackupTask
from hyperjobs.maintenance.task import Turn
from hyperjobs.store.snapshot import Pace
from hyperjobs.testing import START, FakeClock
from support.backups import store_of

NOW = START + timedelta(days=40)


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path / "jobs.db")


@pytest.fixture
def directory(tmp_path):
    return BackupDirectory(tmp_path / "backups")


def take(store, directory, host, day):
    clock = FakeClock(START + timedelta(days=day))
    manifest = create_backup(store, directory, clock=clock, pace=Pace(), compression="none", host=host)
    return BackupName.parse(manifest.name)


def hosts(directory, store):
    return [entry.manifest.host for entry in read_catalogue(directory.path, store)]


def run(store, directory, host):
    task = BackupTask(store, directory, policy=Policy(last=1), minimum=1, host=host)
    with structlog.testing.capture_logs() as logs:
        report = task.run(Turn(now=NOW, clock=FakeClock(NOW)))
    return report, [line for line in logs if line["event"] == "backup.two_hosts"]


def test_rotation_deletes_no_backup_of_another_host_and_those_take_no_place(store, directory):
    for day, host in enumerate(["web-01", "web-02", "web-01", "web-02"]):
        take(store, directory, host, day)

    rotation = rotate(directory, store, Policy(last=1), minimum=1, now=NOW, host="web-01")

    assert [name.sequence for name in rotation.deleted] == [1]
    assert hosts(directory, store) == ["web-02", "web-01", "web-02"]


@pytest.mark.parametrize(("theirs", "left"), [("", 1), ("web-01", 1), ("web-02", 2)])
def test_a_manifest_without_a_host_counts_as_ours(store, directory, theirs, left):
    take(store, directory, theirs, 0)
    take(store, directory, "web-01", 1)

    rotate(directory, store, Policy(last=1), minimum=1, now=NOW, host="web-01")

    assert len(directory.names()) == left


def test_a_manifest_from_before_the_field_is_read_as_before(store, directory):
    name = take(store, directory, "", 0)

    assert "host" not in json.loads((directory.path / name.manifest).read_text())
    assert manifest_of(directory.path, name).host == ""


def test_a_run_that_finds_a_newer_backup_of_another_host_warns_with_the_remedy(store, directory):
    take(store, directory, "web-02", 0)

    report, logs = run(store, directory, "web-01")

    assert "two hosts share this directory" in report.summary
    assert "maintenance.backup.host" in report.summary
    assert report.detail["other_host"] == logs[0]["other"] == "web-02"
    # by now the newest is ours
    report, logs = run(store, directory, "web-01")
    assert "two hosts" not in report.summary
    assert logs == []


def test_latest_is_the_newest_whoever_took_it(store, directory):
    take(store, directory, "old-name", 0)

    assert choose(directory.path, store).manifest.host == "old-name"


def test_a_destination_keeps_those_of_another_host_too(store, directory, tmp_path):
    (tmp_path / "nas").mkdir(mode=0o700)
    nas = DirectoryDestination("nas", tmp_path / "nas")
    for day, host in enumerate(["web-02", "web-01", "web-01"]):
        nas.put(directory.path, take(store, directory, host, day))

    done = rotate_destination(nas, by_policy(Policy(last=1), minimum=1, now=NOW), 1, source=store, host="web-01")

    assert len(done.deleted) == 1
    assert [nas.manifest(name).host for name in sorted(nas.names())] == ["web-02", "web-01"]
