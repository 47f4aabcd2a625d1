"""The manual pages of the commands, each made of what its ``--help`` is made of."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.command import Command
from hyperjobs.cli.edge import EXIT_CODES
from hyperjobs.cli.place import CONFIG_FILE, CONFIG_VARIABLE, STORE_VARIABLE, USUAL_PLACES
from hyperjobs.cli.roff import bold, escape, heading, italic, prose, tagged, verbatim

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NAME = "hyperjobs"
CONFIGURATION = "hyperjobs.yaml"


def every_command(program: click.Group) -> dict[str, click.Context]:
    """The program, its groups and their commands, each by the words that call it; a group before what is in it."""
    settings = dict(program.context_settings)
    found = {NAME: click.Context(program, info_name=NAME, **settings)}
    _add(found, found[NAME])
    return found


def _add(found: dict[str, click.Context], parent: click.Context) -> None:
    group = parent.command
    if not isinstance(group, click.Group):
        return
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        if command is not None:
            context = click.Context(command, parent=parent, info_name=name)
            found[context.command_path] = context
            _add(found, context)


def page_name(path: str) -> str:
    """What the page of a command is called: ``hyperjobs-backup-list`` for ``hyperjobs backup list``."""
    return path.replace(" ", "-")


def command_page(path: str, commands: Mapping[str, click.Context], *, date: str, version: str) -> str:
    """The page of one command, as roff.

    Args:
        path: the words that call it.
        commands: all of them, by these words.
        date: when it was made, as 2026-09-01.
        version: of the program.
    """
    context = commands[path]
    paragraphs = _paragraphs(context.command.help or "")
    summary = re.split(r"(?<=\.)\s|;\s", paragraphs[0], maxsplit=1)[0].rstrip(".")
    below = {name: each for name, each in commands.items() if name.rpartition(" ")[0] == path}
    lines = [
        heading(page_name(path), 1, date=date, version=version),
        ".SH NAME",
        rf"{escape(page_name(path))} \- {escape(summary[:1].lower() + summary[1:])}",
        ".SH SYNOPSIS",
        " ".join([bold(path), *map(_usage, context.command.collect_usage_pieces(context))]),
        ".SH DESCRIPTION",
        *_joined(paragraphs),
        *_commands(below),
        ".SH OPTIONS",
        *_options(context),
        *_examples(context.command),
        *(_surroundings() if path == NAME else []),
        ".SH EXIT STATUS",
        *(line for code, meaning in EXIT_CODES.items() for line in tagged(bold(str(code)), meaning)),
        ".SH SEE ALSO",
        ",\n".join(f"{bold(name)}({section})" for name, section in _see_also(path, below)),
    ]
    return "\n".join(lines) + "\n"


def _usage(piece: str) -> str:
    return italic(piece) if re.fullmatch(r"[A-Z]+", piece) else escape(piece)


def _paragraphs(text: str) -> list[str]:
    return [" ".join(each.split()) for each in inspect.cleandoc(text).split("\n\n")]


def _joined(paragraphs: Sequence[str]) -> Iterator[str]:
    for number, paragraph in enumerate(paragraphs):
        yield from [".PP"] if number else []
        yield prose(paragraph)


def _commands(below: Mapping[str, click.Context]) -> Iterator[str]:
    if below:
        yield ".SH COMMANDS"
    for name, context in below.items():
        yield from tagged(f"{bold(page_name(name))}(1)", _paragraphs(context.command.help or "")[0])


def _options(context: click.Context) -> Iterator[str]:
    for parameter in context.command.get_params(context):
        if not isinstance(parameter, click.Option):
            continue
        value = "" if parameter.is_flag else f" {italic(parameter.make_metavar(context))}"
        names = ", ".join(f"{bold(name)}{value}" for name in parameter.opts)
        yield from tagged(names, parameter.help or "")


def _examples(command: click.Command) -> Iterator[str]:
    if isinstance(command, Command) and command.examples:
        yield ".SH EXAMPLES"
        for number, example in enumerate(command.examples):
            yield from [".PP"] if number else []
            yield prose(f"{example.purpose}:")
            yield from verbatim([example.line])


def _surroundings() -> Iterator[str]:
    yield ".SH ENVIRONMENT"
    yield from tagged(bold(STORE_VARIABLE), "The job store, where --store does not name it.")
    yield from tagged(bold(CONFIG_VARIABLE), "The configuration file, where --config does not name it.")
    yield from tagged(bold("HYPERJOBS_SECTION__OPTION"), f"An option of {CONFIGURATION}(5), over what the file says.")
    yield from tagged(bold("NO_COLOR"), "No colours on a terminal.")
    yield ".SH FILES"
    for place in USUAL_PLACES:
        yield from tagged(bold(place), "The job store, where nobody names it: the first of these that is there.")
    for file in (str(CONFIG_FILE), "~/.config/hyperjobs/hyperjobs.yaml"):
        yield from tagged(bold(file), "The configuration: the first of these that is there.")


def _see_also(path: str, below: Mapping[str, click.Context]) -> Iterator[tuple[str, int]]:
    above = path.split(" ")
    for count in range(1, len(above)):
        yield page_name(" ".join(above[:count])), 1
    for name in below:
        yield page_name(name), 1
    yield CONFIGURATION, 5
