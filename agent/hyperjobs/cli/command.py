"""A command that shows examples in its help, as every command of the program must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from hyperjobs.cli.setting import verbose_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Example(NamedTuple):
    """One line that a person may write, and what for.

    Attributes:
        purpose: a sentence fragment that stands above it as a comment.
        line: all of it, the program's name too, as a shell takes it.
        code: the exit code it has where all is well.
    """

    purpose: str
    line: str
    code: int = 0


class Command(click.Command):
    """A command with examples, shown at the end of its help, in its manual page and in ``docs/commands.md``.

    Each is run by a test, so an example is a promise that it works.

    Args:
        examples: (what for, the line), or (what for, the line, its exit code), the most common first.
    """

    def __init__(
        self, *args: Any, examples: Sequence[tuple[str, str] | tuple[str, str, int]] = (), **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.examples = tuple(Example(*example) for example in examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of the command line; an error knows whose they are."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as exc:
            exc.ctx = (
                exc.ctx or ctx
            )  # click leaves it out where a value is missing, and the help named would be another's
            raise

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the examples, no line of them wrapped, so that they can be copied; then what else is to be said."""
        if self.examples:
            formatter.write_paragraph()
            formatter.write_heading("Examples")
            for example in self.examples:
                formatter.write(f"  # {example.purpose}\n  {example.line}\n")
        if self.epilog:
            formatter.write_paragraph()
            formatter.write_text(self.epilog)


class Group(Command, click.Group):
    """A group with examples, whose commands have them too, listed in the order in which they were added."""

    command_class = Command

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if all("--verbose" not in parameter.opts for parameter in self.params):
            verbose_option(self)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order a reader wants them."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names; a word that names none gets the nearest one said."""
        word, known = args[0], self.list_commands(ctx)
        if word not in known and not word.startswith("-"):
            ctx.fail(f"no such command {word!r}{nearest(word, known)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, each with the first line of its help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.summary_of(ctx, name)) for name in self.list_commands(ctx)])

    def summary_of(self, ctx: click.Context, name: str) -> str:
        """The first line of a command's help."""
        command = self.get_command(ctx, name)
        return (command.help or "").partition("\n")[0] if command else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a message, ``"; did you mean 'list'?"``, or nothing when no known word is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only after a typo

    found = get_close_matches(word, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
