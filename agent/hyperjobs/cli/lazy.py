"""A group of commands that imports a command only when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.command import Group, nearest

__all__ = ["LazyGroup", "nearest"]

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.shell_completion import CompletionItem


class LazyGroup(Group):
    """A group that knows its commands by name, place and help, and imports the one that is asked for.

    Listing the commands imports none, so ``--help`` and ``--version`` cost what click costs.

    Args:
        places: command name → (``"module:attribute"``, the first line of the command's help).
        headings: name of a command → what stands above it and those after it in the list of commands.
    """

    def __init__(
        self,
        *args: Any,
        places: Mapping[str, tuple[str, str]],
        headings: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.places = dict(places)
        self.headings = dict(headings or {})

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order a reader wants them."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of this name, imported now; ``None`` when there is none."""
        place = self.places.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place[0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """The commands that begin so, none of them imported, and the group's own options."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only where a shell asks

        found = [
            CompletionItem(name, help=line) for name, (_, line) in self.places.items() if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the list of commands from what is known without importing them, beneath their headings."""
        parts: list[tuple[str, list[tuple[str, str]]]] = [("Commands", [])]
        for name, (_, help_line) in self.places.items():
            if name in self.headings:
                parts.append((self.headings[name], []))
            parts[-1][1].append((name, help_line))
        widest = max(map(len, self.places))
        for heading, rows in parts:
            if rows:
                with formatter.section(heading):
                    formatter.write_dl([(name.ljust(widest), help_line) for name, help_line in rows])
