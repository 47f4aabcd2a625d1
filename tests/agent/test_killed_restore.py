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


def test_the_wal_that_went_with_the_second_name_comes_back_with_it(tmp_path):
    store = store_of(tmp_path / "jobs.db")
    kept = second_name(store)
    for suffix in ("-wal", "-shm"):
        kept.with_name(f"{kept.name}{suffix}").write_bytes(suffix.encode())

    forget_killed(store)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["jobs.db", "jobs.db-shm", "jobs.db-wal"]
    assert store.with_name("jobs.db-wal").read_bytes() == b"-wal"


def test_a_wal_from_before_somebody_wrote_to_the_store_does_not_come_back(tmp_path):
    store = store_of(tmp_path / "jobs.db")
    kept = second_name(store)
    wal = kept.with_name(f"{kept.name}-wal")
    wal.write_bytes(b"old")
    later_s = wal.stat().st_ctime + 1
    os.utime(store, (later_s, later_s))

    forget_killed(store)

    assert not kept.exists()
    assert wal.exists()
    assert not store.with_name("jobs.db-wal").exists()


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
