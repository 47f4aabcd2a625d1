"""Every command of the program, by its full name."""

from __future__ import annotations

import click

from hyperjobs.cli.program import program


def every_command(*, with_groups: bool = True) -> dict[str, click.Command]:
    """Full name → command, ``hyperjobs`` itself under the empty name; a group before its commands.

    Args:
        with_groups: also groups that do nothing by themselves.
    """
    found = {"": program, **_below(program, "")}
    return {name: each for name, each in found.items() if with_groups or does_something(each)}


def does_something(command: click.Command) -> bool:
    """Whether a command does something by itself: all but groups that only hold others."""
    return not isinstance(command, click.Group) or command.invoke_without_command


def _below(group: click.Group, prefix: str) -> dict[str, click.Command]:
    context = click.Context(group)
    found: dict[str, click.Command] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        found[prefix + name] = command
        if isinstance(command, click.Group):
            found |= _below(command, f"{prefix}{name} ")
    return found
