"""rebuild as a person meets it when the store is gone; and killed at any moment it leaves nothing that looks finished."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from support.holders import held
from support.lives import OLD, Life, rows_of, statuses_of
from support.processes import until
from support.stores import ROW, insert, new_store

KILLS = 12


@pytest.fixture
def lost(hj):
    """A configured store with a life behind it, gone."""
    life = Life(hj.home)
    for number in range(6):
        life.save(f"job-{number}", "failed" if number < 2 else "running", created=OLD)
    life.prune()
    life.keep()
    life.backup()
    life.save("late", "pending", created=OLD)
    life.set("job-5", "completed")
    life.end()
    life.rows = life.lose()
    life.config = hj.home / "hyperjobs.yaml"
    life.config.write_text(
        f"store: {{path: {life.store}, state_dir: {hj.home}/state2}}\n"
        f"audit: {{path: {life.log}}}\n"
        f"maintenance: {{backup: {{directory: {life.backups.path}}}, prune: {{archive: {{directory: {life.archives.path}}}}}}}\n"
    )
    return life


def configured(hj, lost, *words):
    """Run it by the configuration of the store that is lost."""
    return hj.run("rebuild", *words, "--config", str(lost.config), env={"HYPERJOBS_STORE__PATH": str(lost.store)})


def test_without_sources_the_pieces_are_those_of_the_configuration(hj, lost):
    done = configured(hj, lost, "--to", "new.db")

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("new.db: 5 jobs of 3 pieces, ")
    assert "1 known from the audit log alone; names and paths are empty: late" in lines
    assert "2 left out, for a prune deleted them; --with-pruned brings them back: job-0, job-1" in lines
    assert "1 moved on by the audit log: job-5" in lines
    assert (
        lines[-1]
        == f"then: hyperjobs restore --file new.db --store {lost.store}; systemctl start hypervisord hyperjobs"
    )
    found = rows_of(hj.home / "new.db")
    assert statuses_of(found) == statuses_of(lost.rows)

    again = configured(hj, lost, "--to", "new.db")
    assert again.returncode == 6
    assert "new.db: is there already" in again.stderr
    twice = configured(hj, lost, "--to", "twice.db", "--with-pruned")
    assert twice.returncode == 0
    assert rows_of(hj.home / "twice.db").keys() == found.keys() | {"job-0", "job-1"}


def test_the_next_steps_work_as_they_are_printed(hj, lost):
    (hj.home / "jobs.db").write_bytes(b"what is left of it")
    (hj.home / "jobs.db-wal").write_bytes(b"its -wal")
    done = configured(hj, lost, "--to", "new.db")
    steps = [line.partition(": ")[2] for line in done.stdout.splitlines() if line.startswith(("next: ", "then: "))]
    assert len(steps) == 3
    script = (
        "; ".join(steps)
        .replace("hyperjobs restore", "hyperjobs restore --yes")
        .replace("start hypervisord hyperjobs", "start")
    )
    script = re.sub("hyperjobs (stats|restore)", rf"{sys.executable} -m hyperjobs \1", script)
    script = "systemctl() { :; }\n" + "\n".join(script.split("; "))

    ran = subprocess.run(["bash", "-ec", script], cwd=hj.home, capture_output=True, text=True, timeout=60, check=False)

    assert ran.returncode == 0, ran.stderr
    assert statuses_of(rows_of(lost.store)) == statuses_of(lost.rows)
    kept = [path for path in hj.home.glob("jobs.db.before-restore-*") if not path.name.endswith("-wal")]
    assert [path.read_bytes() for path in kept] == [b"what is left of it"]


def test_json_has_every_piece_and_what_became_of_it(hj, lost):
    (hj.home / "notes.txt").write_text("mine")
    dry = configured(hj, lost, "--to", "new.db", "--dry-run", "--json")
    done = configured(hj, lost, "--to", "new.db", "--json")

    said = json.loads(done.stdout)
    assert (said["target"], said["dry_run"], said["jobs"]) == ("new.db", False, 5)
    assert [said[name] for name in ("row", "moved", "audit", "pruned", "deleted")] == [3, 1, 1, 2, 0]
    assert said["ids"] == {"moved": ["job-5"], "audit": ["late"], "pruned": ["job-0", "job-1"], "deleted": []}
    assert {(each["kind"], each["state"]) for each in said["sources"]} == {
        ("archive", "read"),
        ("audit", "read"),
        ("backup", "read"),
    }
    foretold = json.loads(dry.stdout)
    assert {**foretold, "dry_run": False, "bytes": said["bytes"]} == said


def test_pieces_that_differ_are_counted_and_listed_with_the_one_that_won(hj):
    for name, progress in (("a.jsonl", 10.0), ("b.jsonl", 20.0)):
        rows = [{**ROW, "id": f"job-{n}", "progress": progress} for n in range(3)]
        (hj.home / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    done = hj.run("rebuild", "--to", "new.db", "a.jsonl", "b.jsonl")
    said = json.loads(hj.run("rebuild", "--to", "x.db", "b.jsonl", "a.jsonl", "--json").stdout)

    assert "3 of which pieces have different rows; the newest won: job-0, job-1, job-2" in done.stdout
    assert (said["differ"], said["differing"][0]) == (3, {"id": "job-0", "versions": 2, "won": "b.jsonl"})


def test_damage_is_told_in_one_line_with_its_exit_code_and_its_remedy(hj, lost):
    backup = next(lost.backups.path.glob("*.zst"))
    backup.write_bytes(backup.read_bytes()[:-9])

    refused = configured(hj, lost, "--to", "new.db")

    assert refused.returncode == 3
    assert refused.stderr.count("\n") == 1
    assert backup.name in refused.stderr
    assert "--skip-damaged" in refused.stderr
    assert not (hj.home / "new.db").exists()
    taken = configured(hj, lost, "--to", "new.db", "--skip-damaged")
    assert taken.returncode == 0
    assert f"{backup}: damaged: " in taken.stderr
    assert statuses_of(rows_of(hj.home / "new.db")) == statuses_of(lost.rows)  # by the audit log alone


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--to", "new.db", "none.jsonl"), 7, "none.jsonl: there is no such file"),
        (("--to", "new.db", "none-*.jsonl"), 7, "nothing matches"),
        (("--to", "new.db", "notes.txt"), 2, "none of the pieces that are known here"),
        (("--to", "new.db", "."), 7, "nothing to rebuild a store from"),
        (("--to", "no/new.db", "empty.jsonl"), 7, "there is no directory no"),
        (("--to", "new.db", "empty.jsonl"), 6, "no job was found; nothing was made"),
        (("empty.jsonl",), 2, "--to"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(hj, words, code, said):
    folder = hj.home / "folder"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    (folder / "empty.jsonl").write_text("")
    if words[-1] == ".":
        (folder / "empty.jsonl").unlink()

    done = subprocess.run(
        [sys.executable, "-m", "hyperjobs", "rebuild", *words],
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith((".new", "new"))) == []


def test_a_backup_that_is_only_at_a_second_place_is_found_there(hj, lost):
    shutil.move(lost.backups.path, hj.home / "nas")
    config = lost.config.read_text().replace(
        f"directory: {lost.backups.path}}}",
        f"directory: {lost.backups.path}, destinations: [{{name: nas, directory: {hj.home}/nas}}]}}",
    )
    lost.config.write_text(config)

    first = configured(hj, lost, "--to", "a.db")
    second = configured(hj, lost, "--to", "b.db", "--from", "nas")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert rows_of(hj.home / "a.db") == {
        job: cells for job, cells in rows_of(hj.home / "a.db").items() if job in lost.rows
    }
    assert rows_of(hj.home / "b.db").keys() == {"job-2", "job-3", "job-4", "job-5"}


def test_no_store_is_made_under_a_process_that_goes_on_with_the_one_that_was_removed(hj, lost):
    target = hj.home / "new.db"
    with held(target, "CREATE TABLE jobs(id)") as pid:
        target.unlink()
        refused = configured(hj, lost, "--to", "new.db")

    assert refused.returncode == 6
    assert f"pid {pid} " in refused.stderr
    assert not target.exists()
    assert configured(hj, lost, "--to", "new.db").returncode == 0


def test_backups_of_other_stores_are_told_where_the_lost_one_has_none(hj, lost):
    words = ("--to", "new.db", "--config", str(lost.config))

    done = hj.run("rebuild", *words, env={"HYPERJOBS_STORE__PATH": "/elsewhere/jobs.db"})

    assert ": other: there are 1 backups of other stores, and none of /elsewhere/jobs.db" in done.stderr


def test_a_kill_at_any_moment_leaves_nothing_that_looks_finished(tmp_path):
    new_store(tmp_path).close()
    insert(tmp_path / "jobs.db", *({"id": f"job-{number:05}"} for number in range(6_000)))
    folder = tmp_path / "out"
    folder.mkdir()
    command = [sys.executable, "-m", "hyperjobs", "rebuild", "--to", str(folder / "new.db"), str(tmp_path / "jobs.db")]
    environment = {**os.environ, "HOME": str(tmp_path)}
    began = time.monotonic()
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    whole_s = time.monotonic() - began
    rows = rows_of(folder / "new.db")
    assert len(rows) == 6_000
    chance, killed = random.Random(5), 0  # noqa: S311 - repeatable on purpose
    for number in range(KILLS):
        (folder / "new.db").unlink(missing_ok=True)
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            process.wait(whole_s * (number + chance.random()) / KILLS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait(30)
        if (folder / "new.db").exists():  # then it is whole, and a store with one name
            assert rows_of(folder / "new.db") == rows
            (folder / "new.db").unlink()
    assert killed > KILLS // 2

    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)

    assert rows_of(folder / "new.db") == rows
    assert [path.name for path in folder.iterdir() if not path.name.startswith("new.db")] == []


def test_ctrl_c_ends_it_and_leaves_nothing(tmp_path):
    new_store(tmp_path).close()
    insert(tmp_path / "jobs.db", *({"id": f"job-{number:05}"} for number in range(20_000)))
    command = [
        sys.executable,
        "-m",
        "hyperjobs",
        "rebuild",
        "--to",
        str(tmp_path / "new.db"),
        str(tmp_path / "jobs.db"),
    ]
    process = subprocess.Popen(command, env={**os.environ, "HOME": str(tmp_path)}, stderr=subprocess.PIPE, text=True)
    until(lambda: process.poll() is not None or list(tmp_path.glob(".new.db*/pieces.db")), "the middle of its work")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "was not made, and nothing was left" in said
    assert list(tmp_path.glob("*new.db*")) == []
    assert list(tmp_path.glob(".new.db*")) == []
