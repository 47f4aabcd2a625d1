"""Command lines read as the program reads them, and run by nobody."""

from __future__ import annotations

import ast
import re
import shlex
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.program import program

if TYPE_CHECKING:
    from collections.abc import Iterator

# After it no word of ours follows: the end of a sentence, of a quotation, of a part of a shell's line.
_END = re.compile(r"['\"`…,;:()|>]|\.(?:\s|$)|\s(?:and|or|says|beside|shows|does|takes|ends|gives|brings|lists)\b")


def command_of(line: str) -> tuple[click.Command, click.Context, list[str]]:
    """The command that a line names, the context to read it in, and the words that are left for it.

    Raises:
        click.UsageError: there is no such command.
    """
    command: click.Command = program
    context = click.Context(program, info_name="hyperjobs")
    words = shlex.split(line, comments=True)[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith(("-", "[")):
        found = command.get_command(context, words[0])
        if found is None:
            raise click.UsageError(f"{line}: no command {words[0]}")
        command, words = found, words[1:]
    return command, context, words


def read(line: str) -> None:
    """Read a whole command line.

    Raises:
        click.UsageError: the program does not have this command, option or value, or misses one.
    """
    command, context, words = command_of(line)
    if isinstance(command, click.Group) and not command.invoke_without_command and words != ["--help"]:
        raise click.UsageError(f"{line}: no command of the group is named")
    try:
        command.make_context(command.name, words, parent=context)
    except click.exceptions.Exit:  # --help and --version answer at once
        return


def read_mention(line: str) -> None:
    """Read what a sentence names: an argument may be missing or stand for others, but what is there has to exist.

    Raises:
        click.UsageError: the program does not have this command or option.
    """
    command, _, words = command_of(line)
    known = {each for parameter in command.params for each in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help", "-h", "--version", "-V"}
    for word in words:
        if word.startswith("-") and word not in {"-", "--"} and word.partition("=")[0] not in known:
            raise click.UsageError(f"{line}: no option {word}")


def named_in(text: str) -> Iterator[str]:
    """Each command of ours that a text tells somebody to run, up to where its words end."""
    for found in re.finditer(r"(?<![\w/.-])(['`\"]?)hyperjobs ((?=[a-z-])[^\n]*)", text):
        rest = _END.split(found[2], maxsplit=1)[0].rstrip(" .")
        word = rest.split(" ", 1)[0]
        is_command = word in program.list_commands(click.Context(program))
        if is_command or (found[1] and not word.startswith("-")):
            yield f"hyperjobs {rest}"


def spoken(source: str) -> Iterator[str]:
    """Every text that a module of the program can say, its places for values filled with a word."""
    tree = ast.parse(source)
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            said = "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)
            yield re.sub(r"(?<=[\w-])\0", " ", said).replace("\0", "VALUE")  # what sticks to a word is more words
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value
