"""A command that shows examples in its help, as every command of the program must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    """A group with examples, whose commands have them too."""

    command_class = Command
