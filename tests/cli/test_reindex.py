"""``hyperjobs reindex`` shows its cost, asks, and ends as it is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hyperjobs.cli.reindex import reindex_command

from hyperjobs.cli.edge import answer
from support.holders import held
from support.spaces import roomy_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return roomy_store(tmp_path / "jobs.db")


def run(*words: object) -> int:
    return answer(reindex_command, [str(word) for word in words])


def test_a_dry_run_lists_each_index_with_its_size_and_time(store, capsys):
    assert run("--dry-run", "--store", store) == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert all("MiB, about " in line for line in lines[:-1])
    assert lines[-1].startswith("would build 6 indexes anew")


def test_without_a_terminal_it_wants_a_yes(store, capsys):
    assert run("--store", store) == 2
    assert "--yes" in capsys.readouterr().err


def test_named_indexes_are_built_and_said_in_json(store, capsys):
    assert run("idx_user", "idx_status", "--yes", "--json", "--store", store) == 0

    said = json.loads(capsys.readouterr().out)
    assert [index["name"] for index in said["indexes"]] == ["idx_status", "idx_user"]
    assert said["summary"].startswith("built 2 indexes anew")


def test_a_writer_in_the_way_is_named_with_exit_code_4(store, capsys):
    with held(store, "BEGIN IMMEDIATE") as pid:
        assert run("--yes", "--store", store) == 4

    assert f"pid {pid} " in capsys.readouterr().err


def test_an_unknown_index_is_exit_code_1_in_one_line(store, capsys):
    assert run("idx_wrong", "--yes", "--store", store) == 1

    assert capsys.readouterr().err.count("\n") == 1
