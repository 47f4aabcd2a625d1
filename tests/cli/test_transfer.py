"""export, import and copy as a person and a script meet them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import apsw
import pytest

from hyperjobs.maintenance.prune.line import parse_line
from support.disks import fill, small_disk
from support.stores import script, shell

NEW = ("--store", "new.db")


@pytest.fixture(autouse=True)
def _state(request):
    """What would outlive the store, beside it."""
    program = request.getfixturevalue("many_jobs" if "many_jobs" in request.fixturenames else "hj")
    program.environment["HYPERJOBS_STORE__STATE_DIR"] = str(program.home / "state")


def jobs_in(path):
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return db.execute("SELECT * FROM jobs ORDER BY id").fetchall()
    finally:
        db.close()


def test_what_is_exported_comes_in_elsewhere_and_a_second_time_nothing_does(hj):
    out = hj.run("export", "jobs.jsonl.zst")
    copied = hj.run("copy", str(hj.store), "new.db", "--create", "--yes", "--status", "failed", "--json")
    first = hj.run("import", "jobs.jsonl.zst", "--yes", "--json", *NEW)
    second = hj.run("import", "jobs.jsonl.zst", "--yes", *NEW)

    assert (out.returncode, out.stdout) == (0, "jobs.jsonl.zst: 5 jobs\n")
    assert json.loads(copied.stdout)["inserted"] == 1
    said = json.loads(first.stdout)
    assert (said["inserted"], said["same"], said["rejected"], said["reasons"]) == (4, 1, 0, [])
    assert second.stdout == "jobs.jsonl.zst: 5 rows, 0 inserted, 0 replaced, 0 skipped, 5 the same already\n"
    assert jobs_in(hj.home / "new.db") == jobs_in(hj.store)


def test_standard_output_gets_the_jobs_and_nothing_else(hj):
    for words in (("export",), ("export", "-"), ("export", "--format", "json"), ("export", "--format", "csv")):
        done = hj.run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        assert "job-1" in done.stdout
    assert json.loads(hj.run("export", "--format", "json").stdout)[0]["metadata"] == '{"format":"ova","compress":true}'
    assert [
        json.loads(line)["id"] for line in hj.run("export", "--sort", "newest", "--limit", "2").stdout.splitlines()
    ] == ["job-5", "job-4"]
    assert hj.run("export", "--json").returncode == 2


def test_a_file_that_is_there_is_refused_and_left_unless_forced(hj):
    file = hj.home / "jobs.jsonl"
    file.write_text("mine")

    refused = hj.run("export", "jobs.jsonl")

    assert refused.returncode == 6
    assert "--force" in refused.stderr
    assert file.read_text() == "mine"
    assert hj.run("export", "jobs.jsonl", "--force").returncode == 0
    assert len(file.read_text().splitlines()) == 5


@pytest.mark.parametrize(("target", "code"), [("/dev/null", 6), (".", 6), ("no/such/x.csv", 7)])
def test_a_place_where_no_file_can_be_is_refused(hj, target, code):
    done = hj.run("export", target)

    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("suffix", ["jsonl", "json.gz", "csv.zst"])
def test_a_full_disk_leaves_no_file_and_says_so(many_jobs, tmp_path, suffix):
    with small_disk(tmp_path, 2**20) as place:
        fill(place, leave_bytes=0)
        done = many_jobs.run("export", str(place / f"jobs.{suffix}"))
        left = sorted(path.name for path in place.iterdir())

    assert done.returncode == 5
    assert len(done.stderr.splitlines()) == 1
    assert left == ["ballast"]


def test_a_full_standard_output_is_five_and_a_closed_one_is_quiet(many_jobs):
    full = many_jobs.shell("hj export > /dev/full; echo $?")
    closed = many_jobs.shell("hj export | head -1 > /dev/null; echo ${PIPESTATUS[0]}")

    assert full.stdout == "5\n"
    assert (closed.stdout, closed.stderr) == ("141\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_export_to_a_pipe_that_nobody_reads(many_jobs, number):
    command = [sys.executable, "-m", "hyperjobs", "export", "--store", str(many_jobs.store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=many_jobs.env()) as process:
        assert process.stdout.read(1) == b"{"
        process.send_signal(number)
        assert process.wait(30) == -number


def test_rows_that_are_no_jobs_are_written_aside_with_line_and_reason(hj):
    lines = hj.run("export").stdout.splitlines()
    (hj.home / "bad.jsonl").write_text("\n".join([lines[0], "{", lines[1], '{"id":"x"}', ""]))

    done = hj.run("import", "bad.jsonl", "--yes", "--rejects", "rejects.jsonl", "--policy", "replace")

    assert done.returncode == 1
    assert (
        done.stdout == "bad.jsonl: 4 rows, 0 inserted, 0 replaced, 0 skipped, 2 the same already; 2 rows are no jobs\n"
    )
    assert done.stderr.splitlines() == [
        "bad.jsonl: 1 rows not taken: is no JSON; the first is 2",
        "bad.jsonl: 1 rows not taken: has no name; the first is 4",
    ]
    assert [json.loads(line) for line in (hj.home / "rejects.jsonl").read_text().splitlines()] == [
        {"line": 2, "reason": "is no JSON", "row": "{"},
        {"line": 4, "reason": "has no name", "row": '{"id":"x"}'},
    ]


def test_a_dry_run_reports_the_same_and_changes_nothing(hj):
    hj.run("export", "jobs.json")
    script(hj.store, "DELETE FROM jobs WHERE id IN ('job-1','job-2')")
    before = jobs_in(hj.store)

    dry = json.loads(hj.run("import", "jobs.json", "--dry-run", "--json").stdout)
    assert jobs_in(hj.store) == before
    real = json.loads(hj.run("import", "jobs.json", "--yes", "--json").stdout)

    assert (dry.pop("dry_run"), real.pop("dry_run")) == (True, False)
    assert dry == real
    assert len(jobs_in(hj.store)) == 5


def test_a_dry_copy_into_a_store_to_be_made_makes_none(hj):
    done = hj.run("copy", str(hj.store), "new.db", "--create", "--dry-run")

    assert done.stdout == f"{hj.store}: 5 rows, would be 5 inserted, 0 replaced, 0 skipped, 0 the same already\n"
    assert not (hj.home / "new.db").exists()
    assert hj.run("copy", str(hj.store), "new.db", "--yes").returncode == 7


def test_without_a_terminal_somebody_must_say_yes(hj):
    hj.run("export", "jobs.jsonl")

    assert hj.run("import", "jobs.jsonl").returncode == 2
    assert hj.run("copy", str(hj.store), "new.db", "--create").returncode == 2
    assert not (hj.home / "new.db").exists()


def test_a_frozen_store_takes_no_jobs(hj):
    hj.run("export", "jobs.jsonl")
    assert hj.run("freeze", "--reason", "looking").returncode == 0

    refused = hj.run("import", "jobs.jsonl", "--yes")

    assert refused.returncode == 6
    assert "unfreeze" in refused.stderr
    assert hj.run("import", "jobs.jsonl", "--dry-run").returncode == 0


def test_the_record_of_what_was_done_names_the_file(hj):
    hj.run("export", "jobs.jsonl")
    hj.run("import", "jobs.jsonl", "--yes")

    (found,) = [json.loads(line) for line in hj.run("runs", "--json").stdout.splitlines()]

    assert (found["task"], found["detail"]["file"], found["detail"]["same"]) == ("import", "jobs.jsonl", 5)


def test_what_comes_in_moves_gauges_and_no_counter(hj):
    hj.run("export", "jobs.jsonl")
    script(hj.store, "DELETE FROM jobs")
    assert hj.run("install").returncode == 0
    hj.run("import", "jobs.jsonl", "--yes")

    log = shell(hj.store, "SELECT op FROM hyperjobs_log ORDER BY seq").split()

    assert (log[0], log[-1], log.count("1")) == ("6", "7", 5)


def test_the_archive_of_a_prune_comes_in_anywhere(hj):
    config = hj.home / "c.yaml"
    config.write_text(
        f"store: {{path: {hj.store}}}\nmaintenance: {{prune: {{retention: {{completed: 1d, failed: 1d}}, max_share: 100%}}}}\n"
    )
    pruned = hj.run("prune", "--yes", "--trust-clock", "--config", str(config))
    assert pruned.returncode == 0, pruned.stderr
    (archive,) = (hj.home / "state").rglob("*.jsonl.zst")
    before = len(jobs_in(hj.store))
    assert before < 5

    done = hj.run("import", str(archive), "--yes", "--json")

    assert json.loads(done.stdout)["inserted"] == 5 - before
    assert len(jobs_in(hj.store)) == 5


def test_on_a_terminal_the_progress_goes_away_again(hj):
    code, said = hj.on_terminal("export", "jobs.jsonl")

    assert code == 0
    assert said.endswith("jobs.jsonl: 5 jobs\n")
    assert "\x1b[K" in said
    assert parse_line((hj.home / "jobs.jsonl").read_bytes().splitlines()[0])[0] == "job-1"
