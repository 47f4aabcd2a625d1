"""The reserve takes real room, only where there is plenty, and is nobody else's file."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from hyperjobs.errors import StoreError
from hyperjobs.maintenance.reserve import Reserve
from hyperjobs.testing import FakeClock
from support.disks import MIB, fill, free_bytes, small_disk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def reserve(tmp_path: Path, clock: FakeClock) -> Reserve:
    return Reserve(tmp_path / "jobs.db", MIB, clock=clock)


def test_it_takes_up_its_room_and_is_its_owners_alone(reserve):
    before = os.umask(0)
    try:
        assert reserve.keep() is True
    finally:
        os.umask(before)

    found = reserve.path.lstat()
    assert reserve.path.name == ".jobs.db.hyperjobs-reserve"
    assert found.st_blocks * 512 >= MIB
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert reserve.is_held


def test_keeping_it_again_changes_nothing(reserve):
    reserve.keep()
    before = reserve.path.lstat()

    assert reserve.keep() is True
    assert reserve.path.lstat().st_ino == before.st_ino


def test_letting_it_go_gives_the_room_back_once(reserve):
    reserve.keep()

    assert reserve.release() is True
    assert not reserve.path.exists()
    assert reserve.release() is False
    assert not reserve.is_held


@pytest.mark.parametrize(("spare_bytes", "is_made"), [(-4096, False), (0, True)])
def test_it_is_made_only_where_four_times_its_size_is_free(tmp_path, clock, spare_bytes, is_made):
    with small_disk(tmp_path, 16 * MIB) as disk:
        fill(disk, leave_bytes=4 * MIB + spare_bytes)
        reserve = Reserve(disk / "jobs.db", MIB, clock=clock)

        assert reserve.keep() is is_made
        assert reserve.is_held is is_made
        assert free_bytes(disk) == 4 * MIB + spare_bytes - (MIB if is_made else 0)


@pytest.mark.parametrize(("seconds", "is_made"), [(59, False), (60, True)])
def test_after_it_was_let_go_it_is_made_again_a_minute_later_at_the_earliest(reserve, clock, seconds, is_made):
    reserve.keep()
    reserve.release()
    clock.advance(seconds)

    assert reserve.keep() is is_made


def test_a_hole_of_its_name_is_no_reserve_and_is_replaced(reserve):
    """As a crash between making the file and taking its blocks leaves it, or a copy by a tool that makes holes."""
    with reserve.path.open("wb") as file:
        file.truncate(MIB)

    assert not reserve.is_held
    assert reserve.keep() is True
    assert reserve.path.lstat().st_blocks * 512 >= MIB


def test_a_link_of_its_name_is_neither_followed_nor_removed(reserve, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    reserve.path.symlink_to(victim)

    with pytest.raises(StoreError, match="something else has the name"):
        reserve.keep()

    assert victim.read_text() == "precious"
    assert reserve.path.is_symlink()


def test_a_directory_that_may_not_be_written_has_none(tmp_path, clock):
    assert Reserve(tmp_path / "missing" / "jobs.db", MIB, clock=clock).keep() is False


def test_none_is_kept_where_none_is_wanted(tmp_path, clock):
    reserve = Reserve(tmp_path / "jobs.db", 0, clock=clock)

    assert reserve.keep() is False
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("left_bytes", "is_full"), [(MIB, False), (MIB - 4096, True)])
def test_a_disk_is_full_when_a_few_commits_would_fill_it(tmp_path, clock, left_bytes, is_full):
    with small_disk(tmp_path, 8 * MIB) as disk:
        fill(disk, leave_bytes=left_bytes)

        assert Reserve(disk / "jobs.db", MIB, clock=clock).is_disk_full is is_full


def test_a_reserve_that_is_not_wanted_any_more_goes(tmp_path):
    assert Reserve(tmp_path / "jobs.db", 4096, clock=FakeClock()).keep()
    unwanted = Reserve(tmp_path / "jobs.db", 0, clock=FakeClock())

    assert not unwanted.keep()
    assert not unwanted.path.exists()


def test_a_reserve_of_another_configuration_is_made_anew_at_its_new_size(tmp_path):
    assert Reserve(tmp_path / "jobs.db", 8 << 20, clock=FakeClock()).keep()
    smaller = Reserve(tmp_path / "jobs.db", 2 << 20, clock=FakeClock())

    assert smaller.keep()
    assert smaller.path.stat().st_size == 2 << 20
