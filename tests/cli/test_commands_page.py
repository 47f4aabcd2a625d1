"""docs/commands.md and the program say the same, both ways."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from hyperjobs.cli.program import program

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
EVERYWHERE = {"--verbose", "-v", "--help", "-h"}


def sections():
    """Command → its section of the page."""
    parts = re.split(r"^## hyperjobs ", PAGE.read_text(), flags=re.MULTILINE)
    return {heading: text for heading, _, text in (part.partition("\n") for part in parts[1:])}


def commands(group=program, prefix=""):
    """Every command by its full name."""
    context = click.Context(group)
    found = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found |= commands(command, f"{prefix}{name} ")
        if not isinstance(command, click.Group) or command.invoke_without_command:
            found[prefix + name] = command
    return found


def options_in(text):
    """The options that a section's table describes, by the first cell of each row."""
    cells = re.findall(r"^\| (`-[^|]*`) \|", text, flags=re.MULTILINE)
    return {word for cell in cells for word in re.findall(r"(?<=`)--?[a-z-]+", cell, flags=re.IGNORECASE)}


def options_of(command):
    return {word for option in command.params if isinstance(option, click.Option) for word in option.opts}


def test_the_page_has_a_section_for_every_command_and_no_other():
    assert set(sections()) == set(commands())


@pytest.mark.parametrize("name", sorted(commands()))
def test_a_section_describes_every_option_and_no_other(name):
    assert options_in(sections()[name]) == options_of(commands()[name]) - EVERYWHERE


def test_the_page_describes_the_programs_own_options():
    opening = PAGE.read_text().split("\n## ")[0]

    assert options_in(opening) == options_of(program) | {"--help", "-h"}


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_and_option_has_help(name):
    command = commands()[name]

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
