"""The power goes at any moment of maintenance: no acknowledged row is lost, and what can be seen of backups is whole."""

from __future__ import annotations

import random

import pytest

from support.power import cuts

_WORK = {
    "backup": 20,
    "plain backup": 20,
    "restore": 20,
    "live restore": 40,
    "prune": 30,
    "vacuum": 20,
    "checkpoint": 20,
}
"""Work → cuts, 170 in all."""


def wrong_after(work, directory, number, *, seed=20260121, **options):
    """What was wrong after so many cuts, and after how many events each came."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    return [(place, wrong) for place, wrong in cuts(work, directory, number=number, chance=chance, **options) if wrong]


@pytest.mark.parametrize("work", _WORK)
def test_a_power_cut_at_any_moment_loses_no_row_and_shows_no_bad_backup(tmp_path, work):
    assert wrong_after(work, tmp_path, _WORK[work]) == []


@pytest.mark.parametrize("work", ["restore", "live restore"])
def test_a_power_cut_right_after_a_rename_does_not_cost_the_old_store(tmp_path, work):
    assert wrong_after(work, tmp_path, 80, after={"rename"}) == []


@pytest.mark.long
@pytest.mark.parametrize("work", _WORK)
def test_five_thousand_power_cuts_lose_no_row_and_show_no_bad_backup(tmp_path, work):
    assert wrong_after(work, tmp_path, 720) == []


@pytest.mark.parametrize(
    ("work", "without"),
    [("restore", "sync names"), ("plain backup", "sync"), ("prune", "sync"), ("checkpoint", "sync")],
)
def test_a_run_that_did_not_sync_would_be_found_out(tmp_path, work, without):
    assert wrong_after(work, tmp_path, 60, without=without)
