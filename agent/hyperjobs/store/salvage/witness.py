"""What the indexes say, held against the rows: which are confirmed, which contradicted, and which are lost."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store.cells import RawText
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.salvage.tree import Entry, Gap, walk_index

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterator, Sequence

    from hyperjobs.store.salvage.layout import Witness
    from hyperjobs.store.salvage.pages import PageFile

ID: Final = COLUMNS.index("id")


@dataclass(slots=True)
class Rows:
    """The rows that were found, in the order of their rowids; each list has an entry for each.

    Attributes:
        hashes: of the value in each column that an index has.
        confirmed: how many indexes say the same of a row; ``by_id`` whether that of the primary key does.
        against: how many say otherwise.
        absent: how many that are whole do not know it.
    """

    rowids: array[int]
    pages: array[int]
    slots: array[int]
    doubts: array[int]
    wholes: array[int]
    hashes: dict[int, array[int]]
    confirmed: bytearray = field(default_factory=bytearray)
    by_id: bytearray = field(default_factory=bytearray)
    against: bytearray = field(default_factory=bytearray)
    absent: bytearray = field(default_factory=bytearray)

    def at(self, rowid: int) -> range:
        """The places of the rows with this rowid."""
        first = last = bisect_left(self.rowids, rowid)
        while last < len(self.rowids) and self.rowids[last] == rowid:
            last += 1
        return range(first, last)


@dataclass(slots=True)
class Testimony:
    """What all indexes said.

    Attributes:
        lost: rowid → column → value, of rows that an index knows and nobody found.
        otherwise: the same of rows that it knows otherwise than they were found.
        whole: how many indexes were read without a gap.
        names: of those that were not.
        id_gaps: between which ids the index of the primary key could not be read, as ranks; ``None`` is open.
        has_ids: that index was read at all.
    """

    lost: dict[int, dict[int, Any]] = field(default_factory=dict)
    otherwise: dict[int, dict[int, Any]] = field(default_factory=dict)
    whole: int = 0
    names: list[str] = field(default_factory=list)
    id_gaps: list[tuple[Any, Any]] = field(default_factory=list)
    has_ids: bool = False

    def may_have(self, job_id: Any) -> bool:
        """Whether a job of this id may have been there without that index telling."""
        place = rank(job_id)
        return not self.has_ids or any(
            (low is None or low <= place) and (high is None or place <= high) for low, high in self.id_gaps
        )


def hash_of(value: Any) -> int:
    """A number that equal values of one type share."""
    return hash((value.__class__, value)) & 0xFFFFFFFFFFFFFFFF


def rank(value: Any) -> tuple[int, Any]:
    """What SQLite orders values by."""
    if value is None:
        return 0, 0
    if isinstance(value, str):
        return 2, value.encode()
    if isinstance(value, RawText):
        return 2, bytes(value)
    return (3, value) if isinstance(value, bytes) else (1, value)


def hear(  # noqa: PLR0913 - who says what, and what is known
    pages: PageFile, witness: Witness, rows: Rows, heard: Testimony, *, seen: set[int], keep_on: Callable[[], None]
) -> None:
    """Hold what one index says against the rows.

    An index can be the damaged one: an entry that is out of order, or on a page most of whose entries are wrong,
    speaks against no row.
    """
    if not pages.has(witness.root):
        _note_gap(heard, witness, None, None)
        heard.names.append(witness.name)
        return
    hearing = _Hearing(witness, rows)
    for found in walk_index(pages, witness.root, seen):
        hearing.take(found)
        if hearing.count % 1000 == 0:
            keep_on()
    hearing.end(heard)


def _note_gap(heard: Testimony, witness: Witness, low: Any, high: Any) -> None:
    if witness.column == ID:
        heard.id_gaps.append((low, high))


class _Hearing:
    """One index, entry by entry."""

    def __init__(self, witness: Witness, rows: Rows) -> None:
        self.count = 0
        self._witness, self._rows = witness, rows
        self._hashes = rows.hashes[witness.column]
        self._said = bytearray(len(rows.rowids))
        self._against: list[tuple[int, int, bool, Any]] = []
        self._lost: list[tuple[int, int, Any]] = []
        self._right: Counter[int] = Counter()
        self._wrong: Counter[int] = Counter()
        self._gaps: list[list[Any]] = []
        self._before: tuple[int, Any] | None = None
        self._last_against: int | None = None

    def take(self, found: Entry | Gap) -> None:
        """Hear one entry, or that there is none."""
        self.count += 1
        if isinstance(found, Gap):
            self._gaps.append([self._before, None])
            return
        place = rank(found.key)
        for gap in reversed(self._gaps):
            if gap[1] is not None:
                break
            gap[1] = place
        is_ordered = self._before is None or (
            place <= self._before if self._witness.is_descending else self._before <= place
        )
        self._before = place
        if not is_ordered and self._last_against == self.count - 1:  # of two in the wrong order either may be wrong
            at, page, _, key = self._against[-1]
            self._against[-1] = (at, page, False, key)
        self._judge(found, is_ordered=is_ordered)

    def _judge(self, found: Entry, *, is_ordered: bool) -> None:
        there = self._rows.at(found.rowid)
        if not there:
            self._lost.append((found.rowid, found.page, found.key))
            return
        value = hash_of(found.key)
        same = [at for at in there if self._hashes[at] == value]
        for at in same:
            self._said[at] = 1
        self._right[found.page] += bool(same)
        if not same:
            self._wrong[found.page] += 1
            self._last_against = self.count
            self._against.extend((at, found.page, is_ordered, found.key) for at in there)

    def end(self, heard: Testimony) -> None:
        """Put down what the index said as a whole."""
        distrusted = {page for page, wrong in self._wrong.items() if wrong > self._right[page]}
        if distrusted:
            self._gaps.append([None, None])
        self._confirm()
        self._contradict(heard, distrusted)
        column = self._witness.column
        for rowid, page, key in self._lost:
            if page not in distrusted:
                heard.lost.setdefault(rowid, {})[column] = key
        for low, high in self._gaps:
            _note_gap(heard, self._witness, low, high)
        heard.has_ids = heard.has_ids or (column == ID and self.count > len(self._gaps))
        if self._gaps:
            heard.names.append(self._witness.name)
            return
        heard.whole += 1
        for at, said in enumerate(self._said):
            self._rows.absent[at] += not said

    def _confirm(self) -> None:
        rows, is_of_ids = self._rows, self._witness.column == ID
        for at, said in enumerate(self._said):
            rows.confirmed[at] += said
            if is_of_ids:
                rows.by_id[at] |= said

    def _contradict(self, heard: Testimony, distrusted: set[int]) -> None:
        rows = self._rows
        for at, page, is_ordered, key in self._against:
            if is_ordered and page not in distrusted and not self._said[at]:
                rows.against[at] += 1
                self._said[at] = 1
                heard.otherwise.setdefault(rows.rowids[at], {})[self._witness.column] = key


def overhear(
    rows: Rows, columns: Sequence[int], entries: Iterator[Entry | Gap], heard: Testimony, *, is_live: bool
) -> None:
    """Take what a page of an index says that no index leads to: of which it is, the rows tell.

    It confirms rows, and speaks against none.
    """
    said = [found for found in entries if isinstance(found, Entry)]
    right = {
        column: sum(rows.hashes[column][at] == hash_of(found.key) for found in said for at in rows.at(found.rowid))
        for column in columns
    }
    column = max(columns, key=lambda each: right[each])
    known = sum(len(rows.at(found.rowid)) for found in said)
    if not right[column] or 2 * right[column] < known or list(right.values()).count(right[column]) > 1:
        return
    for found in said:
        there = rows.at(found.rowid)
        if not there and is_live:
            heard.lost.setdefault(found.rowid, {})[column] = found.key
        for at in there:
            if rows.hashes[column][at] == hash_of(found.key):
                rows.confirmed[at] = min(rows.confirmed[at] + 1, 255)
                rows.by_id[at] |= column == ID
