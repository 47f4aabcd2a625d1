"""A restore that was killed between its two renames leaves the store two names; the next start of the agent takes one back."""

from __future__ import annotations

import os

from hyperjobs.maintenance.restore.staging import forget_killed
from hyperjobs.maintenance.scratch import private_folder
from support.agents import launched, started
from support.backups import store_of
from support.processes import get


def second_name(store):
    """What a restore gives the old store before it puts the new one in its place."""
    kept = store.with_name(f"{store.name}.before-restore-20260121T100000Z")
    os.link(store, kept)
    return kept


def test_the_agent_takes_the_second_name_back_and_serves_the_store(tmp_path):
    store = store_of(tmp_path / "jobs.db")
    kept = second_name(store)

    with launched(store, tmp_path / "state") as process:
        url = started(process)
        process.until(lambda: "\nhyperjobs_store_up 1.0\n" in get(f"{url}/metrics").text, "the store")

    assert not kept.exists()


def test_while_a_restore_is_at_work_its_second_name_is_left_alone(tmp_path):
    store = store_of(tmp_path / "jobs.db")
    kept = second_name(store)

    with private_folder(tmp_path, ".jobs.db.hyperjobs-restore-"):
        forget_killed(store)
        assert kept.exists()
    forget_killed(store)

    assert not kept.exists()
    assert store.exists()


def test_what_a_restore_kept_and_another_files_second_name_are_left_alone(tmp_path):
    store = store_of(tmp_path / "jobs.db")
    kept = store_of(tmp_path / "jobs.db.before-restore-20260121T100000Z")
    other = tmp_path / "other"
    os.link(store, other)

    forget_killed(store)

    assert kept.exists()
    assert other.exists()
