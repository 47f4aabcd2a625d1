"""What a page shows of a program's output, against what the program wrote: by form, for the values are of another day.

A heading of columns has to be the program's to the word. Lines of columns with tabs have to have as many. A sentence needs
one that says the same but for numbers, names and paths; a line with a label, one with that label.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADING = re.compile(r"[A-Z][A-Z%/ ]*(?:\s{2,}[A-Z%][A-Z%/ ]*)+|JOBS")
_PLAIN = re.compile(r"(?<![\w/.:-])[A-Za-z][A-Za-z']+(?![\w/-]|\.\w)")
_UNITS = frozenset({"B", "KiB", "MiB", "GiB", "min", "s", "h"})
_SENTENCE = 4


def differs(shown: Sequence[str], written: str) -> str | None:
    """The first line that is shown and was not written in that form; ``None`` where all were."""
    written = re.sub(r"[^\n]*\x1b\[K|\x1b\[[0-9;?]*[A-Za-z]|\x1b[78=>]", "", written)
    there = written.splitlines()
    words = f" {' '.join(_plain(written))} "
    is_table = False
    for line in _joined(shown):
        if not line.strip():
            is_table = False
        elif _HEADING.fullmatch(line.strip()):
            is_table = True
            if not any(line.split() == other.split() for other in there):
                return line
        elif "\t" in line:
            if not any(line.count("\t") == other.count("\t") for other in there):
                return line
        elif not is_table and line.strip() != "…" and not _is_said(line, words, there):
            return line
    return None


def _joined(lines: Sequence[str]) -> list[str]:
    """Lines with those that go on from them: a terminal's width is nobody's promise."""
    joined: list[str] = []
    for line in lines:
        if joined and re.match(r" {10,}\S", line) and not _HEADING.fullmatch(line.strip()):
            joined[-1] += f" {line.strip()}"
        else:
            joined.append(line)
    return joined


def _is_said(line: str, words: str, there: Sequence[str]) -> bool:
    plain = _plain(line)
    if len(plain) >= _SENTENCE:
        return f" {' '.join(plain)} " in words
    first = line.split(maxsplit=1)[0]
    return any(first == other.split()[:1][0] for other in there if other.split()) or _is_value(first)


def _is_value(word: str) -> bool:
    """Whether a word is of the day: a number, a name with one, a path."""
    return not _PLAIN.fullmatch(word.rstrip(":,"))


def _plain(text: str) -> list[str]:
    """The words of a text that are no name, number or path: nor what stands in parentheses, nor how many more there are."""
    text = re.sub(r"\([^()]*\)| and [\d,]+ more\b", " ", text)
    return [word for word in _PLAIN.findall(text) if word not in _UNITS]
