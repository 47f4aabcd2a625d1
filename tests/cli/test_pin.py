"""``pin``, ``unpin`` and ``pins`` on a real store."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hyperjobs.cli.edge import answer
from hyperjobs.cli.pin import pin_command, pins_command, unpin_command
from hyperjobs.cli.setting import Setting


@pytest.fixture
def run(hj):
    def run(command, *words):
        environment = {"HYPERJOBS_STORE__PATH": str(hj.store)}
        return CliRunner(env=environment).invoke(command, words, obj=Setting(), catch_exceptions=True)

    return run


def test_a_pin_is_listed_with_its_reason_and_taken_off_again(run):
    assert run(pin_command, "job-1", "--reason", "audit\t2026").exit_code == 0

    fields = run(pins_command).stdout.rstrip("\n").split("\t")
    shown = json.loads(run(pins_command, "--json").stdout)

    assert (fields[0], fields[3], fields[4]) == ("job-1", "", r"audit\t2026")
    assert (shown["id"], shown["is_there"], shown["reason"]) == ("job-1", True, "audit\t2026")
    assert "no longer pinned" in run(unpin_command, "job-1").stdout
    assert run(pins_command).stdout == ""


@pytest.mark.parametrize("command", [pin_command, unpin_command])
def test_a_job_that_is_not_there_is_exit_7_in_one_line(hj, command, capsys):
    code = answer(command, ["nobody", "--store", str(hj.store)])

    line = capsys.readouterr().err
    assert code == 7
    assert len(line.splitlines()) == 1
    assert "nobody" in line


def test_pins_are_a_table_on_a_terminal_and_none_are_said_to_be_none(hj):
    none = hj.on_terminal("pins")
    hj.run("pin", "job-1", "--reason", "for the auditors")

    code, table = hj.on_terminal("pins", env={"NO_COLOR": "1", "TERM": "dumb"})

    assert (none[0], none[1], code) == (0, "no pinned jobs\n", 0)
    assert table.splitlines()[0].split() == ["ID", "PINNED", "BY", "JOB", "REASON"]
    assert table.splitlines()[1].startswith("job-1")
    assert table.splitlines()[1].endswith("for the auditors")
