"""The pages of a database file by SQLite's published format, read whatever state they are in.

https://sqlite.org/fileformat2.html. Nothing is trusted: a number that cannot be is found out and never followed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

MAGIC: Final = b"SQLite format 3\0"
HEADER_BYTES: Final = 100
INDEX_INTERIOR: Final = 2
TABLE_INTERIOR: Final = 5
INDEX_LEAF: Final = 10
TABLE_LEAF: Final = 13
INTERIOR: Final = frozenset({INDEX_INTERIOR, TABLE_INTERIOR})
_KINDS: Final = frozenset({INDEX_INTERIOR, TABLE_INTERIOR, INDEX_LEAF, TABLE_LEAF})
_LOCK_BYTE: Final = 0x40000000
_LEAST_CELL_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a file is cut into pages.

    Attributes:
        page_size: in bytes.
        usable: what of each page holds data; the rest is reserved, mostly nothing.
    """

    page_size: int
    usable: int


@dataclass(frozen=True, slots=True)
class Node:
    """One page of a tree.

    Attributes:
        number: of the page, from 1.
        data: its bytes.
        kind: ``TABLE_LEAF`` and so on.
        cells: where its cells begin, as far as that can be; -1 for one that points nowhere.
        content: where the cells' area begins.
        right: the last child of an interior page, else 0.
        is_sane: its own numbers can all be.
    """

    number: int
    data: bytes
    kind: int
    cells: tuple[int, ...]
    content: int
    right: int
    is_sane: bool


class PageFile:
    """A file that nobody writes, page by page.

    Args:
        path: of a private copy; no SQLite handle of this process is on it.
        geometry: see :func:`~hyperjobs.store.salvage.header.settle_header`.
    """

    def __init__(self, path: Path, geometry: Geometry) -> None:
        self.geometry = geometry
        self.usable = geometry.usable
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        self.count = -(-os.fstat(self._file).st_size // geometry.page_size)
        self.lock_page = _LOCK_BYTE // geometry.page_size + 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def has(self, number: int) -> bool:
        """Whether a page of this number can hold anything."""
        return 1 <= number <= self.count and number != self.lock_page

    def page(self, number: int) -> bytes:
        """The bytes of a page that is there; of the last one of a file that was cut short, zeros where nothing is."""
        size = self.geometry.page_size
        return os.pread(self._file, size, (number - 1) * size).ljust(size, b"\0")

    def node(self, number: int) -> Node | None:
        """A page as one of a tree; ``None`` when it is none."""
        return node_of(number, self.page(number), self.usable) if self.has(number) else None

    def header_number(self, offset: int) -> int:
        """A four-byte number of the file's header."""
        return int.from_bytes(os.pread(self._file, 4, offset))


def node_of(number: int, data: bytes, usable: int) -> Node | None:
    """Some bytes as a page of a tree; ``None`` when they begin as none."""
    begin = HEADER_BYTES if number == 1 else 0
    kind = data[begin]
    if kind not in _KINDS:
        return None
    size = 12 if kind in INTERIOR else 8
    count = int.from_bytes(data[begin + 3 : begin + 5])
    content = int.from_bytes(data[begin + 5 : begin + 7]) or 65536
    first = begin + size
    possible = min(count, max(usable - first, 0) // 2)
    end = first + 2 * possible
    pointers = memoryview(data)[first:end]
    cells = [pointers[index] << 8 | pointers[index + 1] for index in range(0, 2 * possible, 2)]
    last = usable - _LEAST_CELL_BYTES
    is_sane = possible == count and end <= content <= usable
    if not all(end <= cell <= last for cell in cells):
        is_sane = False
        cells = [cell if end <= cell <= last else -1 for cell in cells]
    right = int.from_bytes(data[begin + 8 : begin + 12]) if kind in INTERIOR else 0
    return Node(number, data, kind, tuple(cells), content, right, is_sane)


def free_blocks(node: Node, usable: int) -> list[tuple[int, int]] | None:
    """The unused pieces in a page's cell area as (begin, end), in their order; ``None`` when their chain is broken."""
    begin = HEADER_BYTES if node.number == 1 else 0
    at = int.from_bytes(node.data[begin + 1 : begin + 3])
    found: list[tuple[int, int]] = []
    last = node.content
    while at:
        if at < last or at > usable - _LEAST_CELL_BYTES:
            return None
        end = at + int.from_bytes(node.data[at + 2 : at + 4])
        if end < at + _LEAST_CELL_BYTES or end > usable:
            return None
        found.append((at, end))
        last, at = end, int.from_bytes(node.data[at : at + 2])
    return found


def fragment_bytes(node: Node) -> int:
    """Bytes in a page's cell area that are in no cell and in no piece, by its own count."""
    return node.data[7 + (HEADER_BYTES if node.number == 1 else 0)]
