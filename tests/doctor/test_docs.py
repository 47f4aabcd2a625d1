"""docs/doctor.md and the checks say the same, and every remedy is a command that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hyperjobs.doctor
from hyperjobs.cli.program import program
from hyperjobs.doctor.registry import FIRST, NAMES, OTHERS
from hyperjobs.store.mend import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
SOURCES = sorted(Path(hyperjobs.doctor.__file__).parent.glob("*.py"))


def first_cells(heading):
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([a-z_-]+)` \|", section, flags=re.MULTILINE)


def test_the_page_has_every_check_in_its_order_and_no_other():
    assert first_cells("The checks") == list(NAMES)


def test_the_page_has_every_kind_that_is_mended_and_no_other():
    assert first_cells("Mending rows") == list(KINDS)


def test_every_check_has_a_name_of_its_own_and_a_question():
    assert len(set(NAMES)) == len(NAMES)
    assert all(check.question.endswith("?") for check in (FIRST, *OTHERS))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_command_that_a_remedy_names_exists_with_its_options(source):
    for words in re.findall(r"hyperjobs ((?:[a-z-]+ ?)+(?:--[a-z-]+)?)", source.read_text()):
        command, names = program, words.split()
        while names and hasattr(command, "list_commands") and names[0] in command.list_commands(None):
            command = command.get_command(None, names.pop(0))
        if command is program:
            assert names[0] not in {"is", "has"}
            assert not re.search(rf"[\"';] ?hyperjobs {re.escape(words)}", source.read_text()), words
        for option in names:
            if option.startswith("--"):
                assert option in {each for param in command.params for each in param.opts}, words
