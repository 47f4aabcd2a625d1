"""A group of commands that imports a command only when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.command import Group

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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names; a word that names none gets the nearest one said."""
        word = args[0]
        if word not in self.places and not word.startswith("-"):
            ctx.fail(f"no such command {word!r}{nearest(word, self.places)}")
        return super().resolve_command(ctx, args)

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


def nearest(word: str, known: Mapping[str, object]) -> str:
    """The end of a message, ``"; did you mean 'list'?"``, or nothing when no known word is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only after a typo

    found = get_close_matches(word, known, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
