"""The parts of ``docs/commands.md`` that are made from the commands: how each is called, its options, its examples."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from support.command_tree import every_command

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
EVERYWHERE = {"--verbose", "--help"}
"""Options that the opening describes once for all commands."""

# What stands out: options, what is quoted in a help, and names of options of the configuration.
_LITERAL = re.compile(
    r"(?<![\w-])--?[A-Za-z][\w-]*|(?<!\w)'([^' ][^']*)'(?!\w)|\b(?:store|web|audit|maintenance|metrics)(?:\.[a-z_]+)+"
)


def full_name(name: str) -> str:
    """``hyperjobs list`` for ``list``, and the program's own for the empty name."""
    return f"hyperjobs {name}".strip()


def described() -> dict[str, click.Command]:
    """The commands that have a section, by name; the program itself has the opening."""
    return every_command(with_groups=False)


def block(name: str, command: click.Command) -> str:
    """What is made for one command, between its markers."""
    title = full_name(name)
    context = _context(name, command)
    usage = " ".join([title, *command.collect_usage_pieces(context)])
    table = list(_table(command, context, is_program=not name))
    parts = [f"`{usage}`", *(["\n".join(table)] if table else []), "\n".join(["Examples:", "", *_examples(command)])]
    text = "\n\n".join(parts)
    return f"<!-- {title}: made from its help -->\n\n{text}\n\n<!-- end of {title} -->"


def renewed(page: str) -> str:
    """The page with all that is made from the commands made anew; a command without a section gets one at the end."""
    for name, command in described().items():
        title = full_name(name)
        old = re.compile(rf"<!-- {title}: made from its help -->.*?<!-- end of {title} -->", re.DOTALL)
        made = block(name, command)
        if old.search(page):
            page = old.sub(lambda _, made=made: made, page)
        else:
            page = f"{page.rstrip()}\n\n## {title}\n\n{inspect.cleandoc(command.help or '')}\n\n{made}\n"
    return page


def _context(name: str, command: click.Command) -> click.Context:
    program = every_command()[""]
    parent = click.Context(program, info_name="hyperjobs", **program.context_settings)
    return click.Context(command, parent=parent, info_name=name) if name else parent


def _table(command: click.Command, context: click.Context, *, is_program: bool) -> Iterator[str]:
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    shown = [each for each in options if is_program or not EVERYWHERE & set(each.opts)]
    if not shown:
        return
    yield "| Option | Meaning |"
    yield "|---|---|"
    for option in shown:
        everywhere = " Every command takes it." if is_program and EVERYWHERE & set(option.opts) else ""
        yield f"| {', '.join(_spellings(option, context))} | {_markdown(option.help or '')}{everywhere} |"


def _spellings(option: click.Option, context: click.Context) -> Iterator[str]:
    for name in option.opts:
        if option.is_flag:
            yield f"`{name}`"
        elif isinstance(option.type, click.Choice) and option.metavar is None:
            yield from (f"`{name} {choice}`" for choice in option.type.choices)
        else:
            yield f"`{name} {option.make_metavar(context)}`"


def _markdown(text: str) -> str:
    line = " ".join(text.split())
    return _LITERAL.sub(lambda found: f"`{found[1] or found[0]}`", line.replace("|", "\\|"))


def _examples(command: click.Command) -> Iterator[str]:
    for example in getattr(command, "examples", ()):
        yield f"- {example.purpose}: `{example.line}`"
