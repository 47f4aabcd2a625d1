"""What there is to be got from a damaged store: every row, what speaks for it and against it, and what is missing."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.models import JobStatus
from hyperjobs.store.salvage.free import FreePages
from hyperjobs.store.salvage.judgement import judge
from hyperjobs.store.salvage.layout import Layout, SchemaRow, read_layout
from hyperjobs.store.salvage.leaf import Doubt, Found, read_leaf, row_at
from hyperjobs.store.salvage.pages import INDEX_INTERIOR, INDEX_LEAF, TABLE_LEAF
from hyperjobs.store.salvage.tree import Gap, Leaf, entry_at, pages_of, walk_table
from hyperjobs.store.salvage.witness import ID, Rows, Testimony, hash_of, hear, overhear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hyperjobs.store.cells import Cells
    from hyperjobs.store.salvage.pages import Node, PageFile

_STATUS: Final = COLUMNS.index("status")
_CREATED_AT: Final = COLUMNS.index("created_at")
_STATUSES: Final = frozenset(map(str, JobStatus))
_FIRST_ROOTS: Final = (2, 3)
"""Where the first table of a file begins: behind the schema, and behind the first page of a map if it has one."""
_PAGES_BETWEEN_LOOKS: Final = 64


@dataclass(slots=True)
class Survey:
    """What was found.

    Attributes:
        rows: all of them, certain or not.
        gaps: of the table: what could not be walked, with the rowids that were there.
        heard: what the indexes said.
        pages: looked at.
        is_guessed: where the table begins was not said by the schema.
    """

    layout: Layout
    rows: Rows
    gaps: list[Gap]
    heard: Testimony
    pages: int
    is_guessed: bool = False
    _nodes: dict[int, Node] = field(default_factory=dict)

    def certain(self) -> Iterator[int]:
        """The places of rows that can be believed, in the order of their rowids."""
        return (at for at, doubt in enumerate(self.rows.doubts) if not doubt)

    def doubtful(self) -> list[int]:
        """The places of those that cannot; what was deleted, or is certain elsewhere, is not among them."""
        return [at for at, doubt in enumerate(self.rows.doubts) if doubt and not doubt & Doubt.GONE]

    def cells(self, pages: PageFile, at: int) -> Cells:
        """The values of the row at a place."""
        number = self.rows.pages[at]
        node = self._nodes.get(number)
        if node is None:
            self._nodes.clear()
            node = pages.node(number)
            assert node is not None  # noqa: S101 - a row was found on it
            self._nodes[number] = node
        return row_at(pages, node, self.rows.slots[at], self.layout)


def survey(
    pages: PageFile,
    path: Path,
    *,
    is_trusted: bool,
    keep_on: Callable[[], None] = lambda: None,
    progress: Callable[[int, int], object] = lambda _done, _all: None,
) -> Survey:
    """Look at every page once.

    Args:
        pages: of a private copy.
        path: of the store, for messages.
        is_trusted: whether the copy's header was one.
        keep_on: called often; what it raises ends the work.
        progress: told how many pages were looked at, and of how many.

    Raises:
        StoreRefusedError: its ``jobs`` is not that of hypersdk's own client.
    """
    looking = _Looking(pages, path, is_trusted=is_trusted, keep_on=keep_on, progress=progress)
    looking.walk()
    looking.gather()
    rows = looking.sorted()
    heard = looking.hear(rows)
    is_alone = looking.layout.is_whole and not looking.has_twin
    judge(rows, heard, is_alone=is_alone, has_twin=looking.has_twin, is_shared=looking.is_shared)
    return Survey(looking.layout, rows, looking.gaps, heard, looking.looked_at, looking.is_guessed)


class _Looking:
    """One survey, step by step."""

    def __init__(
        self,
        pages: PageFile,
        path: Path,
        *,
        is_trusted: bool,
        keep_on: Callable[[], None],
        progress: Callable[[int, int], object],
    ) -> None:
        self.pages, self._keep_on, self._progress = pages, keep_on, progress
        self.free = FreePages(pages, is_trusted=is_trusted)
        self.layout = read_layout(pages, path)
        self.root = self.layout.root
        self.is_guessed = False
        if not self._is_jobs(self.root):
            guessed = next((each for each in (*_FIRST_ROOTS, *self.free.roots()) if self._is_jobs(each)), 0)
            self.root, self.is_guessed = guessed or self.root, bool(guessed)
        self.gaps: list[Gap] = []
        self.seen: set[int] = set()
        self.looked_at = 0
        columns = sorted({witness.column for witness in self.layout.witnesses})
        self._found = Rows(
            rowids=array("q"),
            pages=array("I"),
            slots=array("H"),
            doubts=array("H"),
            wholes=array("Q"),
            hashes={column: array("Q") for column in columns},
        )
        self._overflow: Counter[int] = Counter()
        self._chains: dict[tuple[int, int], tuple[int, ...]] = {}
        self._strange: set[tuple[int, int]] = set()
        self._missed: list[tuple[int, int]] = []

    def walk(self) -> None:
        """Take the rows that the table leads to."""
        for leaf in walk_table(self.pages, self.root, self.seen):
            if isinstance(leaf, Gap):
                self.gaps.append(leaf)
            else:
                is_free = self.free.is_free(leaf.node.number)  # then either the list or the table is wrong
                self._take(leaf, Doubt.PLACE if is_free else Doubt(0))

    def gather(self) -> None:
        """Take the rows of leaves that nothing leads to, and are not free as far as anybody knows."""
        others = self._others()
        self._missed = _joined(self._strange | {(gap.low, gap.high) for gap in self.gaps})
        for number in range(2, self.pages.count + 1):
            if number in self.seen or number in others or self.free.is_map(number):
                continue
            node = self.pages.node(number)
            if node is None or node.kind != TABLE_LEAF:
                continue
            is_live = self.free.is_live(number)
            if is_live is not False:
                doubt = Doubt.ORPHAN if is_live else Doubt.ORPHAN | Doubt.FREE
                self._take(Leaf(node, -(2**63) - 1, 2**63 - 1), doubt, self._is_plausible)

    def sorted(self) -> Rows:
        """The rows in the order of their rowids."""
        found = self._found
        order = sorted(range(len(found.rowids)), key=found.rowids.__getitem__)
        for name in ("rowids", "pages", "slots", "doubts", "wholes"):
            column = getattr(found, name)
            setattr(found, name, array(column.typecode, map(column.__getitem__, order)))
        found.hashes = {key: array("Q", map(one.__getitem__, order)) for key, one in found.hashes.items()}
        for name in ("confirmed", "by_id", "against", "absent"):
            setattr(found, name, bytearray(len(order)))
        return found

    def hear(self, rows: Rows) -> Testimony:
        """Hold what the indexes say against the rows."""
        heard = Testimony()
        seen = set(self.seen)
        for witness in self.layout.witnesses:
            hear(self.pages, witness, rows, heard, seen=seen, keep_on=self._keep_on)
        columns = sorted(rows.hashes)
        for number in range(2, self.pages.count + 1):
            self._look()
            is_live = None if number in seen else self.free.is_live(number)
            if number in seen or is_live is False or self.free.is_map(number):
                continue
            node = self.pages.node(number)
            if columns and node is not None and node.kind in {INDEX_LEAF, INDEX_INTERIOR}:
                entries = (entry_at(self.pages, node, at) for at in node.cells)
                overhear(rows, columns, entries, heard, is_live=bool(is_live))
        return heard

    @property
    def has_twin(self) -> bool:
        """Whether another table's rows look like jobs."""
        return any(map(_is_like_jobs, self.layout.schema))

    def is_shared(self, page: int, slot: int) -> bool:
        """Whether the rest of a row lies where something else lies as well, or nothing any more."""
        return any(
            self._overflow[each] > 1 or each in self.seen or self.free.is_free(each)
            for each in self._chains.get((page, slot), ())
        )

    def _others(self) -> set[int]:
        """The pages that belong to something else: indexes, and tables whose rows look like jobs.

        Where a page of any other table holds jobs, it has changed places with one of ours.
        """
        seen: set[int] = set()
        for row in self.layout.schema:
            if row.root > 1 and (row.kind == "index" or _is_like_jobs(row)):
                pages_of(self.pages, row.root, seen, is_index=row.kind == "index")
        return seen - self.seen

    def _is_jobs(self, root: int) -> bool:
        """Whether a tree that begins here has a job on its first leaves."""
        for leaf in walk_table(self.pages, root, set()):
            if isinstance(leaf, Gap):
                continue
            rows = read_leaf(self.pages, leaf.node, self.layout).rows
            if rows:
                return any(map(self._is_plausible, rows))
        return False

    def _may_be_missed(self, rowid: int) -> bool:
        """Whether a row may have been in the table where it was walked: in a gap, or where a page holds other rows.

        Anywhere else the table says itself that it has no such row, any more.
        """
        if self.is_guessed or not self.root:
            return True
        place = bisect_left(self._missed, (rowid,)) - 1  # the last span that begins below it
        return place >= 0 and rowid <= self._missed[place][1]

    def _is_plausible(self, row: Found) -> bool:
        """Whether a row that lies anywhere looks like a job."""
        cells = row.cells
        return (
            not row.doubt & Doubt.FORM
            and type(cells[ID]) is str
            and bool(cells[ID])
            and cells[_STATUS] in _STATUSES
            and cells[_CREATED_AT] is not None
        )

    def _take(self, leaf: Leaf, doubt: Doubt, fits: Callable[[Found], bool] = lambda _row: True) -> None:
        found = read_leaf(self.pages, leaf.node, self.layout)
        number = leaf.node.number
        self._look()
        if found.broken and not doubt:
            self.gaps.append(Gap(number, f"{found.broken} of its rows cannot be read", leaf.low, leaf.high))
        elif not leaf.node.is_sane and not doubt:
            self.gaps.append(Gap(number, "a page with numbers that cannot be", leaf.low, leaf.high))
        into = self._found
        for row in found.rows:
            if not fits(row):
                continue
            if doubt:
                self.seen.add(number)
            placed = doubt | row.doubt
            if not (self._may_be_missed(row.rowid) if doubt & Doubt.ORPHAN else leaf.low < row.rowid <= leaf.high):
                placed |= Doubt.PLACE
                self._strange.add((leaf.low, leaf.high))
            if row.overflow:
                self._overflow.update(row.overflow)
                self._chains[number, row.slot] = row.overflow
            into.rowids.append(row.rowid)
            into.pages.append(number)
            into.slots.append(row.slot)
            into.doubts.append(int(placed))
            into.wholes.append(hash_of(row.cells))
            for column, hashes in into.hashes.items():
                hashes.append(hash_of(row.cells[column]))

    def _look(self) -> None:
        self.looked_at += 1
        if self.looked_at % _PAGES_BETWEEN_LOOKS == 0:
            self._keep_on()
            self._progress(min(self.looked_at, 2 * self.pages.count), 2 * self.pages.count)


def _joined(spans: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that overlap as one."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def _is_like_jobs(row: SchemaRow) -> bool:
    """Whether another table has as many columns as ``jobs``; our own log has more."""
    return (
        row.kind == "table"
        and row.name.lower() not in {"jobs", "hyperjobs_log"}
        and (row.sql or "").count(",") >= len(COLUMNS) - 1
    )
