"""Damage as disks, crashes and people do it, to a database file that nobody has open."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import apsw

from hyperjobs.store.salvage.pages import Geometry, PageFile
from hyperjobs.store.salvage.record import table_cell
from hyperjobs.store.salvage.tree import Leaf, walk_index, walk_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = 4096
_TABLE_INTERIOR, _TABLE_LEAF, _INDEX_LEAF = 5, 13, 10
_SECTOR = 512


class Damaged:
    """A file in memory, to be spoilt and written.

    Args:
        path: of a store without a -wal.
        chance: decides which pages are hit.
    """

    def __init__(self, path: Path, chance: random.Random) -> None:
        self.data = bytearray(path.read_bytes())
        self.chance = chance

    @property
    def count(self) -> int:
        """Pages."""
        return len(self.data) // PAGE

    def page(self, number: int) -> slice:
        """Where a page lies."""
        return slice((number - 1) * PAGE, number * PAGE)

    def some(self, kind: int | None = None) -> int:
        """A page behind the first, of a kind if one is named."""
        fitting = [
            number for number in range(2, self.count + 1) if kind is None or self.data[(number - 1) * PAGE] == kind
        ]
        return self.chance.choice(fitting or range(2, self.count + 1))


def zeroed_page(it: Damaged) -> None:
    it.data[it.page(it.some())] = bytes(PAGE)


def random_page(it: Damaged) -> None:
    it.data[it.page(it.some())] = it.chance.randbytes(PAGE)


def zeroed_leaf(it: Damaged) -> None:
    it.data[it.page(it.some(_TABLE_LEAF))] = bytes(PAGE)


def zeroed_sector(it: Damaged) -> None:
    at = it.chance.randrange(PAGE // _SECTOR, len(it.data) // _SECTOR) * _SECTOR
    it.data[at : at + _SECTOR] = bytes(_SECTOR)


def torn_page(it: Damaged) -> None:
    """The second half of a page is that of another one."""
    to, of = it.page(it.some()), it.page(it.some())
    it.data[to.start + PAGE // 2 : to.stop] = it.data[of.start + PAGE // 2 : of.stop]


def truncated(it: Damaged) -> None:
    del it.data[it.chance.randrange(len(it.data) // 3, len(it.data)) :]


def swapped_pages(it: Damaged) -> None:
    one, other = it.page(it.some()), it.page(it.some())
    it.data[one], it.data[other] = it.data[other], it.data[one]


def copied_page(it: Damaged) -> None:
    """A page was written to the place of another."""
    it.data[it.page(it.some())] = it.data[it.page(it.some())]


def destroyed_interior(it: Damaged) -> None:
    it.data[it.page(it.some(_TABLE_INTERIOR))] = it.chance.randbytes(PAGE)


def destroyed_root(it: Damaged) -> None:
    it.data[it.page(jobs_root(it))] = it.chance.randbytes(PAGE)


def destroyed_schema(it: Damaged) -> None:
    it.data[100:PAGE] = it.chance.randbytes(PAGE - 100)


def zeroed_header(it: Damaged) -> None:
    it.data[:100] = bytes(100)


def zeroed_first_page(it: Damaged) -> None:
    it.data[:PAGE] = bytes(PAGE)


def damaged_index(it: Damaged) -> None:
    it.data[it.page(it.some(_INDEX_LEAF))] = it.chance.randbytes(PAGE)


def looped_pages(it: Damaged) -> None:
    """Children of an interior page become others, itself among them."""
    at = (it.some(_TABLE_INTERIOR) - 1) * PAGE
    it.data[at + 8 : at + 12] = it.chance.choice([at // PAGE + 1, it.some()]).to_bytes(4)
    first = int.from_bytes(it.data[at + 12 : at + 14])
    it.data[at + first : at + first + 4] = it.chance.choice([at // PAGE + 1, it.some()]).to_bytes(4)


def flipped_bit(it: Damaged) -> None:
    it.data[it.chance.randrange(len(it.data))] ^= 1 << it.chance.randrange(8)


PAGES: dict[str, Callable[[Damaged], None]] = {
    work.__name__: work
    for work in (
        zeroed_page,
        random_page,
        zeroed_leaf,
        zeroed_sector,
        torn_page,
        truncated,
        swapped_pages,
        copied_page,
        destroyed_interior,
        destroyed_root,
        destroyed_schema,
        zeroed_header,
        zeroed_first_page,
        damaged_index,
        looped_pages,
    )
}
"""Damage to whole pages and sectors."""


def jobs_root(it: Damaged) -> int:
    """Where the table begins: the first page that is a map in no store, and a tree in every one."""
    return 2 if it.data[PAGE] in {_TABLE_INTERIOR, _TABLE_LEAF} else 3


def place_of(path: Path, rowid: int) -> tuple[int, int]:
    """The page that holds a job, and where in it."""
    with PageFile(path, Geometry(PAGE, PAGE)) as pages:
        for leaf in walk_table(pages, jobs_root(Damaged(path, random.Random())), set()):  # noqa: S311 - repeatable on purpose
            assert isinstance(leaf, Leaf)
            for at in leaf.node.cells:
                if table_cell(pages, leaf.node.data, at).rowid == rowid:
                    return leaf.node.number, at
    raise LookupError(rowid)


def pages_of_ids(path: Path) -> list[int]:
    """Every page of the index of ids."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    root: Any = db.execute("SELECT rootpage FROM sqlite_schema WHERE name='sqlite_autoindex_jobs_1'").fetchall()[0][0]
    db.close()
    seen: set[int] = set()
    with PageFile(path, Geometry(PAGE, PAGE)) as pages:
        for _ in walk_index(pages, root, seen):
            pass
    return sorted(seen)


def scan(path: Path, order: str) -> dict[int, tuple[Any, ...]]:
    """What SQLite reads of a damaged file before the first error, from the one end or the other."""
    found: dict[int, tuple[Any, ...]] = {}
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        for row in db.execute(f"SELECT rowid,* FROM jobs ORDER BY rowid {order}"):  # noqa: S608 - one of two words
            if row[0] in found:  # it goes in circles
                break
            found[row[0]] = row[1:]
    except (apsw.Error, UnicodeDecodeError):
        return found
    else:
        return found
    finally:
        db.close()


def readable(path: Path) -> dict[int, tuple[Any, ...]]:
    """What SQLite itself reads of a damaged file by a scan from each end."""
    return {**scan(path, "DESC"), **scan(path, "ASC")}


def by_rowid(path: Path, rowids: list[int]) -> dict[int, tuple[Any, ...]]:
    """What SQLite finds when it is asked for one row after the other."""
    found = {}
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        for rowid in rowids:
            try:
                for row in db.execute("SELECT * FROM jobs NOT INDEXED WHERE rowid=?", (rowid,)):
                    found[rowid] = tuple(row)
            except (apsw.Error, UnicodeDecodeError):
                continue
        return found
    finally:
        db.close()
