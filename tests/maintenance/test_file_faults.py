"""A disk that fails wherever a backup, a restore, a prune or a drill uses it costs no row, shows no bad backup, and is told."""

from __future__ import annotations

import pytest

from support.faults import FILE_KINDS, Point, sweep_in_child

_WORK = ("backup", "plain_backup", "restore", "live_restore", "prune", "drill")
_TOLD = {
    "StoreError",
    "StoreFullError",
    "StorePermissionError",
    "HyperjobsError",
    # a copy that could not be read for its proof is refused, or kept and marked, and never counts
    "BackupDamagedError",
    "BackupNotFoundError",
    # its second name could not be taken from it, so it looks as if it were only just being published
    "BackupRunningError",
}
_HARMLESS = {"file write: short", "file read: short"}
"""What a system may do with any call."""


_EVERYWHERE = {kind for kind in FILE_KINDS if kind.startswith("file ")} - {"file read: short"} | {"read: I/O error"}
_UNSEEN = {"prune": {"file read: I/O error"}}
"""Of an archive whose manifest cannot be read nobody can say that its time is over, so it stays, and that is all."""


def judged(work: str, points: list[Point]) -> None:
    """Nothing is wrong after any of them, and each error is one of ours."""
    assert [point for point in points if point.wrong] == []
    assert {point.error for point in points} - {None} <= _TOLD
    assert [point for point in points if point.kind in _HARMLESS and point.error] == []
    assert sum(point.fired > 0 for point in points) >= 0.9 * len(points)
    # no kind of failure goes by unseen
    assert {point.kind for point in points if point.error} >= _met(points) - _HARMLESS - _UNSEEN.get(work, set())


def _met(points: list[Point]) -> set[str]:
    return {point.kind for point in points if point.fired}


@pytest.mark.parametrize("work", _WORK)
def test_wherever_the_disk_fails_nothing_is_lost_and_no_bad_backup_is_seen(tmp_path, work):
    points = sweep_in_child(f"support.upkeep_faults:{work}", directory=tmp_path, most=60, of_files=True)

    judged(work, points)
    assert _met(points) >= _EVERYWHERE


@pytest.mark.long
@pytest.mark.parametrize("work", _WORK)
def test_the_same_at_every_single_place(tmp_path, work):
    judged(work, sweep_in_child(f"support.upkeep_faults:{work}", directory=tmp_path, most=10**6, of_files=True))
