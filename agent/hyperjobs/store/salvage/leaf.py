"""The rows of one leaf, each with what speaks against it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store.cells import Cells, RawText
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.salvage.pages import fragment_bytes, free_blocks
from hyperjobs.store.salvage.record import BrokenRecordError, Cell, as_column, table_cell, values_of

if TYPE_CHECKING:
    from hyperjobs.store.salvage.layout import Layout
    from hyperjobs.store.salvage.pages import Node, PageFile

_METADATA: Final = COLUMNS.index("metadata")
_LARGEST_FRAGMENT: Final = 3
"""A piece of four bytes could be used again."""


class Doubt(IntFlag):
    """Why a row may not be one, or not as it reads."""

    ORPHAN = 1
    """The table does not lead to its page."""
    PLACE = 2
    """Its rowid does not belong on its page."""
    FORM = 4
    """SQLite would not have written these bytes."""
    TEXT = 8
    """A text with a NUL, or that is no UTF-8."""
    TWICE = 16
    """Another row has its rowid or its id, and nothing says which is right."""
    AGAINST = 32
    """An index says that it has another value."""
    UNKNOWN = 64
    """Indexes that are whole do not know it."""
    FREE = 128
    """Its page may be a free one, and it deleted long ago."""
    PAGE = 256
    """Its page contradicts itself."""
    EDGE = 512
    """What follows it is nothing, or another row lies on it: its end may be spoilt."""
    GONE = 1024
    """It is what is left of a deleted row, or of one that is certain elsewhere: no job is missing without it."""


_WORDS: Final = {
    Doubt.ORPHAN: "no way leads to its page",
    Doubt.PLACE: "its page is not where it belongs",
    Doubt.FORM: "its bytes are not as SQLite writes them",
    Doubt.TEXT: "a text with a NUL, or that is no UTF-8",
    Doubt.TWICE: "it is there twice",
    Doubt.AGAINST: "an index says otherwise",
    Doubt.UNKNOWN: "no index knows it",
    Doubt.FREE: "its page may have been freed",
    Doubt.PAGE: "its page is damaged",
    Doubt.EDGE: "it ends at a damaged place",
}


def words_of(doubt: Doubt) -> tuple[str, ...]:
    """What speaks against a row, for a person."""
    return tuple(words for flag, words in _WORDS.items() if doubt & flag)


@dataclass(frozen=True, slots=True)
class Found:
    """One row as it lies in a page.

    Attributes:
        slot: its place in the page's list.
        cells: its values in the order of ``COLUMNS``.
    """

    rowid: int
    slot: int
    cells: Cells
    doubt: Doubt
    overflow: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LeafRows:
    """What is on a leaf.

    Attributes:
        broken: places that should hold a row and do not.
    """

    rows: list[Found]
    broken: int


def read_leaf(pages: PageFile, node: Node, layout: Layout) -> LeafRows:
    """Read the rows of a leaf of ``jobs``.

    A page is believed when every byte of its cell area belongs to exactly one thing, as SQLite's own check asks.
    """
    cells: list[tuple[int, int, Cell]] = []
    broken = 0
    for slot, at in enumerate(node.cells):
        cell = _cell(pages, node, at)
        if cell is None:
            broken += 1
        else:
            cells.append((at, slot, cell))
    pieces = free_blocks(node, pages.usable)
    rows = [_row(cell, slot, layout) for _, slot, cell in cells]
    sound = [(at, cell.end) for (at, _, cell), row in zip(cells, rows, strict=True) if _is_sound(row)]
    is_tidy, edges = _cover(node, pages.usable, sound, pieces or [])
    broken += rows.count(None)
    found = [(at, row) for (at, _, _), row in zip(cells, rows, strict=True) if row is not None]
    if is_tidy and not broken and node.is_sane and pieces is not None:
        return LeafRows([row for _, row in found], 0)
    torn = []
    for at, row in found:
        doubt = Doubt.PAGE | (Doubt.EDGE if at in edges else Doubt(0))
        if not _is_json(
            row.cells[_METADATA]
        ):  # on a page that is torn, another page's text may go on in the middle of a row
            doubt |= Doubt.FORM
        torn.append(replace(row, doubt=row.doubt | doubt))
    return LeafRows(torn, broken)


def _cell(pages: PageFile, node: Node, at: int) -> Cell | None:
    try:
        return table_cell(pages, node.data, at) if at >= 0 else None
    except BrokenRecordError:
        return None


def _is_sound(row: Found | None) -> bool:
    return row is not None and not row.doubt & Doubt.FORM


def row_at(pages: PageFile, node: Node, slot: int, layout: Layout) -> Cells:
    """The values of a row that was found before."""
    found = _row(table_cell(pages, node.data, node.cells[slot]), slot, layout)
    assert found is not None  # noqa: S101 - the same bytes as before
    return found.cells


def _cover(
    node: Node, usable: int, cells: list[tuple[int, int]], pieces: list[tuple[int, int]]
) -> tuple[bool, set[int]]:
    """Whether cells and unused pieces fill a page's cell area, and which cells end at a hole or lie on another.

    One that begins behind a hole is not concerned: its head would not fit what follows.
    """
    is_tidy, unused = True, 0
    edges: set[int] = set()
    spans = sorted([(begin, end, True) for begin, end in cells] + [(begin, end, False) for begin, end in pieces])
    at, before = node.content, None
    for begin, end, is_cell in spans:
        if begin < at or begin > at + _LARGEST_FRAGMENT:
            is_tidy = False
            edges.update(each for each in (before, begin if is_cell and begin < at else None) if each is not None)
        unused += max(begin - at, 0)
        at, before = max(at, end), begin if is_cell else None
    if usable - at > _LARGEST_FRAGMENT:
        is_tidy = False
        edges.update(each for each in (before,) if each is not None)
    unused += usable - at
    return is_tidy and unused == fragment_bytes(node), edges


def _row(cell: Cell, slot: int, layout: Layout) -> Found | None:
    try:
        values, is_exact = values_of(cell.payload)
    except BrokenRecordError:
        return None
    doubt = Doubt(0)
    count = len(layout.defaults)
    if not is_exact or not cell.is_whole or len(values) > count or not values:
        doubt |= Doubt.FORM
    row = as_column(values, layout.defaults, layout.reals)
    if any(row[place] is None for place in layout.required):
        doubt |= Doubt.FORM
    cells = tuple(row[place] for place in layout.places)
    if _has_odd_text(cells):
        doubt |= Doubt.TEXT
    if cell.overflow and not _is_json(cells[_METADATA]):
        doubt |= Doubt.FORM
    return Found(cell.rowid, slot, cells, doubt, cell.overflow)


def _has_odd_text(cells: Cells) -> bool:
    kinds = list(map(type, cells))
    return RawText in kinds or "\0" in "".join([cell for cell in cells if type(cell) is str])


def _is_json(metadata: Any) -> bool:
    """Whether what should be JSON is; of a row that lies on several pages one may hold something else by now."""
    if type(metadata) is not str:
        return metadata is None
    try:
        json.loads(metadata or "null")
    except (ValueError, RecursionError):
        return False
    return True
