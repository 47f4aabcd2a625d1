"""A row as it lies in a page: varints, overflow pages, and values by their serial types.

https://sqlite.org/fileformat2.html#record_format. What SQLite would never have written is told from what it would.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store.cells import RawText

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperjobs.store.salvage.pages import PageFile

_BYTES: Final = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)
"""Of each serial type below those of texts and blobs: NULL, whole numbers, a fraction, 0 and 1."""
_FLOAT: Final = 7
_ZERO: Final = 8
_UNUSED: Final = frozenset({10, 11})
_FIRST_SIZED: Final = 12
_LONGEST_VARINT: Final = 9
_WORD: Final = 2**64
MOST_BYTES: Final = 2**31 - 1
"""https://sqlite.org/limits.html: no row can be longer."""


class BrokenRecordError(ValueError):
    """These bytes are no row."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a leaf or of an index.

    Attributes:
        rowid: of a table's cell; 0 in an index.
        payload: the record, overflow pages included.
        end: where the cell ends in its page.
        overflow: the pages that hold the rest of it.
        is_whole: the chain of those ends where it should.
    """

    rowid: int
    payload: bytes
    end: int
    overflow: tuple[int, ...] = ()
    is_whole: bool = True


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, not negative, and where the next thing begins."""
    try:
        byte = data[at]
        if byte < 0x80:  # noqa: PLR2004 - one byte and no more: nearly all of them
            return byte, at + 1
        value = byte & 0x7F
        for place in range(at + 1, at + _LONGEST_VARINT - 1):
            byte = data[place]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:  # noqa: PLR2004 - the last one
                return value, place + 1
        return value << 8 | data[at + _LONGEST_VARINT - 1], at + _LONGEST_VARINT
    except IndexError:
        raise BrokenRecordError("a number goes beyond its page") from None


def signed(value: int) -> int:
    """A varint as the rowid it stands for."""
    return value - _WORD if value >= _WORD // 2 else value


def table_cell(pages: PageFile, data: bytes, at: int) -> Cell:
    """The cell of a table's leaf at a place in its page.

    Raises:
        BrokenRecordError: none can be there.
    """
    size, at = varint(data, at)
    rowid, at = varint(data, at)
    return _cell(pages, data, at, size, signed(rowid), pages.usable - 35)


def index_cell(pages: PageFile, data: bytes, at: int) -> Cell:
    """The cell of an index at a place in its page, in an interior page behind the number of its child.

    Raises:
        BrokenRecordError: none can be there.
    """
    size, at = varint(data, at)
    return _cell(pages, data, at, size, 0, (pages.usable - 12) * 64 // 255 - 23)


def _cell(pages: PageFile, data: bytes, at: int, size: int, rowid: int, most: int) -> Cell:  # noqa: PLR0913, PLR0917 - of one cell
    usable = pages.usable
    if size <= most:
        end = at + size
        if end > usable:
            raise BrokenRecordError("a row goes beyond its page")
        return Cell(rowid, data[at:end], end)
    least = (usable - 12) * 32 // 255 - 23
    local = least + (size - least) % (usable - 4)
    if local > most:
        local = least
    end = at + local + 4
    if size > MOST_BYTES or end > usable:
        raise BrokenRecordError("a row goes beyond its page")
    return _with_overflow(pages, data, at, local, size, rowid)


def _with_overflow(pages: PageFile, data: bytes, at: int, local: int, size: int, rowid: int) -> Cell:  # noqa: PLR0913, PLR0917 - as above
    end = at + local + 4
    parts, left = [data[at : at + local]], size - local
    number = int.from_bytes(data[end - 4 : end])
    numbers: list[int] = []
    seen: set[int] = set()
    if left > (pages.count + 1) * pages.usable:
        raise BrokenRecordError("a row is longer than the file")
    while left > 0:
        if not pages.has(number) or number in seen:
            raise BrokenRecordError("the rest of a row lies on a page that is not there")
        seen.add(number)
        numbers.append(number)
        page = pages.page(number)
        number = int.from_bytes(page[:4])
        part = page[4 : 4 + min(left, pages.usable - 4)]
        parts.append(part)
        left -= len(part)
    return Cell(rowid, b"".join(parts), end, tuple(numbers), is_whole=number == 0)


def values_of(payload: bytes, *, least: int = 0) -> tuple[list[Any], bool]:
    """The values of a record: None, int, float, str, bytes or :class:`~hyperjobs.store.cells.RawText`.

    Args:
        payload: all of the record.
        least: values it has at least.

    Returns:
        The values, and whether SQLite would have written these very bytes for them. What it reads, it need not have
        written: a number in more bytes than it takes, or bytes that belong to no value.

    Raises:
        BrokenRecordError: SQLite could not read them either.
    """
    kinds, at, is_exact = _head(payload)
    is_exact = is_exact and len(kinds) >= least
    values: list[Any] = []
    total = len(payload)
    for kind in kinds:
        if kind >= _FIRST_SIZED:
            end = at + ((kind - _FIRST_SIZED) >> 1)
            part = payload[at:end]
            values.append(_text(part) if kind & 1 else part)
        else:
            end = at + _BYTES[kind]
            value, is_least = _number(payload[at:end], kind)
            values.append(value)
            is_exact = is_exact and is_least
        at = end
    if at > total:
        raise BrokenRecordError("the values of a row go beyond the row")
    return values, is_exact and at == total


def _head(payload: bytes) -> tuple[list[int], int, bool]:
    """The serial types of a record, where its values begin, and whether its head ends with a type."""
    head, at = varint(payload, 0)
    if head > len(payload) or head < at:
        raise BrokenRecordError("the head of a row goes beyond the row")
    kinds: list[int] = []
    while at < head:
        kind = payload[at]
        if kind < 0x80:  # noqa: PLR2004 - a varint of one byte
            at += 1
        else:
            kind, at = varint(payload, at)
        kinds.append(kind)
    if not _UNUSED.isdisjoint(kinds):
        raise BrokenRecordError("a value is of a kind that SQLite does not write")
    return kinds, head, at == head


def _number(part: bytes, kind: int) -> tuple[int | float | None, bool]:
    """The value of a type below those of texts and blobs, and whether SQLite would have taken this type for it."""
    if kind == 0:
        return None, True
    if kind >= _ZERO:
        return kind - _ZERO, True
    if len(part) < _BYTES[kind]:
        raise BrokenRecordError("the values of a row go beyond the row")
    if kind == _FLOAT:
        (number,) = struct.unpack(">d", part)
        return (None, False) if math.isnan(number) else (number, True)  # SQLite reads NaN as NULL
    value = int.from_bytes(part, signed=True)
    return value, _is_least(value, kind)


def _text(part: bytes) -> str | RawText:
    try:
        return part.decode()
    except UnicodeDecodeError:
        return RawText(part)


def _is_least(value: int, kind: int) -> bool:
    """Whether SQLite would take so many bytes for a number; 0 and 1 in one byte are of an older file format."""
    if kind == 1:
        return True
    bits = 8 * _BYTES[kind - 1] - 1
    return not -(1 << bits) <= value < 1 << bits


def as_column(values: Sequence[Any], defaults: Sequence[Any], reals: frozenset[int]) -> tuple[Any, ...]:
    """A record's values as those of a table's columns.

    Args:
        values: of the record; it lacks the last ones where columns were added after it was written.
        defaults: of each column.
        reals: which columns hold numbers as REAL, where SQLite keeps whole ones in the form of an INTEGER.
    """
    row = [*values[: len(defaults)], *defaults[len(values) :]]
    for index in reals:
        if type(row[index]) is int:
            row[index] = float(row[index])
    return tuple(row)
