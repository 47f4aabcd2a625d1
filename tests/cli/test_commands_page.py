"""docs/commands.md and the program say the same; ``HYPERJOBS_UPDATE_GOLDEN=1`` writes anew what is made from the commands."""

from __future__ import annotations

import json
import os
import re

import click
import pytest

from hyperjobs.cli.program import program
from support.command_page import PAGE, block, described, full_name, renewed
from support.command_tree import every_command


def sections():
    """Command → its section of the page."""
    parts = re.split(r"^## hyperjobs ", PAGE.read_text(), flags=re.MULTILINE)
    return {heading: text for heading, _, text in (part.partition("\n") for part in parts[1:])}


def test_the_page_is_what_it_would_be_if_it_were_made_now():
    if os.environ.get("HYPERJOBS_UPDATE_GOLDEN"):
        PAGE.write_text(renewed(PAGE.read_text()))

    assert renewed(PAGE.read_text()) == PAGE.read_text()


def test_the_page_has_a_section_for_every_command_and_no_other():
    assert set(sections()) == set(described()) - {""}


@pytest.mark.parametrize("name", sorted(described()))
def test_what_is_made_from_a_command_stands_in_its_section_once_and_below_an_introduction(name):
    text = sections()[name] if name else PAGE.read_text().split("\n## ")[0]
    made = block(name, described()[name])

    assert text.count(made) == PAGE.read_text().count(f"<!-- {full_name(name)}: made") == 1
    assert re.match(r"\s*[A-Z#]", text.partition(made)[0])


@pytest.mark.parametrize("name", sorted(every_command()))
def test_every_command_and_option_has_help(name):
    command = every_command()[name]

    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_the_help_known_without_importing_is_the_commands_own():
    context = click.Context(program)

    for name, (_, line) in program.places.items():
        assert program.get_command(context, name).help.splitlines()[0] == line


@pytest.mark.parametrize(
    ("name", "words"), [("list", ["list"]), ("history", ["history", "job-3"]), ("stats", ["stats"])]
)
def test_the_json_on_the_page_has_the_names_the_program_writes(hj, name, words):
    [example] = re.findall(r"```json\n(.*)\n```", sections()[name])

    written = json.loads(hj.invoke(*words, "--json").stdout.splitlines()[-1])

    assert list(json.loads(example)) == list(written)


@pytest.mark.parametrize(
    "words", [["list", "--status", "failed,running"], ["running"], ["failed"], ["show"], ["history"]]
)
def test_the_headings_on_the_page_are_those_of_the_table(hj, words):
    more = {"show": ["job-1"], "history": ["job-3"]}.get(words[0], [])
    _, table = hj.on_terminal(*words, *more, "--utc", env={"NO_COLOR": "1", "TERM": "dumb"})

    example = re.search(r"```console\n\$.*\n((?:.*\n)*?)```", sections()[words[0]])[1]

    assert table.splitlines()[0].split()[:2] == example.splitlines()[0].split()[:2]
