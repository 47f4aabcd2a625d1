"""``list --at``, ``show --at`` and ``diff``: the store as its backups have it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest


@pytest.fixture(params=["zstd", "none"])
def hj(hj, request):
    (hj.store.parent / "tmp").mkdir()
    return hj.in_its_place(
        HYPERJOBS_MAINTENANCE__BACKUP__COMPRESS=request.param,
        TMPDIR=str(hj.store.parent / "tmp"),
    )


def backup(hj):
    done = hj.run("backup", "create", "--json")
    assert done.returncode == 0, done
    return hj.run("backup", "list").stdout.split("\t", 1)[0]


def edit(hj):
    hj.sql(
        "DELETE FROM jobs WHERE id='job-1'",
        "UPDATE jobs SET status='completed',progress=100,completed_at='2026-09-10 11:59:59+00:00' WHERE id='job-4'",
        "INSERT INTO jobs SELECT 'job-6',name,vm_name,vm_path,provider,output_dir,status,created_at,started_at,"
        "completed_at,progress,error,metadata,user,total_size,files_count FROM jobs WHERE id='job-2'",
    )


def test_a_list_and_a_job_are_shown_as_the_newest_backup_of_then_has_them(hj):
    listed, shown = hj.run("list").stdout, hj.run("show", "job-4").stdout
    name = backup(hj)
    edit(hj)

    then, job = hj.run("list", "--at", "now"), hj.run("show", "job-4", "--at", "now")
    gone = hj.run("show", "job-6", "--at", "now")

    assert (then.returncode, then.stdout) == (0, listed)
    assert (job.returncode, job.stdout) == (0, shown)
    assert re.fullmatch(rf"as {re.escape(name)} has it, taken \S+Z\n", then.stderr)
    assert gone.returncode == 7
    assert hj.run("list").stdout != listed
    assert list((hj.store.parent / "tmp").iterdir()) == []


def test_reading_a_backup_needs_no_right_to_write_beside_it_and_leaves_nothing_there(hj):
    backup(hj)
    folder = hj.store.parent / "backups"
    before = sorted(path.name for path in folder.rglob("*"))

    assert hj.run("list", "--at", "now").returncode == 0
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_before_the_first_backup_there_is_none_and_that_is_exit_7(hj):
    backup(hj)

    done = hj.run("list", "--at", "2020-01-01")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (7, "", 1)
    assert "2020-01-01T00:00:00Z or before" in done.stderr


def test_a_damaged_backup_is_not_read(hj):
    path = hj.store.parent / "backups" / backup(hj)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    done = hj.run("list", "--at", "now")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)


@pytest.mark.parametrize("words", [["--from", "x"], ["--dir", "x"], ["--at", "now", "--from", "x", "--dir", "y"]])
def test_where_from_goes_with_a_time_and_is_one_place(hj, words):
    assert hj.run("list", *words).returncode == 2


def test_a_destination_is_read_as_the_directory_is(hj):
    elsewhere = hj.store.parent / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    config = Path(hj.home) / "hyperjobs.yaml"
    config.write_text(f"maintenance: {{backup: {{destinations: [{{name: nas, directory: {elsewhere}}}]}}}}\n")
    listed = hj.run("list").stdout
    assert hj.run("backup", "create", "--config", str(config)).returncode == 0
    edit(hj)

    done = hj.run("list", "--at", "now", "--from", "nas", "--config", str(config))

    assert (done.returncode, done.stdout) == (0, listed), done


def test_a_difference_is_told_field_by_field(hj):
    name = backup(hj)
    edit(hj)

    found = json.loads(hj.run("diff", name, "store", "--json").stdout)

    assert (found["a"], found["b"]) == (name, str(hj.store))
    assert (found["only_a"], found["only_b"], found["changed"], found["same"]) == (1, 1, 1, 3)
    assert found["ids"] == {"only_a": ["job-1"], "only_b": ["job-6"], "changed": ["job-4"]}
    assert found["fields"] == {
        "job-4": {
            "status": ["running", "completed"],
            "completed_at": [None, "2026-09-10 11:59:59+00:00"],
            "progress": [45.5, 100.0],
        }
    }


def test_a_name_latest_and_a_time_mean_the_same_backup_and_the_default_is_latest_against_the_store(hj):
    name = backup(hj)
    edit(hj)

    said = {hj.run("diff", *words).stdout for words in ([name, "store"], ["latest"], ["now"], [])}

    assert len(said) == 1
    assert sorted(line.split("\t")[:3] for line in said.pop().splitlines()) == [
        ["changed", "job-4", "completed_at"],
        ["changed", "job-4", "progress"],
        ["changed", "job-4", "status"],
        ["only_a", "job-1", ""],
        ["only_b", "job-6", ""],
    ]


def test_two_backups_are_compared_and_the_other_way_round_is_the_mirror(hj):
    first = backup(hj)
    edit(hj)
    second = backup(hj)

    there = json.loads(hj.run("diff", first, second, "--json").stdout)
    back = json.loads(hj.run("diff", second, first, "--json").stdout)

    assert (there["only_a"], there["only_b"]) == (back["only_b"], back["only_a"])
    assert there["fields"]["job-4"]["status"] == back["fields"]["job-4"]["status"][::-1]
    assert json.loads(hj.run("diff", second, "store", "--json").stdout)["same"] == 5


def test_a_person_gets_a_table_with_the_counts_above_it_and_is_told_of_the_rest(hj):
    backup(hj)
    edit(hj)
    hj.sql("UPDATE jobs SET user='carol'")

    code, said = hj.on_terminal("diff", "--ids", "1", env={"NO_COLOR": "1"})

    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    assert code == 0
    assert "1 only in A, 1 only in B, 4 changed, 0 the same" in plain
    assert "and 3 more changed" in plain


def test_a_word_that_is_neither_a_backup_nor_a_time_is_exit_7(hj):
    backup(hj)

    assert hj.run("diff", "nonsense").returncode == 7
