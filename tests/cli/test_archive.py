"""``prune list`` and ``prune undo`` on a real store."""

from __future__ import annotations

import json

import pytest

from hyperjobs.cli.archive import archives_command, undo_command
from hyperjobs.cli.edge import answer
from support.pruning import Pruned


@pytest.fixture
def jobs(tmp_path):
    found = Pruned(tmp_path)
    found.add(300)
    found.prune()
    return found


@pytest.fixture
def run(jobs, capsys, monkeypatch):
    monkeypatch.setenv("HYPERJOBS_MAINTENANCE__PRUNE__ARCHIVE__DIRECTORY", str(jobs.directory.path))
    monkeypatch.setenv("HYPERJOBS_STORE__STATE_DIR", str(jobs.store.parent / "state"))

    def run(command, *words):
        code = answer(command, [*words, "--store", str(jobs.store)])
        return code, *capsys.readouterr()

    return run


def test_list_names_the_runs_newest_first(jobs, run):
    jobs.add(1)
    jobs.prune()

    _, out, _ = run(archives_command)
    _, shapes, _ = run(archives_command, "--json")

    assert [line.split("\t")[:3] for line in out.splitlines()] == [
        ["jobs-20260121T100000Z-0002", "complete", "1"],
        ["jobs-20260121T100000Z-0001", "complete", "300"],
    ]
    assert [json.loads(line)["jobs"] for line in shapes.splitlines()] == [1, 300]


def test_list_shows_what_a_killed_prune_left(jobs, run):
    name = jobs.directory.find("latest")
    (jobs.directory.path / name.manifest).unlink()

    assert run(archives_command)[1].split("\t")[:2] == [str(name), "unfinished"]
    (jobs.directory.path / name.manifest).write_text("{")
    assert run(archives_command)[1].split("\t")[:2] == [str(name), "unreadable"]


def test_undo_brings_back_what_its_dry_run_says(jobs, run):
    assert "300 of 300 jobs would come back" in run(undo_command, "latest", "--dry-run")[1]
    assert jobs.ids() == set()

    assert "300 of 300 jobs came back" in run(undo_command, "latest", "--yes")[1]
    assert len(jobs.ids()) == 300
    assert "0 of 300 jobs came back; 300 are in the store" in run(undo_command, "latest", "--yes")[1]


def test_undo_asks_and_without_a_terminal_does_nothing(jobs, run):
    code, _, error = run(undo_command, "latest")

    assert code == 2
    assert "--yes" in error
    assert jobs.ids() == set()


@pytest.mark.parametrize("name", ["nothing", "../x", "jobs-20260121T100000Z-0002"])
def test_a_run_without_an_archive_is_exit_7_in_one_line(run, name):
    code, _, error = run(undo_command, name, "--yes")

    assert (code, len(error.splitlines())) == (7, 1)


def test_a_damaged_archive_is_exit_3(jobs, run):
    path = jobs.directory.path / jobs.directory.find("latest").data
    path.write_bytes(path.read_bytes()[:-1])

    assert run(undo_command, "latest", "--yes")[0] == 3
