"""``backup create|list|show|verify`` on a real store."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import replace

import apsw
import pytest

from hyperjobs.errors import BackupNotFoundError
from hyperjobs.maintenance.backup.directory import BackupDirectory


@pytest.fixture
def hj(hj):
    return hj.in_its_place()


@pytest.fixture
def bare(bare):
    return bare.in_its_place()


@pytest.fixture
def backed_up(hj):
    assert hj.run("backup", "create").returncode == 0
    return hj


def backups(hj):
    return hj.store.parent / "backups"


def test_create_says_where_the_backup_is_and_what_it_holds(hj):
    result = hj.run("backup", "create")

    assert result.returncode == 0, result.stderr
    assert str(backups(hj)) in result.stdout
    assert "5 jobs" in result.stdout
    assert "verified" in result.stdout


def test_list_gives_the_newest_first(backed_up):
    backed_up.run("backup", "create", "--compression", "gzip")

    result = backed_up.run("backup", "list")

    names = [line.split("\t")[0] for line in result.stdout.splitlines()]
    assert [name.rsplit("-", 1)[1] for name in names] == ["0002.db.gz", "0001.db.zst"]
    assert {line.split("\t")[2] for line in result.stdout.splitlines()} == {"verified"}


def test_list_takes_the_directory_without_a_store(backed_up):
    listed = backed_up.run_bare("backup", "list", "--json", "--dir", str(backups(backed_up)))

    assert json.loads(listed.stdout)["jobs"] == 5


def test_a_list_of_no_backups_is_empty_and_no_error(hj):
    result = hj.run("backup", "list")

    assert (result.returncode, result.stdout) == (0, "")


def test_show_gives_the_manifest(backed_up):
    shown = json.loads(backed_up.run("backup", "show").stdout)

    assert shown["jobs"] == 5
    assert shown["state"] == "verified"


def test_verify_all_names_the_damaged_one_and_goes_on(backed_up):
    backed_up.run("backup", "create")
    first, second = sorted(path for path in backups(backed_up).iterdir() if path.suffix == ".zst")
    os.truncate(first, 4096)

    result = backed_up.run("backup", "verify", "--all")

    assert result.returncode == 3
    assert first.name in result.stderr
    assert second.name in result.stdout
    assert backed_up.run("backup", "verify").returncode == 0


@pytest.mark.parametrize("words", [["verify"], ["show"], ["verify", "other.db"], ["show", "../../etc/passwd"]])
def test_a_backup_that_is_not_there_is_said_in_one_line(hj, words):
    result = hj.run("backup", *words)

    assert result.returncode == 7
    assert len(result.stderr.splitlines()) == 1
    assert "backup list" in result.stderr


def test_no_store_gives_no_backup_and_no_directory(bare):
    result = bare.run("backup", "create")

    assert result.returncode == 7
    assert not backups(bare).exists()


def jobs_in(hj):
    return len(hj.run("list").stdout.splitlines())


def test_restore_brings_the_latest_back_and_keeps_what_was_there(backed_up):
    database = apsw.Connection(str(backed_up.store))
    database.execute("DELETE FROM jobs WHERE id <> 'job-1'")
    database.close()

    result = backed_up.run("restore", "--yes")

    assert result.returncode == 0, result.stderr
    assert "before-restore" in result.stdout
    assert jobs_in(backed_up) == 5


def test_restore_asks_first_and_without_a_terminal_needs_to_be_told(backed_up):
    result = backed_up.run("restore", stdin=subprocess.DEVNULL)

    assert result.returncode == 2
    assert "--yes" in result.stderr


def test_a_dry_run_of_a_restore_says_what_it_would_do_and_does_not(backed_up):
    before = sorted(path.name for path in backed_up.store.parent.iterdir())

    result = backed_up.run("restore", "--dry-run")

    assert result.returncode == 0, result.stderr
    assert "5 jobs" in result.stdout
    assert sorted(path.name for path in backed_up.store.parent.iterdir()) == before


def test_restore_to_a_new_file_leaves_the_store_alone(backed_up):
    new = backed_up.store.with_name("new.db")

    assert backed_up.run("restore", "--to", str(new)).returncode == 0
    again = backed_up.run("restore", "--to", str(new))

    assert new.exists()
    assert again.returncode == 6
    assert len(again.stderr.splitlines()) == 1


def test_restore_by_time_takes_the_newest_of_then_or_before(backed_up):
    assert backed_up.run("restore", "--at", "now", "--dry-run").returncode == 0
    assert backed_up.run("restore", "--at", "2020-01-01", "--dry-run").returncode == 7


def test_restore_without_a_store_makes_it(backed_up):
    backed_up.store.unlink()

    result = backed_up.run("restore", "--yes")

    assert result.returncode == 0, result.stderr
    assert jobs_in(backed_up) == 5


# Single jobs --------------------------------------------------------------------------------------------------------


def ids(hj):
    db = apsw.Connection(str(hj.store))
    try:
        return {row[0] for row in db.execute("SELECT id FROM jobs")}
    finally:
        db.close()


def test_restore_of_single_jobs_brings_those_back_alone(backed_up):
    db = apsw.Connection(str(backed_up.store))
    db.execute("DELETE FROM jobs")

    would = backed_up.run("restore", "--job", "job-1", "--job", "job-3", "--dry-run")
    assert (would.returncode, ids(backed_up)) == (0, set())
    assert "would restore" in would.stdout
    done = backed_up.run("restore", "--job", "job-1", "--job", "job-3", "--yes")  # others have the store open

    assert done.returncode == 0, done.stderr
    assert ids(backed_up) == {"job-1", "job-3"}
    db.close()


def test_a_single_job_that_is_there_is_refused_unless_it_is_to_be_replaced(backed_up):
    lacking = backed_up.run("restore", "--job", "nope", "--yes")
    assert lacking.returncode == 7
    assert lacking.stderr.startswith("hyperjobs: jobs-")  # the backup by its name, and no scratch file
    refused = backed_up.run("restore", "--job", "job-1", "--yes")

    assert refused.returncode == 6
    assert "--replace" in refused.stderr
    assert backed_up.run("restore", "--job", "job-1", "--replace", "--yes").returncode == 0
    assert backed_up.run("restore", "--job", "job-4", "--replace", "--yes").returncode == 6  # it is running
    assert backed_up.run("restore", "--job", "nobody", "--yes").returncode == 7


@pytest.mark.parametrize("words", [["--job", "job-1", "--live"], ["--job", "job-1", "--to", "x.db"], ["--replace"]])
def test_options_that_contradict_a_single_job_are_a_usage_error(backed_up, words):
    assert backed_up.run("restore", *words, "--yes").returncode == 2


def listed(hj, *words):
    """Backup → its fields, by number."""
    lines = [line.split("\t") for line in hj.run("backup", "list", *words).stdout.splitlines()]
    return {int(fields[0].rsplit("-", 1)[1][:4]): fields for fields in lines}


def spoil(hj, number):
    [file] = backups(hj).glob(f"*-{number:04}.db.zst")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    return file


def test_a_backup_that_fails_its_proof_no_longer_counts_and_is_not_restored(backed_up):
    backed_up.run("backup", "create")
    name = spoil(backed_up, 2).name

    refused = backed_up.run("restore", "--yes")
    failed = backed_up.run("backup", "verify")

    assert (refused.returncode, failed.returncode) == (6, 3)
    assert len(refused.stderr.splitlines()) == len(failed.stderr.splitlines()) == 1
    assert "no longer counts" in failed.stderr
    assert {number: fields[2] for number, fields in listed(backed_up).items()} == {2: "failed", 1: "verified"}
    assert json.loads(backed_up.run("backup", "show", name).stdout)["state"] == "failed"
    assert backed_up.run("restore", "--dry-run").stdout.count("-0001.db") == 1


def test_a_mark_is_taken_back_by_hand_alone(backed_up):
    file = spoil(backed_up, 1)
    assert backed_up.run("backup", "verify", file.name).returncode == 3
    spoil(backed_up, 1)  # the bit is as it was

    again = backed_up.run("backup", "verify", file.name)

    assert again.returncode == 0
    assert f"does not count until {file.name}.failed is removed" in again.stdout
    assert backed_up.run("backup", "verify").returncode == 7
    file.with_name(f"{file.name}.failed").unlink()
    assert backed_up.run("backup", "verify").returncode == 0


def test_pin_and_unpin_say_what_they_did_and_list_shows_it(backed_up):
    [file] = backups(backed_up).glob("*.zst")

    assert backed_up.run("backup", "pin", file.name, "--reason", "the last of 2.3").stdout.endswith(": pinned\n")
    assert listed(backed_up)[1][5] == "pinned"
    assert json.loads(backed_up.run("backup", "show").stdout)["pin_reason"] == "the last of 2.3"
    assert backed_up.run("backup", "unpin", file.name).stdout.endswith(": unpinned\n")
    assert backed_up.run("backup", "unpin", file.name).stdout.endswith(": was not pinned\n")


@pytest.mark.parametrize("command", ["pin", "unpin"])
def test_a_backup_that_went_before_the_lock_was_ours_is_not_there(backed_up, monkeypatch, command):
    [file] = backups(backed_up).glob("*.zst")
    locked = BackupDirectory.locked

    def late(directory):
        file.unlink(missing_ok=True)
        return locked(directory)

    monkeypatch.setattr(BackupDirectory, "locked", late)
    result = backed_up.invoke("backup", command, file.name, "--dir", str(backups(backed_up)))

    assert isinstance(result.exception, BackupNotFoundError)
    assert not list(backups(backed_up).glob("*.pinned"))


def test_prune_says_why_each_stays_and_deletes_the_rest(backed_up):
    for _ in range(3):
        backed_up.run("backup", "create")
    backed_up.run("backup", "pin", next(backups(backed_up).glob("*-0001.db.zst")).name)
    words = ["backup", "prune", "--keep-last", "1", "--minimum", "2"]

    dry = backed_up.run(*words, "--dry-run")
    asked = backed_up.run(*words, stdin=subprocess.DEVNULL)
    unchanged = listed(backed_up)
    done = backed_up.run(*words, "--yes")

    decisions = {
        fields[1][-11:-7]: (fields[0], fields[2]) for fields in map(str.split, dry.stdout.splitlines(), ["\t"] * 9)
    }
    assert decisions == {
        "0004": ("keep", "last"),
        "0003": ("delete", ""),
        "0002": ("delete", ""),
        "0001": ("keep", "pinned"),
    }
    assert (dry.returncode, asked.returncode, done.returncode) == (0, 2, 0)
    assert len(unchanged) == 4
    assert set(listed(backed_up)) == {4, 1}
    assert "deleted 2 backups" in done.stderr


def test_prune_heeds_a_freeze_that_came_while_it_asked(backed_up):
    backed_up.run("backup", "create")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "hyperjobs", "backup", "prune", "--keep-last", "1", "--minimum", "1"],
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=backed_up.env({"HYPERJOBS_STORE__PATH": str(backed_up.store)}),
        cwd=backed_up.home,
    ) as asking:
        asked = b""
        while not asked.endswith(b"[y/N] "):
            asked += (more := asking.stderr.read(1))
            assert more, asked
        assert backed_up.run("freeze", "--reason", "a doubt").returncode == 0
        os.write(ours, b"y\n")
        said = asking.communicate(timeout=60)[1].decode()
    os.close(ours)
    os.close(theirs)

    assert asking.returncode == 6
    assert "nothing may be deleted: the store is frozen" in said
    assert set(listed(backed_up)) == {1, 2}


def test_prune_by_the_default_policy_keeps_a_young_directory(backed_up):
    assert backed_up.run("backup", "create").returncode == 0

    result = backed_up.run("backup", "prune", "--yes")

    assert result.returncode == 0
    assert set(listed(backed_up, "--reasons")) == {1, 2}
    assert "last" in listed(backed_up, "--reasons")[1][6]


def test_no_rule_is_said_to_keep_a_backup_of_another_host_which_takes_no_place(backed_up):
    one = {"HYPERJOBS_MAINTENANCE__BACKUP__HOST": "web-02"}
    result = backed_up.run("backup", "list", "--reasons", "--json", env=one)

    assert [json.loads(line)["reasons"] for line in result.stdout.splitlines()] == [[]]


def test_a_policy_that_keeps_nothing_is_refused(backed_up):
    result = backed_up.run("backup", "prune", "--keep-last", "0", "--yes")

    assert result.returncode == 2
    assert len(listed(backed_up)) == 1


def test_prune_stops_at_a_newest_that_does_not_stand(backed_up):
    for _ in range(3):
        backed_up.run("backup", "create")
    spoil(backed_up, 4)

    result = backed_up.run("backup", "prune", "--keep-last", "1", "--yes")

    assert result.returncode == 3
    assert "retention deleted nothing" in result.stderr
    assert len(listed(backed_up)) == 4


def test_diff_counts_what_came_went_and_changed_up_to_now(backed_up):
    database = apsw.Connection(str(backed_up.store))
    database.execute("DELETE FROM jobs WHERE id='job-1'; UPDATE jobs SET progress=99 WHERE id='job-2'")
    database.close()

    plain = backed_up.run("backup", "diff", "latest", "store")
    shape = json.loads(backed_up.run("backup", "diff", "latest", "--json", "--ids", "0").stdout)

    assert plain.stdout.splitlines() == [
        "only_a\t1",
        "only_b\t0",
        "changed\t1",
        "same\t3",
        "only_a\tjob-1",
        "changed\tjob-2",
    ]
    assert (shape["only_a"], shape["changed"], shape["ids"]["only_a"]) == (1, 1, [])


def test_a_stripped_copy_goes_to_a_file_and_is_no_backup(hj):
    assert replace(hj, environment={}).run("install").returncode == 0

    made = hj.run("backup", "create", "--strip", "--to", str(hj.home / "gift.db"))
    alone = hj.run("backup", "create", "--strip")

    assert made.returncode == 0, made.stderr
    assert alone.returncode == 2
    assert not backups(hj).exists()
    database = apsw.Connection(str(hj.home / "gift.db"), flags=apsw.SQLITE_OPEN_READONLY)
    names = [row[0] for row in database.execute("SELECT name FROM sqlite_schema")]
    database.close()
    assert not [name for name in names if name.startswith("hyperjobs")]


def test_in_a_shared_directory_another_stores_backup_has_to_be_named(backed_up):
    [file] = backups(backed_up).glob("*.zst")
    other = backed_up.home / "jobs.db"
    other.write_bytes(backed_up.store.read_bytes())
    there = replace(
        backed_up,
        store=other,
        environment={**backed_up.environment, "HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY": str(file.parent)},
    )

    refused = there.run("restore", "--yes")
    named = there.run("restore", file.name, "--dry-run")

    assert refused.returncode == 7
    assert f"name one if it is meant, as {file.name}" in refused.stderr
    assert named.returncode == 0, named.stderr
    assert there.run("backup", "list").stdout == ""
    assert file.name in there.run("backup", "list", "--all").stdout
