"""docs/json.md and what every command writes with ``--json`` are the same; ``HYPERJOBS_UPDATE_GOLDEN=1`` writes the page anew."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints, is_typeddict

import click
import pytest
import yaml

from hyperjobs.cli.edge import answer
from hyperjobs.cli.program import program
from hyperjobs.cli.shapes import agent, backups, doctor, jobs, maintenance, transfer
from hyperjobs.cli.shapes.catalogue import OUTPUTS, WITHOUT
from support.json_page import written_page
from support.json_shapes import faults, kind_of, meanings
from support.json_world import make_world

if TYPE_CHECKING:
    from types import ModuleType

PAGE = Path(__file__).parents[2] / "docs" / "json.md"
MODULES: tuple[ModuleType, ...] = (agent, backups, doctor, jobs, maintenance, transfer)
SHAPES = [each for module in MODULES for each in vars(module).values() if is_typeddict(each)]
OTHERS_NAMES = {"from", "n", "seq"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


def commands(group=program, prefix=""):
    """Every command by its full name, groups that do something alone among them."""
    found = {prefix.strip(): group} if group.invoke_without_command else {}
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        found |= commands(command, f"{prefix}{name} ") if isinstance(command, click.Group) else {prefix + name: command}
    return found


def test_every_command_has_a_described_shape_or_a_reason_why_it_has_none():
    assert OUTPUTS.keys() | WITHOUT.keys() == set(commands())
    assert not OUTPUTS.keys() & WITHOUT.keys()
    has_json = {name for name, command in commands().items() if any("--json" in each.opts for each in command.params)}
    assert has_json == set(OUTPUTS)


@pytest.mark.parametrize("command", sorted(OUTPUTS))
def test_what_a_command_writes_is_of_its_shape_to_the_last_name(world, command):
    output = OUTPUTS[command]
    for words, shape in output.shapes:
        calls = world.written[command, words]
        assert any(calls), f"{command} {words} wrote nothing"
        for lines in calls:
            is_one = not output.is_list or words in {"--fix", "--undo"}
            assert len(lines) == 1 or not is_one
            assert [fault for each in lines for fault in faults(each, shape)] == []


def test_a_shape_is_found_out_by_a_name_too_many_one_too_few_and_a_value_of_another_kind():
    event = {"job_id": "a", "at": "2026-09-10T12:00:00Z", "old": None, "new": "failed", "inferred": False}
    shape = jobs.JobEventShape

    assert faults(event, shape) == []
    assert faults(event | {"more": 1}, shape) == [".more: is not described"]
    assert faults({name: value for name, value in event.items() if name != "old"}, shape) == [".old: is missing"]
    for wrong in (
        {"job_id": 1},
        {"inferred": 0},
        {"new": 1},
        {"at": "2026-09-10 12:00:00"},
        {"at": "2026-09-10T12:00:00+00:00"},
    ):
        assert len(faults(event | wrong, shape)) == 1


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_names_are_plain_words_with_units_and_are_described_by_nobody_else(shape):
    hints = get_type_hints(shape, include_extras=True)
    for name, kind in hints.items():
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
        is_time = name in {"at", "since", "until"} or name.endswith("_at")
        assert ("time" in kind_of(kind).split()) or not is_time
        assert not name.endswith(("_s", "_ms", "_kb", "_mb"))
    assert meanings(shape).keys() <= hints.keys()


def test_every_shape_is_one_that_a_command_writes():
    def inside(kind):
        if is_typeddict(kind):
            yield kind
            for each in get_type_hints(kind).values():
                yield from inside(each)
        for each in getattr(kind, "__args__", ()):
            yield from inside(each)

    used = {each for output in OUTPUTS.values() for _, shape in output.shapes for each in inside(shape)}

    assert {each for each in SHAPES if not each.__name__.startswith("_")} == used


def test_the_page_is_made_of_the_shapes_and_of_what_was_written(world):
    text = PAGE.read_text()
    made = written_page(text, world)
    if os.environ.get("HYPERJOBS_UPDATE_GOLDEN"):
        PAGE.write_text(made)
    assert PAGE.read_text() == made


@pytest.mark.parametrize("command", sorted(OUTPUTS))
def test_words_that_cannot_be_read_are_an_error_in_json(command, capsys):
    code = answer(program, [*command.split(), "--no-such-option", "--json"])

    written = capsys.readouterr()
    [line] = written.err.splitlines()
    assert (code, written.out) == (2, "")
    error = json.loads(line)["error"]
    assert error.keys() == {"reason", "message", "exit_code"}
    assert (error["reason"], error["exit_code"]) == ("usage", 2)


@pytest.mark.parametrize(
    "words",
    ["list", "show job-1", "backup create", "prune --yes", "install", "pin a", "integrity", "restore", "doctor --fix"],
)
def test_a_store_that_is_not_there_is_an_error_in_json(words, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HYPERJOBS_STORE__STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY", str(tmp_path / "backups"))

    code = answer(program, [*words.split(), "--store", str(tmp_path / "none.db"), "--json"])

    error = json.loads(capsys.readouterr().err.splitlines()[-1])["error"]
    assert error["exit_code"] == code != 0
    assert str(tmp_path) in error["message"]


def test_each_mistake_of_a_configuration_is_an_error_of_its_own(tmp_path, capsys):
    file = tmp_path / "hyperjobs.yaml"
    file.write_text("store: {path: 7}\nlog: {level: loud}\n")

    assert answer(program, ["config", "check", "--config", str(file), "--json"]) == 2

    errors = [json.loads(line)["error"] for line in capsys.readouterr().err.splitlines()]
    assert [each["reason"] for each in errors] == ["config"] * len(errors)
    assert any("log.level" in each["message"] for each in errors)


def test_the_word_alone_as_a_value_asks_for_nothing(capsys, tmp_path):
    assert answer(program, ["list", "--text", "--json", "--store", str(tmp_path / "none.db")]) == 7

    assert capsys.readouterr().err.startswith("hyperjobs: ")


def test_what_is_said_beside_a_list_is_a_note_in_json(world, capsys, monkeypatch):
    monkeypatch.setenv("HYPERJOBS_STORE__PATH", str(world.store))

    assert answer(program, ["list", "--at", "2100-01-01", "--dir", str(world.folder / "backups"), "--json"]) == 0

    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["note"]["message"].startswith("as jobs-")


def test_documents_read_back_as_what_they_are(tmp_path, capsys):
    def told(*words):
        assert answer(program, words) == 0
        return capsys.readouterr().out

    for words in (
        ("config", "show"),
        ("rules", "values"),
        ("rules", "render", "--kind", "all"),
        ("rules", "render", "--format", "operator"),
    ):
        assert json.loads(told(*words, "--json")) == yaml.safe_load(told(*words))
    assert json.loads(told("config", "schema", "--json")) == json.loads(told("config", "schema"))
    values = tmp_path / "values.yaml"
    values.write_text(told("rules", "values", "--json"))
    assert told("rules", "render", "--values", str(values)) == told("rules", "render")


def test_secrets_of_the_configuration_stay_hidden_in_json(tmp_path, capsys):
    file = tmp_path / "hyperjobs.yaml"
    file.write_text("metrics: {providers: ['https://user:hunter2@host/x']}\n")

    assert answer(program, ["config", "show", "--config", str(file), "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["metrics"]["providers"] == ["https://***@host/x"]
