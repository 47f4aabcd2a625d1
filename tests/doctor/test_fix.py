"""--fix mends what has one right answer, beside writers and after a backup; --undo brings it back to the bit."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import timedelta

import apsw
import pytest

from hyperjobs.doctor.images import Images, remove_expired
from hyperjobs.maintenance.prune.directory import ArchiveDirectory
from hyperjobs.maintenance.prune.name import DATA
from hyperjobs.store.cells import is_same
from hyperjobs.store.mend import KINDS, mend
from hyperjobs.testing import START
from support.doctor_host import SOUND
from support.holders import held
from support.processes import agent, until

COLUMNS = list(SOUND)
JOBS = 2000
FIXED_JSON = '{"value":[1, 2]}'


def all_rows(host):
    """Every value with its type, as it lies in the file."""
    columns = ",".join(f"{name},typeof({name})" for name in COLUMNS)
    return host.sql(f"SELECT {columns} FROM jobs ORDER BY rowid")  # noqa: S608 - our own columns


def mended(**cells):
    row = tuple((SOUND | cells)[name] for name in COLUMNS)
    after, kinds = mend(row, lambda: 1_788_258_660)
    return {
        name: value for name, value, old in zip(COLUMNS, after, row, strict=True) if not is_same((value,), (old,))
    }, kinds


@pytest.mark.parametrize(
    ("cells", "kind", "after"),
    [
        ({"error": None}, "null_value", {"error": ""}),
        ({"user": None}, "null_value", {"user": ""}),
        ({"metadata": None}, "null_value", {"metadata": "null"}),
        ({"progress": None}, "null_value", {"progress": 0.0}),
        ({"files_count": None}, "null_value", {"files_count": 0}),
        ({"metadata": "[1, 2]"}, "metadata_not_object", {"metadata": FIXED_JSON}),
        ({"metadata": "not json"}, "metadata_not_object", {"metadata": '{"value": "not json"}'}),
        ({"metadata": '{"a": NaN}'}, "metadata_not_object", {"metadata": '{"value": "{\\"a\\": NaN}"}'}),
        ({"metadata": b'{"a":1}'}, "metadata_not_object", {"metadata": '{"a":1}'}),
        ({"metadata": ""}, "metadata_not_object", {"metadata": "null"}),
        ({"total_size": "big"}, "number_not_number", {"total_size": 0}),
        ({"total_size": 12.7}, "number_not_number", {"total_size": 12}),
        ({"total_size": -1}, "size_negative", {"total_size": 0}),
        ({"progress": 100.5}, "progress_out_of_range", {"progress": 100.0}),
        ({"progress": -0.5}, "progress_out_of_range", {"progress": 0.0}),
        (
            {"created_at": "2026-09-01 10:00:00 +0200 CEST"},
            "time_form",
            {"created_at": "2026-09-01 08:00:00.000000+00:00"},
        ),
        ({"started_at": 2461284.916666667}, "time_real", {"started_at": "2026-09-01 10:00:00.000000+00:00"}),
        ({"started_at": 1788256800.5}, "time_real", {"started_at": "2026-09-01 10:00:00.500000+00:00"}),
        ({"started_at": ""}, "time_empty", {"started_at": None}),
        ({"completed_at": None}, "completed_at_missing", {"completed_at": "2026-09-01 10:31:00.000000+00:00"}),
    ],
)
def test_a_value_with_one_right_answer_gets_it(cells, kind, after):
    found, kinds = mended(**cells)

    assert kinds == (kind,)
    assert found == after
    assert [type(value) for value in found.values()] == [type(value) for value in after.values()]


@pytest.mark.parametrize(
    "cells",
    [
        {},
        {"metadata": '{"a": [1]}'},
        {"metadata": " null "},
        {"created_at": "2026-09-01T10:00:00Z"},
        {"created_at": "2026-09-01"},
        {"created_at": 1788256800},
        {"created_at": "yesterday"},
        {"started_at": 12.5},
        {"status": "running", "completed_at": None},
        {"metadata": b"\xff"},
        {"progress": 100.0},
        {"progress": 0},
        {"total_size": 0},
    ],
)
def test_what_is_sound_or_has_no_one_answer_stays(cells):
    assert mended(**cells) == ({}, ())


def test_a_mended_row_is_not_mended_again():
    row = tuple((SOUND | {"error": None, "metadata": "[", "total_size": -3, "progress": 120})[n] for n in COLUMNS)
    once, _ = mend(row)

    assert mend(once) == (once, ())


BAD = (
    {"error": None, "metadata": None},
    {"metadata": "[1, 2]"},
    {"metadata": b"{}", "total_size": -5},
    {"total_size": "big", "progress": None},
    {"created_at": "2026-09-01 10:00:00 +0200 CEST"},
    {"started_at": 2461284.916666667},
    {"progress": 250},
)


def test_a_dry_run_says_each_kind_with_an_example_and_changes_nothing(bare):
    bare.make({}, *BAD)
    before = all_rows(bare)

    done = bare.run("--fix", "--dry-run", "--json")

    plan = json.loads(done.stdout)
    assert (done.returncode, plan["rows"]) == (0, 7)
    assert set(plan["examples"]) == set(plan["kinds"]) <= set(KINDS)
    assert plan["examples"]["size_negative"] == {
        "job_id": "job-3",
        "column": "total_size",
        "before": "-5",
        "after": "0",
    }
    assert all_rows(bare) == before
    assert list((bare.folder / "backups").iterdir()) == []


def test_a_fix_is_backed_up_recorded_and_undone_to_the_bit(bare):
    bare.make({}, *BAD)
    before = all_rows(bare)

    done = json.loads(bare.run("--fix", "--yes", "--json").stdout)

    assert (done["rows"], done["left"]) == (7, 0)
    assert (bare.folder / "backups" / done["backup"]).exists()
    assert bare.doctor("--only", "rows")[0] == 0
    assert bare.run("--fix", "--yes").stdout == "nothing to mend\n"

    undone = json.loads(bare.run("--undo", done["run"], "--yes", "--json").stdout)

    assert (undone["rows"], undone["left"]) == (7, 0)
    assert all_rows(bare) == before
    runs = subprocess.run(
        [sys.executable, "-m", "hyperjobs", "runs", "--json", "--config", str(bare.file)],
        capture_output=True,
        text=True,
        check=True,
    )
    kinds = [json.loads(line)["task"] for line in runs.stdout.splitlines()]
    assert kinds == ["fix-undo", "fix", "backup"]


def test_an_undo_leaves_alone_what_was_written_since(bare):
    bare.make(*BAD)
    run = json.loads(bare.run("--fix", "--yes", "--json").stdout)["run"]
    bare.sql("UPDATE jobs SET name='renamed' WHERE id='job-0'")

    undone = json.loads(bare.run("--undo", "latest", "--yes", "--json").stdout)

    assert (undone["run"], undone["rows"], undone["left"]) == (run, 6, 1)
    assert bare.sql("SELECT name,error FROM jobs WHERE id='job-0'") == [("renamed", "")]


def test_only_the_kinds_asked_for_are_mended(bare):
    bare.make(*BAD)

    bare.run("--fix", "--yes", "--only", "size_negative")

    assert bare.sql("SELECT count(*) FROM jobs WHERE error IS NULL OR metadata IS NULL") == [(1,)]
    assert bare.sql("SELECT min(total_size) FROM jobs WHERE typeof(total_size)='integer'") == [(0,)]


def test_without_a_backup_nothing_is_mended(bare):
    bare.make(*BAD)
    before = all_rows(bare)
    (bare.folder / "backups").chmod(0o777)

    done = bare.run("--fix", "--yes")

    assert done.returncode == 6
    assert all_rows(bare) == before


def test_a_frozen_store_is_not_mended(bare):
    bare.make(*BAD)
    words = ["--config", str(bare.file), "--reason", "under repair"]
    subprocess.run([sys.executable, "-m", "hyperjobs", "freeze", *words], check=True, capture_output=True)

    done = bare.run("--fix", "--yes")

    assert done.returncode == 6
    assert "under repair" in done.stderr


def test_without_a_terminal_and_a_yes_nothing_is_mended(bare):
    bare.make(*BAD)

    assert bare.run("--fix").returncode == 2
    assert bare.sql("SELECT count(*) FROM jobs WHERE error IS NULL") == [(1,)]


def test_an_unknown_kind_and_an_unknown_run_are_said(bare):
    bare.make({})

    assert bare.run("--fix", "--dry-run", "--only", "null_valeu").returncode == 2
    assert bare.run("--undo", "latest", "--yes").returncode == 7


def test_images_that_were_altered_are_refused(bare):
    bare.make(*({"error": None} for _ in range(600)))
    run = json.loads(bare.run("--fix", "--yes", "--json").stdout)["run"]
    [path] = (bare.folder / "state" / "fixes").glob("*.zst")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    before = all_rows(bare)

    done = bare.run("--undo", run, "--yes")

    assert done.returncode == 3
    assert all_rows(bare) == before


def test_beside_an_agent_gauges_stay_right_and_no_finish_is_counted_anew(bare, tmp_path):
    bare.make(*BAD, {"completed_at": None})
    with agent(bare.store, state_dir=tmp_path / "state", arguments=["--config", str(bare.file)]) as running:
        # one that its history has seen finish, without an end
        bare.sql(
            "INSERT INTO jobs SELECT 'seen',name,vm_name,vm_path,provider,output_dir,'running',created_at,started_at,NULL,"
            "10,error,'null',user,0,0 FROM jobs LIMIT 1",
            "UPDATE jobs SET status='failed' WHERE id='seen'",
        )
        finished = 'hyperjobs_jobs_finished_total{provider="vsphere",status="failed"}'
        folded = "hyperjobs_ledger_unfolded_rows"
        before = running.until(
            lambda s: s if s.get(finished) == 1 and s.get(folded) == 0 else None, "the finish that was seen"
        )

        _, found = bare.doctor("--only", "rows")
        plan = json.loads(bare.run("--fix", "--dry-run", "--json").stdout)
        done = json.loads(bare.run("--fix", "--yes", "--json").stdout)
        after = running.until(lambda s: s if s.get(folded) == 0 else None, "a folded log")
        ledger = bare.one("ledger")

    [unended] = [each for each in found if "have no completed_at" in each["message"]]
    assert "of 1 the history knows when they ended" in unended["message"]
    assert unended["remedy"] == "hyperjobs doctor --fix --dry-run"
    assert plan["kinds"]["completed_at_missing"] == 1
    assert plan["unended"] == 1
    assert done["rows"] == plan["rows"]
    assert ledger["detail"].get("drift", 0) == 0
    assert {k: v for k, v in after.items() if "_finished_total" in k} == {
        k: v for k, v in before.items() if "_finished_total" in k
    }
    [(ended, created)] = bare.sql("SELECT completed_at,created_at FROM jobs WHERE id='seen'")
    assert ended > created


def test_a_fix_waits_for_a_writer_and_does_not_touch_what_that_changed(bare):
    bare.make(*BAD)
    with held(bare.store, "BEGIN IMMEDIATE", "UPDATE jobs SET error='e' WHERE id='job-0'", "COMMIT"):
        done = json.loads(bare.run("--fix", "--yes", "--json").stdout)

    assert done["left"] == 0
    assert bare.sql("SELECT error,metadata FROM jobs WHERE id='job-0'") == [("e", "null")]


def test_a_killed_fix_is_whole_batches_and_the_same_again_does_the_rest(bare):
    bare.make(*({"error": None} for _ in range(JOBS)))
    command = [sys.executable, "-m", "hyperjobs", "doctor", "--config", str(bare.file), "--fix", "--yes"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        looking = apsw.Connection(str(bare.store), flags=apsw.SQLITE_OPEN_READONLY)
        count = "SELECT count(*) FROM jobs WHERE error IS NULL"
        until(lambda: looking.execute(count).fetchall()[0][0] < JOBS or process.poll() is not None, "a batch")
        process.send_signal(signal.SIGKILL)
        looking.close()

    [(left,)] = bare.sql("SELECT count(*) FROM jobs WHERE error IS NULL")
    assert (JOBS - left) % 250 == 0
    first = JOBS - left

    if left:
        assert json.loads(bare.run("--fix", "--yes", "--json").stdout)["rows"] == left
        second = json.loads(bare.run("--undo", "latest", "--yes", "--json").stdout)
        assert second["rows"] == left
        [older, _] = sorted((bare.folder / "state" / "fixes").glob("*.zst"), key=lambda p: p.name[-14:])
        undone = json.loads(bare.run("--undo", older.name, "--yes", "--json").stdout)
        assert undone["rows"] == first
    assert bare.sql("SELECT count(*) FROM jobs WHERE error IS NULL") == [(JOBS,)] or not left


@pytest.fixture
def images(tmp_path):
    """Images of two stores: of ours 0, 10 and 20 days old, the oldest first."""
    directory = ArchiveDirectory(tmp_path / "fixes")
    directory.prepare()
    for days in (20, 10, 0):
        for store, source in (("ours", "aa"), ("theirs", "bb")):
            name = directory.next_name(tmp_path / f"{store}.db", START - timedelta(days=days))
            Images(directory, name, source).close()
    return directory


def names_of(directory):
    return [f"{name.stem} {(START - name.at).days}" for name in directory.names()]


@pytest.mark.parametrize(
    ("keep", "now", "left"),
    [
        (15, 0, ["ours 10", "ours 0"]),
        (5, 0, ["ours 0"]),
        (25, 0, ["ours 20", "ours 10", "ours 0"]),
        (1, 900, ["ours 0"]),
    ],
)
def test_images_of_old_fixes_go_but_never_the_newest_nor_another_stores(images, keep, now, left):
    remove_expired(images, "aa", now=START + timedelta(days=now), keep=timedelta(days=keep))

    assert [name for name in names_of(images) if name.startswith("ours")] == left
    assert [name for name in names_of(images) if name.startswith("theirs")] == ["theirs 20", "theirs 10", "theirs 0"]


def test_images_that_do_not_say_whose_they_are_stay(images):
    oldest = images.path / images.names()[0].data
    oldest.write_bytes(b"")

    remove_expired(images, "aa", now=START + timedelta(days=900), keep=timedelta(days=1))

    assert oldest.exists()


def test_a_fix_removes_images_whose_time_is_over(bare):
    bare.make(*BAD)
    first = json.loads(bare.run("--fix", "--yes", "--json", "--only", "null_value").stdout)["run"]
    folder = bare.folder / "state" / "fixes"
    [file] = [path for path in folder.iterdir() if path.name.startswith(first)]
    old = file.with_name(file.name.replace("-20", "-19", 1))  # a century ago
    file.rename(old)

    second = json.loads(bare.run("--fix", "--yes", "--json").stdout)["run"]

    assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == [f"{second}{DATA}"]
