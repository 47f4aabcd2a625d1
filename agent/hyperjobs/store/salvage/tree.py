"""The trees of a file, walked from their roots: each page once, whatever points where."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store.salvage.pages import INDEX_INTERIOR, INDEX_LEAF, INTERIOR, TABLE_INTERIOR, TABLE_LEAF
from hyperjobs.store.salvage.record import BrokenRecordError, index_cell, signed, values_of, varint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperjobs.store.salvage.pages import Node, PageFile

_DEEPEST: Final = 20
"""SQLite itself goes no deeper."""
_TABLE: Final = frozenset({TABLE_INTERIOR, TABLE_LEAF})
_INDEX: Final = frozenset({INDEX_INTERIOR, INDEX_LEAF})
LOWEST: Final = -(2**63) - 1
HIGHEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf of a table and the rowids that belong on it: above ``low``, up to ``high``."""

    node: Node
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Gap:
    """What cannot be walked.

    Attributes:
        page: its number, 0 when even that is lost.
        why: in a few words.
        low: of a table: rowids above this, up to ``high``, were there.
    """

    page: int
    why: str
    low: int = LOWEST
    high: int = HIGHEST


@dataclass(frozen=True, slots=True)
class Entry:
    """What an index says: this row has that value."""

    key: Any
    rowid: int
    page: int


def walk_table(pages: PageFile, root: int, seen: set[int]) -> Iterator[Leaf | Gap]:
    """The leaves of a table, in the order of their rowids, and the gaps between them.

    Args:
        pages: of the file.
        root: of the tree.
        seen: pages that were met; those of this tree are added.
    """
    stack = [(root, LOWEST, HIGHEST, 0)]
    while stack:
        number, low, high, depth = stack.pop()
        found = _next(pages, number, seen, _TABLE, depth)
        if isinstance(found, str):
            yield Gap(number, found, low, high)
        elif found.kind == TABLE_LEAF:
            yield Leaf(found, low, high)
        else:
            stack.extend((*child, depth + 1) for child in reversed(_children(found, low, high)))


def pages_of(pages: PageFile, root: int, seen: set[int], *, is_index: bool) -> None:
    """Add the pages of a tree to those that were met, without a look at what is on its leaves."""
    kinds = _INDEX if is_index else _TABLE
    stack = [(root, 0)]
    while stack:
        number, depth = stack.pop()
        found = _next(pages, number, seen, kinds, depth)
        if not isinstance(found, str) and found.kind in INTERIOR:
            children = [int.from_bytes(found.data[at : at + 4]) for at in found.cells if at >= 0]
            stack.extend((child, depth + 1) for child in (*children, found.right))


def _next(pages: PageFile, number: int, seen: set[int], kinds: frozenset[int], depth: int) -> Node | str:
    """The page of this number as one of a tree of these kinds, or why it is none."""
    if not pages.has(number):
        return "beyond the end of the file"
    if number in seen:
        return "in a tree already"
    node = pages.node(number)
    if node is None or node.kind not in kinds:
        return "not a page of this tree"
    if depth > _DEEPEST:
        return "deeper than any tree"
    seen.add(number)
    return node


def _children(node: Node, low: int, high: int) -> list[tuple[int, int, int]]:
    """Each child of an interior page with its rowids; where the page contradicts itself, with all of the page's."""
    children: list[int] = []
    keys: list[int] = []
    for at in node.cells:
        key = _key(node.data, at + 4) if at >= 0 else None
        children.append(0 if at < 0 else int.from_bytes(node.data[at : at + 4]))
        if key is not None:
            keys.append(key)
    children.append(node.right)
    bounds = [low, *keys, high]
    if len(keys) < len(node.cells) or any(one > other for one, other in itertools.pairwise(bounds)):
        return [(child, low, high) for child in children]
    return list(zip(children, bounds, bounds[1:], strict=False))


def _key(data: bytes, at: int) -> int | None:
    try:
        return signed(varint(data, at)[0])
    except BrokenRecordError:
        return None


def walk_index(pages: PageFile, root: int, seen: set[int], depth: int = 0) -> Iterator[Entry | Gap]:
    """The entries of an index of one column, in its order, and the gaps between them."""
    node = _next(pages, root, seen, _INDEX, depth)
    if isinstance(node, str):
        yield Gap(root, node)
        return
    if not node.is_sane:
        yield Gap(root, "a page with numbers that cannot be")
    for at in node.cells:
        if at >= 0 and node.kind == INDEX_INTERIOR:
            yield from walk_index(pages, int.from_bytes(node.data[at : at + 4]), seen, depth + 1)
        yield entry_at(pages, node, at)
    if node.kind == INDEX_INTERIOR:
        yield from walk_index(pages, node.right, seen, depth + 1)


def entry_at(pages: PageFile, node: Node, at: int) -> Entry | Gap:
    """The entry at a place of an index's page."""
    if at < 0:
        return Gap(node.number, "an entry outside of its page")
    try:
        cell = index_cell(pages, node.data, at + 4 if node.kind == INDEX_INTERIOR else at)
        values, is_exact = values_of(cell.payload)
    except BrokenRecordError as exc:
        return Gap(node.number, str(exc))
    if len(values) != 2 or type(values[1]) is not int or not is_exact or not cell.is_whole:  # noqa: PLR2004 - key and row
        return Gap(node.number, "an entry that names no row")
    return Entry(values[0], values[1], node.number)
