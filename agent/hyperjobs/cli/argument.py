"""What a word of the command line may say."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.lazy import nearest
from hyperjobs.duration import format_duration, parse_duration
from hyperjobs.store.models import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

ALL = "all"
STATUS_WORDS = [str(status) for status in JobStatus]
_TOO_MANY = 2**62
_LONGEST = 20
"""Digits: more are beyond every bound, and would take their time to be read."""

_LENGTHS = ("1s", "5s", "30s", "5m", "30m", "1h", "2h", "1d")


class UnicodeText(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """Text that a store can hold: UTF-8, where the system hands over any bytes."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is, or a usage error."""
        text = str(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"{text!r} is not UTF-8 text", param, ctx)
        return text


class StatusWords(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """One status, or several with commas between."""

    name = "status"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[JobStatus, ...]:
        """The statuses named, or a usage error that names the nearest one."""
        words = [word.strip().lower() for word in str(value).split(",")]
        for word in words:
            if word not in STATUS_WORDS:
                hint = nearest(word, dict.fromkeys(STATUS_WORDS))
                self.fail(f"{word!r} is none of {', '.join(STATUS_WORDS)}{hint}", param, ctx)
        return tuple(JobStatus(word) for word in words)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002 - click's signature
        """The statuses that the last of those written may become, with those before it."""
        before, comma, begun = incomplete.rpartition(",")
        there = before.split(",")
        return offered(before + comma + word for word in STATUS_WORDS if word.startswith(begun) and word not in there)


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """A length of time with its unit.

    Args:
        least: the shortest that is taken.
    """

    name = "duration"

    def __init__(self, *, least: timedelta = timedelta(0)) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The length, or a usage error."""
        if isinstance(value, timedelta):
            return value
        try:
            length = parse_duration(str(value))
        except ValueError as exc:
            self.fail(f"{value!r} {exc}", param, ctx)
        if length < self.least:
            self.fail(f"{value!r} is less than {format_duration(self.least)}", param, ctx)
        return length

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002 - click's signature
        """Some common lengths."""
        known = [text for text in _LENGTHS if parse_duration(text) >= self.least]
        return offered(text for text in known if text.startswith(incomplete))


class Count(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """A number of jobs.

    Args:
        least: the smallest number taken.
        takes_all: the word ``all`` is taken too.
    """

    name = "count"

    def __init__(self, *, least: int, takes_all: bool = False) -> None:
        self.least = least
        self.takes_all = takes_all

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The number, or the word ``all``."""
        word = str(value).lower()
        if self.takes_all and word == ALL:
            return ALL
        if not word.isascii() or not word.isdecimal() or not self.least <= int(word[:20]) < _TOO_MANY:
            alternative = f", or {ALL!r}" if self.takes_all else ""
            self.fail(f"{value!r} is not a number from {self.least} up{alternative}", param, ctx)
        return int(word)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002 - click's signature
        """The word ``all``, where it is taken."""
        return offered([ALL] if self.takes_all and ALL.startswith(incomplete) else [])


class Number(click.ParamType):  # type: ignore[type-arg]  # generic only in newer releases of click
    """A number within bounds, which a help need not name.

    Args:
        least: the smallest that is taken.
        most: the largest; whole numbers alone are taken where both bounds are.
    """

    name = "n"

    def __init__(self, least: float, most: float) -> None:
        self.least = least
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, or a usage error that says what can be written."""
        is_whole = isinstance(self.least, int) and isinstance(self.most, int)
        text = str(value)
        try:
            number = math.nan if len(text) > _LONGEST else int(text) if is_whole else float(text)
        except ValueError:
            number = math.nan
        if not self.least <= number <= self.most:
            what, form = ("whole number", ",") if is_whole else ("number", ",g")
            self.fail(f"{value!r} is not a {what} from {self.least:{form}} to {self.most:{form}}", param, ctx)
        return number


def offered(words: Iterable[str]) -> list[Any]:
    """Words as click gives them to a shell."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only where a shell asks

    return [CompletionItem(word) for word in words]
