"""What is wrong with a configuration, gathered so that one run shows everything."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hyperjobs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_SHOWN = 50
"""More problems than this are counted, not shown: the first ones are enough to see what happened."""

_MAX_VALUE_LENGTH = 60
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_SECRET_NAME = re.compile(r"pass(word|wd|phrase)?$|secret|token|credential|api_?key|private", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: a file and its line, an environment variable or a flag."""

    name: str
    line: int | None = None

    def __str__(self) -> str:
        name = printable(self.name)
        return f"{name}:{self.line}" if self.line else name


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct.

    Attributes:
        path: the option, dotted; empty when the whole file is meant.
        got: the value as written, ready to print; ``None`` when there is none to show.
    """

    origin: Origin
    path: str
    message: str
    got: str | None = None

    def __str__(self) -> str:
        path = f"{shorten(self.path)}: " if self.path else ""
        got = "" if self.got is None else f" (got {self.got})"
        return f"{self.origin}: {path}{self.message}{got}"


@dataclass(slots=True)
class Problems:
    """All problems found so far, in the order they were met."""

    found: list[Problem] = field(default_factory=list)

    def add(self, origin: Origin, path: Iterable[str | int], message: str, *, got: str | None = None) -> None:
        """Note one more."""
        self.found.append(Problem(origin, dotted(path), message, got))

    @property
    def is_full(self) -> bool:
        """Whether further problems are only counted, so that hints for them are wasted work."""
        return len(self.found) >= MAX_SHOWN

    def raise_if_any(self) -> None:
        """End with everything that was found.

        Raises:
            ConfigError: one line a problem: ``place: option: what is wrong (got value)``; files by line.
        """
        if not self.found:
            return
        # A stable sort by line: sources keep their order, and a reader goes down the file once.
        files = {problem.origin.name: rank for rank, problem in reversed(list(enumerate(self.found)))}
        ordered = sorted(self.found, key=lambda problem: (files[problem.origin.name], problem.origin.line or 0))
        lines = list(dict.fromkeys(str(problem) for problem in ordered[:MAX_SHOWN]))
        if len(ordered) > MAX_SHOWN:
            lines.append(f"{len(ordered) - MAX_SHOWN} more problems")
        raise ConfigError("\n".join(lines))


def dotted(path: Iterable[str | int]) -> str:
    """The path as people write it: ``web.listen[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a name nobody knows: the one meant, or all there are."""
    names = list(known)
    # difflib is quadratic in length, and nobody misspells a name by hundreds of characters.
    close = difflib.get_close_matches(name[:_MAX_VALUE_LENGTH].lower(), names, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(names)}"


def describe(value: object, *, name: str = "") -> str:
    """A value as an error message or a page may show it: short, on one line, without secrets.

    Args:
        value: text, ``None``, or lists and mappings of them.
        name: the option's name; one that sounds like a secret hides the value.
    """
    if _SECRET_NAME.search(name) and value is not None:
        return "***"
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        # A few items tell enough; the rest would be cut off anyway.
        return shorten(f"[{', '.join(describe(item) for item in value[:_MAX_VALUE_LENGTH])}]")
    text = hide_secrets(str(value))
    return shorten(text if re.fullmatch(r"[^\s\"'#]+", text) else json.dumps(text, ensure_ascii=False))


def hide_secrets(text: str) -> str:
    """The text without the user and password of any URL in it."""
    return _USERINFO.sub("***@", text)


def shorten(text: str, length: int = _MAX_VALUE_LENGTH) -> str:
    """At most so many characters of the text, none of them able to move a cursor or start a line."""
    safe = printable(text[: length + 1])
    return safe if len(safe) <= length else f"{safe[: length - 1]}…"


def printable(text: str) -> str:
    """The text with everything but printable characters written as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
