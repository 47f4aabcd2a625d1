"""What is wrong with a command line, in our words: one line each, as all errors are, and the word that was meant."""

from __future__ import annotations

import re

import click

from hyperjobs.cli.command import nearest

_NO_CHOICE = re.compile(r"'(?P<word>.*)' is not one of (?P<known>.*)", re.DOTALL)


def usage_message(error: click.UsageError) -> str:
    """The message of an error that click found, or a command of ours, without its full stop."""
    match error:
        case click.NoSuchOption():
            return _no_such_option(error)
        case click.MissingParameter():
            return _missing(error)
        case click.BadOptionUsage():
            return f"{error.option_name} wants a value" if "requires an argument" in error.message else _plain(error)
        case click.BadParameter():
            return f"{_name(error)}{_bad_value(error)}"
        case _:
            extra = re.fullmatch(r"Got unexpected extra arguments? \((.*)\)", error.message, re.DOTALL)
            return f"there is no place for {extra[1]!r}" if extra else _plain(error)


def _plain(error: click.UsageError) -> str:
    return error.format_message().removesuffix(".")


def _no_such_option(error: click.NoSuchOption) -> str:
    message = f"no such option {error.option_name!r}"
    command = error.ctx.command if error.ctx else None
    known = [name for parameter in command.params for name in parameter.opts] if command else []
    hint = nearest(error.option_name, [*known, "--help"])
    if not hint and isinstance(command, click.Group):
        return f"{message} before the name of a command: its options go after it"
    return f"{message}{hint}"


def _missing(error: click.MissingParameter) -> str:
    parameter = error.param
    if parameter is None:
        return _plain(error)
    known = (
        f": one of {', '.join(map(str, parameter.type.choices))}" if isinstance(parameter.type, click.Choice) else ""
    )
    name = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.make_metavar(_context(error))
    return f"{name} is missing{known}"


def _bad_value(error: click.BadParameter) -> str:
    found = _NO_CHOICE.fullmatch(error.message.removesuffix("."))
    if found is None or error.param is None or not isinstance(error.param.type, click.Choice):
        return error.message.removesuffix(".")
    known = list(map(str, error.param.type.choices))
    return f"{found['word']!r} is none of {', '.join(known)}{nearest(found['word'], known)}"


def _name(error: click.BadParameter) -> str:
    """The option or argument that a value is of, with a colon."""
    if isinstance(error.param_hint, str):
        return f"{error.param_hint}: "
    if error.param is None:
        return ""
    if isinstance(error.param, click.Option):
        return f"{error.param.opts[0]}: "
    return f"{error.param.make_metavar(_context(error))}: "


def _context(error: click.UsageError) -> click.Context:
    return error.ctx or click.get_current_context()
