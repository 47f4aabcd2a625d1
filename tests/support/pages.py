"""The pages of the project as their readers see them: command lines with what they print, mentions, links, headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SHELLS = ("sh", "bash", "shell", "console")

_FENCE = re.compile(r"^( *)```([\w-]*)[^\n]*\n(.*?)^\1```\s*?$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"<<-?\s*'?(\w+)'?")
_MENTION = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page.

    Attributes:
        page: the page's path from the root of the project.
        line: the number of its first line inside the fence.
        language: the word after the fence.
    """

    page: str
    line: int
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A command line that a reader may copy: all of it, with its continuations and what it feeds to a program.

    Attributes:
        shown: what the page says that it prints; empty where it says nothing.
    """

    page: str
    number: int
    text: str
    shown: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """File and line, for whoever has to mend it."""
        return f"{self.page}:{self.number}"


def pages() -> list[str]:
    """Every page that a reader may follow, by its path from the root of the project."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found += sorted((ROOT / "deploy").rglob("*.md"))
    return [str(path.relative_to(ROOT)) for path in found]


def text_of(page: str) -> str:
    """The whole page."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[Block]:
    """The page's fenced blocks in these languages, in their order."""
    text = text_of(page)
    return [
        Block(page, text.count("\n", 0, found.start(3)) + 1, found[2], found[3])
        for found in _FENCE.finditer(text)
        if found[2] in languages
    ]


def prose(page: str) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", text_of(page))


def command_lines(page: str) -> list[Line]:
    """Every command line in the page's shell blocks, in its order."""
    return [line for block in blocks(page, *SHELLS) for line in _lines(block)]


def _lines(block: Block) -> Iterator[Line]:
    rows = block.text.splitlines()
    at = 0
    while at < len(rows):
        first, number = rows[at], block.line + at
        at += 1
        if block.language == "console":
            if not first.startswith("$ "):
                continue
            first = first[2:]
        elif not first.strip() or first.lstrip().startswith("#"):
            continue
        words = [first]
        while words[-1].endswith("\\") and at < len(rows):
            words.append(rows[at])
            at += 1
        if heredoc := _HEREDOC.search(first):
            while at < len(rows):
                words.append(rows[at])
                at += 1
                if words[-1] == heredoc[1]:
                    break
        shown: list[str] = []
        while block.language == "console" and at < len(rows) and not rows[at].startswith("$ "):
            shown.append(rows[at])
            at += 1
        yield Line(block.page, number, "\n".join(words), tuple(shown))


def mentions(page: str) -> list[str]:
    """What the page's sentences and tables set as code, lines joined."""
    return [re.sub(r"\s*\n\s*", " ", found) for found in _MENTION.findall(prose(page))]


def links(page: str) -> list[str]:
    """Where the page's links and pictures lead, inside the project."""
    found = [link or picture for link, picture in _LINK.findall(prose(page))]
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(page: str) -> set[str]:
    """The names that the page's headings can be linked by, as GitHub makes them."""
    names: dict[str, int] = {}
    found = set()
    for heading in _HEADING.findall(prose(page)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w -]", "", plain.lower()).replace(" ", "-")
        count = names[name] = names.get(name, -1) + 1
        found.add(name if not count else f"{name}-{count}")
    return found
