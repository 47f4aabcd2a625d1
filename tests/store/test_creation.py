"""Whom a new store belongs to: as its directory says."""

from __future__ import annotations

import os

import pytest

from hyperjobs.store.creation import give_to_writers, is_shared, make_file

MODES = [(0o2770, True), (0o2775, True), (0o2750, False), (0o0770, False), (0o0700, False)]


@pytest.fixture
def no_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize(("mode", "shared"), MODES)
@pytest.mark.usefixtures("no_umask")
def test_a_new_store_is_the_groups_in_a_setgid_directory_that_the_group_may_write_to(tmp_path, mode, shared):
    directory = tmp_path / "store"
    directory.mkdir()
    directory.chmod(mode)
    make_file(directory / "jobs.db")

    assert is_shared(directory) is shared
    assert (directory / "jobs.db").stat().st_mode & 0o777 == (0o660 if shared else 0o640)


def test_the_umask_can_take_it_away_again(tmp_path):
    tmp_path.chmod(0o2770)
    before = os.umask(0o077)
    try:
        make_file(tmp_path / "jobs.db")
    finally:
        os.umask(before)

    assert (tmp_path / "jobs.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("mode", "shared"), MODES)
def test_a_file_that_becomes_a_store_is_given_to_the_group_in_the_same_directories(tmp_path, mode, shared):
    directory = tmp_path / "store"
    directory.mkdir()
    directory.chmod(mode)
    given = directory / "jobs.db"
    descriptor = os.open(given, os.O_RDWR | os.O_CREAT, 0o600)
    give_to_writers(descriptor, directory)
    os.close(descriptor)

    assert given.stat().st_mode & 0o777 == (0o660 if shared else 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_makes_is_the_owners_of_the_directory(tmp_path):
    os.chown(tmp_path, 4711, 4712)
    descriptor = os.open(tmp_path / "jobs.db", os.O_RDWR | os.O_CREAT, 0o600)
    give_to_writers(descriptor, tmp_path)
    os.close(descriptor)
    given = (tmp_path / "jobs.db").stat()

    assert (given.st_uid, given.st_gid, given.st_mode & 0o777) == (4711, 4712, 0o600)
