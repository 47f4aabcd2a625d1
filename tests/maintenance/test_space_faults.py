"""A disk that fails in the middle of a vacuum or a checkpoint costs no row, and is told."""

from __future__ import annotations

from collections import Counter

import pytest

from support.faults import KINDS, Point, sweep_in_child

_TASKS = ("full_vacuum", "convert", "incremental_vacuum", "checkpoint")


def judged(points: list[Point]) -> None:
    """Every kind was met, each error is one of ours, and nothing is wrong after any of them."""
    assert [point for point in points if point.wrong] == []
    assert {point.kind for point in points if point.fired} == set(KINDS)
    assert sum(point.fired > 0 for point in points) >= 0.9 * len(points)
    assert {point.error for point in points} <= {None, "StoreFullError", "StoreError"}
    # what is told as done is done (see above); without a word fails only the checkpoint after a full VACUUM
    assert Counter(point.error is None for point in points)[True] <= 0.4 * len(points)


@pytest.mark.parametrize("task", _TASKS)
def test_wherever_the_disk_fails_no_acknowledged_row_is_lost_and_the_store_is_sound(tmp_path, task):
    judged(sweep_in_child(f"support.fault_runs:{task}", directory=tmp_path, most=100))


@pytest.mark.long
@pytest.mark.parametrize("task", _TASKS)
def test_the_same_at_every_single_place(tmp_path, task):
    judged(sweep_in_child(f"support.fault_runs:{task}", directory=tmp_path, most=10**6))
