"""Lines of a page, one after the other: run, or held to what the table says of them; what did not end as the page says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from support.command_lines import every_example, read
from support.not_followed import bare, entry_of
from support.page_needs import CODES
from support.shown import differs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.follower import World
    from support.pages import Line

_SAID = re.compile(r"# exit codes? (\d+(?: or \d+)*)")


def codes_of(line: Line) -> set[int]:
    """The exit codes that the page, in a comment or in its text, says a line may end with."""
    if said := _SAID.search(line.text):
        return {int(code) for code in said[1].split(" or ")}
    return {CODES.get((line.page, line.text), 0)}


def follow(world: World, lines: Iterable[Line]) -> list[str]:
    """Follow the lines in a world; what is wrong with them, for a person."""
    wrong, examples = [], every_example()
    for line in lines:
        if entry := entry_of(line.text):
            entry.check(bare(line.text))
            continue
        if line.text in examples:  # one that --help shows; those are run where they are written
            read(line.text)
            continue
        is_columns = any("\t" in shown for shown in line.shown)
        done = world.run(line.text, on_terminal=bool(line.shown) and not is_columns)
        wrote = world.there(done.written)
        if done.code not in codes_of(line):
            wrong.append(f"{line.where}: {line.text}: exit {done.code}\n{wrote}")
        elif missing := differs(line.shown, wrote):
            wrong.append(f"{line.where}: {line.text}: shown and not written: {missing}\n{wrote}")
    return wrong
