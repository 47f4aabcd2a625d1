"""The first hundred bytes of a database file: how it is cut into pages, and what of them had to be put right.

They are put right in the private copy, so that SQLite takes what its -wal or -journal holds into it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hyperjobs.store.salvage.pages import HEADER_BYTES, MAGIC, TABLE_LEAF, Geometry, Node, node_of
from hyperjobs.store.salvage.record import BrokenRecordError, varint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SIZES: Final = tuple(512 << power for power in range(8))
_LARGEST: Final = 65536
_USUAL: Final = 4096
_FRACTIONS: Final = bytes((64, 32, 32))
_LEAST_USABLE: Final = 480
_LOOKED_AT: Final = 400
_ENOUGH: Final = 0.2
"""Of pages that look as they should: the others are free, or hold the rest of long rows."""
_WAL_MAGIC: Final = frozenset({0x377F0682, 0x377F0683})
_WAL, _NO_WAL = 2, 1
_FORMAT: Final = 4
_UTF8: Final = 1


@dataclass(frozen=True, slots=True)
class Header:
    """What the header came to.

    Attributes:
        is_trusted: it was a header, so that where it says that free pages are can be believed as far as they bear it out.
        wrong: the parts of it that could not be.
        head: its bytes now.
    """

    geometry: Geometry
    is_trusted: bool
    wrong: tuple[str, ...]
    head: bytes


def settle_header(path: Path) -> Header:
    """Find out how the pages of a private copy lie, and make its header one that SQLite takes.

    A header that was right is left as it is.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        size = os.fstat(descriptor).st_size
        raw = os.pread(descriptor, HEADER_BYTES, 0).ljust(HEADER_BYTES, b"\0")
        geometry = _geometry(descriptor, size, raw, _wal_page_size(path.with_name(f"{path.name}-wal")))
        wrong = _wrong(raw, geometry)
        # a count of pages that the file has not makes SQLite refuse all of it
        if wrong or int.from_bytes(raw[28:32]) * geometry.page_size > size:
            raw = _mended(raw, geometry, wrong)
            os.pwrite(descriptor, raw, 0)
    finally:
        os.close(descriptor)
    return Header(geometry, "its first bytes" not in wrong, wrong, raw)


def _claimed(raw: bytes) -> Geometry | None:
    size = int.from_bytes(raw[16:18])
    size = _LARGEST if size == 1 else size
    return Geometry(size, size - raw[20]) if size in _SIZES and size - raw[20] >= _LEAST_USABLE else None


def _geometry(descriptor: int, size: int, raw: bytes, wal_page_size: int) -> Geometry:
    claimed = _claimed(raw)
    if claimed is not None and _likeness(descriptor, size, claimed) >= _ENOUGH:
        unreserved = Geometry(claimed.page_size, claimed.page_size)
        return max(claimed, unreserved, key=lambda each: _fullness(descriptor, size, each))
    sizes = sorted(_SIZES, key=lambda each: (each != wal_page_size, each != _USUAL, each))
    candidates = [*([claimed] if claimed else []), *(Geometry(each, each) for each in sizes)]
    return max(candidates, key=lambda each: _likeness(descriptor, size, each))  # of equals the first


def _likeness(descriptor: int, size: int, geometry: Geometry) -> float:
    """The share of pages that look like pages when the file is cut like this: cells fill one from its end."""
    nodes = list(_some(descriptor, size, geometry))
    fitting = sum(
        node is not None and node.is_sane and bool(node.cells) and max(node.cells) >= geometry.page_size // 2
        for node in nodes
    )
    return fitting / len(nodes) if nodes else 0.0


def _fullness(descriptor: int, size: int, geometry: Geometry) -> int:
    """How many leaves of tables have a cell that ends where pages of this geometry do."""
    full = 0
    for node in _some(descriptor, size, geometry):
        if node is not None and node.kind == TABLE_LEAF and node.is_sane and node.cells:
            with contextlib.suppress(BrokenRecordError):
                length, at = varint(node.data, max(node.cells))
                _, at = varint(node.data, at)
                full += at + length == geometry.usable
    return full


def _some(descriptor: int, size: int, geometry: Geometry) -> Iterator[Node | None]:
    """Pages from all over the file, as far as they are pages."""
    count = size // geometry.page_size
    for number in sorted({1 + index * count // min(count, _LOOKED_AT) for index in range(min(count, _LOOKED_AT))}):
        data = os.pread(descriptor, geometry.page_size, (number - 1) * geometry.page_size)
        yield node_of(number, data.ljust(geometry.page_size, b"\0"), geometry.usable)


def _wal_page_size(path: Path) -> int:
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return 0
    return int.from_bytes(head[8:12]) if int.from_bytes(head[:4]) in _WAL_MAGIC else 0


def _wrong(raw: bytes, geometry: Geometry) -> tuple[str, ...]:
    """What of a header SQLite would not have written."""
    judged = {
        "its first bytes": raw[:16] == MAGIC,
        "the page size": _claimed(raw) == geometry,
        "the version of the format": raw[18] in {_NO_WAL, _WAL} and raw[19] in {_NO_WAL, _WAL},
        "the payload fractions": raw[21:24] == _FRACTIONS,
        "the format of the schema": 1 <= int.from_bytes(raw[44:48]) <= _FORMAT,
        "the encoding of texts": int.from_bytes(raw[56:60]) == _UTF8,
    }
    return tuple(what for what, is_right in judged.items() if not is_right)


def _mended(raw: bytes, geometry: Geometry, wrong: tuple[str, ...]) -> bytes:
    head = bytearray(raw) if "its first bytes" not in wrong else bytearray(HEADER_BYTES)
    head[:16] = MAGIC
    head[16:18] = (1 if geometry.page_size == _LARGEST else geometry.page_size).to_bytes(2)
    if head[18] not in {_NO_WAL, _WAL} or head[19] not in {_NO_WAL, _WAL}:
        head[18:20] = bytes((_NO_WAL, _NO_WAL))
    head[20] = geometry.page_size - geometry.usable
    head[21:24] = _FRACTIONS
    # a count of pages that is not of this change does not count: the file's own length does
    head[92:96] = ((int.from_bytes(head[24:28]) + 1) % 2**32).to_bytes(4)
    if not 1 <= int.from_bytes(head[44:48]) <= _FORMAT:
        head[44:48] = _FORMAT.to_bytes(4)
    head[56:60] = _UTF8.to_bytes(4)
    return bytes(head)
