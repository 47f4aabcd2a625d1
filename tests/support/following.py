"""Lines of a page, one after the other: run, or held to what the table says of them; what did not end as the page says."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from support.doc_world import DAEMON
from support.not_followed import bare, entry_of
from support.page_needs import CODES
from support.shown import differs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from support.follower import World
    from support.pages import Line

_SAID = re.compile(r"# exit codes? (\d+(?: or \d+)*)")


ALONE = re.compile(r"hyperjobs salvage\b")
"""Commands that want nobody to have the store open: in front of them everybody has been stopped."""


@contextlib.contextmanager
def _nobody_else(world: World) -> Iterator[None]:
    stopped = [unit for unit in ("hyperjobs", DAEMON) if world.process(unit)]
    for unit in stopped:
        world.stop(unit)
    yield
    for unit in stopped:
        world.start(unit)


def codes_of(line: Line) -> set[int]:
    """The exit codes that the page, in a comment or in its text, says a line may end with."""
    if said := _SAID.search(line.text):
        return {int(code) for code in said[1].split(" or ")}
    return {CODES.get((line.page, line.text), 0)}


def follow(world: World, lines: Iterable[Line]) -> list[str]:
    """Follow the lines in a world; what is wrong with them, for a person."""
    wrong = []
    for line in lines:
        if entry := entry_of(line.text):
            entry.check(bare(line.text))
            continue
        is_columns = any("\t" in shown for shown in line.shown)
        with _nobody_else(world) if ALONE.match(bare(line.text)) else contextlib.nullcontext():
            done = world.run(line.text, on_terminal=bool(line.shown) and not is_columns)
        wrote = world.there(done.written)
        if done.code not in codes_of(line):
            wrong.append(f"{line.where}: {line.text}: exit {done.code}\n{wrote}")
        elif missing := differs(line.shown, wrote):
            wrong.append(f"{line.where}: {line.text}: shown and not written: {missing}\n{wrote}")
    return wrong
