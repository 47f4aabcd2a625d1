"""``--from DESTINATION`` and ``--dir ELSEWHERE`` of the real program: whose backups, and what counts."""

from __future__ import annotations

import json
from dataclasses import replace

import apsw
import pytest

from hyperjobs.maintenance.backup.name import FAILED
from hyperjobs.store.holds import Holds
from hyperjobs.store.state import StateFile
from hyperjobs.testing import START, FakeClock


@pytest.fixture
def nas(tmp_path):
    path = tmp_path / "nas"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def hj(hj, nas):
    """A store whose backups also go to a NAS."""
    return configured(hj, nas)


def configured(hj, nas):
    home = hj.home / hj.store.parent.name
    home.mkdir()
    config = home / "config.yaml"
    config.write_text(
        f"maintenance: {{backup: {{directory: {home / 'backups'}, destinations: [{{name: nas, directory: {nas}}}]}}}}\n"
    )
    return replace(
        hj, environment={"HYPERJOBS_CONFIG": str(config), "HYPERJOBS_STORE__STATE_DIR": str(hj.home / "state")}
    )


@pytest.fixture
def other(hj, nas):
    """A second store of the same file name, with one job less."""
    folder = hj.home / "other"
    folder.mkdir()
    store = folder / "jobs.db"
    store.write_bytes(hj.store.read_bytes())
    database = apsw.Connection(str(store))
    database.execute("DELETE FROM jobs WHERE id='job-1'").fetchall()
    database.close()
    return configured(replace(hj, store=store, home=folder), nas)


def create(hj, *words):
    """The name of a new backup."""
    made = hj.run("backup", "create", "--json", *words)
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)["name"]


def states(hj, *words):
    """Name → state of what is listed at the NAS."""
    listed = hj.run("backup", "list", "--from", "nas", *words)
    assert listed.returncode == 0, listed.stderr
    return {name: state for name, _, state, *_ in (line.split("\t") for line in listed.stdout.splitlines())}


@pytest.mark.parametrize("when", [[], ["--at", "2099-01-01T00:00:00Z"]])
def test_restore_from_a_shared_destination_brings_the_stores_own_back(hj, other, when):
    own = create(hj)
    create(other, "--compression", "gzip")
    theirs = create(other, "--compression", "none")

    done = hj.run("restore", "--from", "nas", "--yes", *when)

    assert done.returncode == 0, done.stderr
    assert own in done.stdout
    assert len(hj.run("list").stdout.splitlines()) == 5
    hj.store.unlink()
    named = hj.run("restore", theirs, "--from", "nas", "--yes")
    assert "4 jobs" in named.stdout, named.stderr


def test_the_list_of_a_destination_is_the_stores_own_with_what_each_is_worth(hj, other, nas):
    first, second = create(hj), create(hj)
    theirs = create(other, "--compression", "none")
    (nas / f"{second}{FAILED}").touch()

    assert states(hj) == {second: "failed", first: "verified"}
    assert states(hj, "--all") == {second: "failed", theirs: "verified", first: "verified"}
    assert states(other) == {theirs: "verified"}
    shown = json.loads(hj.run("backup", "show", "--from", "nas").stdout)
    assert shown["name"] == first
    # whole names: within a second theirs is but for the suffix that of the first
    proven = [
        json.loads(line)["name"]
        for line in hj.run("backup", "verify", "--from", "nas", "--all", "--json").stdout.splitlines()
    ]
    assert first in proven
    assert theirs not in proven


def runs(hj):
    """(task, outcome) of each run, newest first."""
    return [tuple(line.split("\t")[1:3]) for line in hj.run("runs").stdout.splitlines()]


def test_a_backup_into_another_directory_is_no_nights_backup_and_goes_nowhere_else(hj):
    create(hj, "--dir", str(hj.home / "elsewhere"))

    assert states(hj) == {}
    assert runs(hj) == [("backup-elsewhere", "ok")]
    assert hj.run("backup", "list").stdout == ""


def test_the_configured_directory_is_the_same_by_whatever_path(hj):
    backups = hj.home / hj.store.parent.name / "backups"
    # the program runs in its home
    names = [create(hj, "--dir", str(path)) for path in (backups, backups.relative_to(hj.home))]

    assert set(states(hj)) == set(names)
    assert runs(hj) == [("backup", "ok")] * 2


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_backup_of_a_frozen_store_that_was_not_taken_is_refused(hj, words):
    create(hj)
    state = StateFile(hj.home / "state", hj.store, clock=FakeClock())
    Holds(state).freeze("damaged", "row 3 missing from index", START)
    state.close()
    for _ in range(3):
        create(hj)

    refused = hj.run("backup", "create", *words)

    assert (refused.returncode, refused.stdout) == (6, "")
    assert f"{hj.store}: the store is frozen" in refused.stderr
    assert "hyperjobs unfreeze" in refused.stderr
    assert [line.split("\t")[2] for line in hj.run("backup", "list").stdout.splitlines()] == [
        *["damaged"] * 3,
        "verified",
    ]
