"""What a command is run in: the clock and how much to say about errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import click

from hyperjobs.clock import Clock, SystemClock

CommandFunction = TypeVar("CommandFunction", bound=Any)


@dataclass(slots=True)
class Setting:
    """The surroundings of one command line, carried as click's ``obj``.

    Attributes:
        words: what the person wrote after the program's name.
        verbose: tracebacks are wanted beside the one line of an error.
    """

    clock: Clock = field(default_factory=SystemClock)
    words: tuple[str, ...] = ()
    verbose: bool = False


def setting_of(context: click.Context) -> Setting:
    """The setting of this command line, made when there is none yet."""
    return context.ensure_object(Setting)


def _turn_verbose(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value:
        setting_of(context).verbose = True


def verbose_option(command: CommandFunction) -> CommandFunction:
    """Add ``-v``, which every command takes, before or after its name."""
    option = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        is_eager=True,  # so that it counts for errors in the options after it
        expose_value=False,
        callback=_turn_verbose,
        help="Show the traceback of an error.",
    )
    decorated: CommandFunction = option(command)
    return decorated
