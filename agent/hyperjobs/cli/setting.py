"""What a command is run in: the clock and how much to say about errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hyperjobs.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

CommandFunction = TypeVar("CommandFunction", bound=Any)


@dataclass(slots=True)
class Setting:
    """The surroundings of one command line, carried as click's ``obj``.

    Attributes:
        words: what the person wrote after the program's name.
        verbose: tracebacks are wanted beside the one line of an error.
        as_json: a program reads the answer, and what is said beside it.
    """

    clock: Clock = field(default_factory=SystemClock)
    words: tuple[str, ...] = ()
    verbose: bool = False
    as_json: bool = False


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


def _turn_json(context: click.Context, _parameter: click.Parameter, value: bool) -> bool:  # noqa: FBT001 - click's signature
    if value:
        setting_of(context).as_json = True
    return value


def json_option(help_text: str) -> Callable[[CommandFunction], CommandFunction]:
    """Add ``--json``, which the command gets as ``as_json``; errors are JSON then too.

    Args:
        help_text: what is written, for the command's help.
    """
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        is_eager=True,  # so that it counts for errors in the options after it
        callback=_turn_json,
        help=help_text,
    )
