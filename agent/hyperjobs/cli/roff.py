r"""Text as roff, the language of manual pages, where a dot at the start of a line and a backslash anywhere are orders."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# A bare "-" is a hyphen that wraps, "'" a curly quote, and so on: what is to be copied must be what it looks like.
_WRITTEN = {"\\": r"\(rs", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq"}
_WIDTH = 78
_LITERAL = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*|'[^' ][^']*'|(?<![\w/~.])(?:/|~/)\w[\w./-]*")


def escape(text: str) -> str:
    """Text of one line, to stand anywhere but at the start of a line."""
    return "".join(_WRITTEN.get(each) or (each if each.isascii() else f"\\[u{ord(each):04X}]") for each in text)


def prose(text: str) -> str:
    """Words of a paragraph, each sentence on lines of its own; options, paths and what is quoted stand out."""
    line = " ".join(text.split())
    found, at = [], 0
    for literal in _LITERAL.finditer(line):
        found += [escape(line[at : literal.start()]), rf"\fB{escape(literal[0].strip(chr(39)))}\fR"]
        at = literal.end()
    written = "".join([*found, escape(line[at:])])
    sentences = re.split(r"(?<=\.) (?=[A-Z])", written)
    wrapper = textwrap.TextWrapper(_WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(_guarded(each) for sentence in sentences for each in wrapper.wrap(sentence))


def verbatim(lines: Iterable[str]) -> list[str]:
    """Lines that stay as they are, indented."""
    return [".RS", ".nf", *(_guarded(escape(line)) for line in lines), ".fi", ".RE"]


def tagged(term: str, text: str) -> list[str]:
    """A term, already roff, and beneath it what it means."""
    return [".TP", _guarded(term), prose(text) or r"\&"]


def bold(text: str) -> str:
    """What is to be written as it stands."""
    return rf"\fB{escape(text)}\fR"


def italic(text: str) -> str:
    """What something else is to be written for."""
    return rf"\fI{escape(text)}\fR"


def heading(title: str, section: int, *, date: str, version: str) -> str:
    """The first line of a page."""
    name = escape(title.upper())
    return f'.TH "{name}" "{section}" "{date}" "hyperjobs {escape(version)}" "hyperjobs"'


def _guarded(line: str) -> str:
    return rf"\&{line}" if line.startswith((".", "'")) else line
