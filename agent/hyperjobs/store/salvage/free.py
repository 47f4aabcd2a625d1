"""Which pages of a file hold nothing any more: what lies on them was deleted, however whole it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hyperjobs.store.salvage.pages import PageFile

_CHANGES: Final = 24
_COUNT: Final = 28
_COUNTED_AT: Final = 92
_FIRST_FREE: Final = 32
_FREE_COUNT: Final = 36
_LARGEST_ROOT: Final = 52
_ENTRY_BYTES: Final = 5
_ROOT, _FREE, _OVERFLOW, _MORE_OVERFLOW, _TREE = range(1, 6)
_KINDS: Final = frozenset({_ROOT, _FREE, _OVERFLOW, _MORE_OVERFLOW, _TREE})
_LOOKED_AT: Final = 500
_MOST_ODD: Final = 0.05


class FreePages:
    """The free pages, by the list of them, and by the map of a store that has auto_vacuum.

    Args:
        pages: of the file.
        is_trusted: whether its header says where the list begins.

    Attributes:
        is_whole: every free page is known.
        has_map: the file has a map of what each page is.
    """

    def __init__(self, pages: PageFile, *, is_trusted: bool) -> None:
        self._pages = pages
        self.has_map = pages.header_number(_LARGEST_ROOT) > 0 if is_trusted else _looks_mapped(pages)
        self._free, self.is_whole = _listed(pages) if is_trusted else (set(), False)
        self._last = _last_page(pages) if is_trusted else pages.count

    def is_live(self, number: int) -> bool | None:
        """Whether a page belongs to a tree; ``None`` when nobody knows."""
        if number in self._free:
            return False
        kind = self._mapped(number) if self.has_map else None
        if kind is not None:
            return kind in {_ROOT, _TREE}
        return True if self.is_whole and number <= self._last else None

    def is_free(self, number: int) -> bool:
        """Whether a page is known to hold nothing."""
        return number in self._free or (self.has_map and self._mapped(number) == _FREE)

    def roots(self) -> list[int]:
        """The pages that the map calls roots of trees."""
        if not self.has_map:
            return []
        return [number for number in range(3, self._pages.count + 1) if self._mapped(number) == _ROOT]

    def is_map(self, number: int) -> bool:
        """Whether a page holds a piece of the map."""
        return self.has_map and number == _map_page(self._pages, number)

    def _mapped(self, number: int) -> int | None:
        place = _map_page(self._pages, number)
        at = _ENTRY_BYTES * (number - place - 1)
        if not self._pages.has(place) or number == place:
            return None
        kind = self._pages.page(place)[at]
        return kind if kind in _KINDS else None


def _map_page(pages: PageFile, number: int) -> int:
    """The page of the map that speaks of a page: https://sqlite.org/fileformat2.html#pointer_map_or_ptrmap_pages."""
    each = pages.usable // _ENTRY_BYTES + 1
    place = 2 + (number - 2) // each * each
    return place + 1 if place == pages.lock_page else place


def _last_page(pages: PageFile) -> int:
    """The last page that the header counts: a file can be longer, and what lies behind is of nobody knows when."""
    is_valid = pages.header_number(_CHANGES) == pages.header_number(_COUNTED_AT)
    return (pages.header_number(_COUNT) if is_valid else 0) or pages.count


def _looks_mapped(pages: PageFile) -> bool:
    """Whether the second page is a map, where nothing says so."""
    if pages.count < 3 or pages.node(2) is not None:  # noqa: PLR2004 - the first page that a map speaks of
        return False
    last = min(pages.count, 2 + min(_LOOKED_AT, pages.usable // _ENTRY_BYTES))
    data = pages.page(2)
    odd = sum(data[_ENTRY_BYTES * (number - 3)] not in _KINDS for number in range(3, last + 1))
    return odd <= _MOST_ODD * (last - 2)


def _listed(pages: PageFile) -> tuple[set[int], bool]:
    """The pages on the list, and whether it is whole: as many as the header says, none of them twice."""
    trunk, count = pages.header_number(_FIRST_FREE), pages.header_number(_FREE_COUNT)
    found: set[int] = set()
    most = pages.usable // 4 - 2
    while trunk:
        if not pages.has(trunk) or trunk in found:
            return found, False
        found.add(trunk)
        data = pages.page(trunk)
        leaves = int.from_bytes(data[4:8])
        if leaves > most:
            return found, False
        numbers = [int.from_bytes(data[at : at + 4]) for at in range(8, 8 + 4 * leaves, 4)]
        if not all(map(pages.has, numbers)) or not found.isdisjoint(numbers) or len(set(numbers)) < leaves:
            return found | set(numbers), False
        found.update(numbers)
        trunk = int.from_bytes(data[:4])
    return found, len(found) == count
