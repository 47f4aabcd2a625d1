"""Which rows can be believed, by all that is known of each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from hyperjobs.store.salvage.leaf import Doubt
from hyperjobs.store.salvage.witness import ID, hash_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.store.salvage.witness import Rows, Testimony

_DISPELLED: Final = Doubt.ORPHAN | Doubt.PLACE | Doubt.PAGE
"""By an index that says of the row what the row says."""
_ENOUGH: Final = 2
"""Indexes, where that of the primary key cannot be read."""


def judge(
    rows: Rows, heard: Testimony, *, is_alone: bool, has_twin: bool, is_shared: Callable[[int, int], bool]
) -> None:
    """Leave each row with the doubts that nothing dispels; one without any is certain.

    - A row that the table leads to, as SQLite would have written it, on a page that is whole, needs nobody's word.
    - Where the way to it is broken, or its page is, the index of the primary key must know it.
    - A row on a page that nothing leads to is certain without an index too, when the file is known to have no other
      use for the page: every free page is known, and no other table's rows look like these.
    - No word helps where an index says something else, or where SQLite would not have written the bytes.

    Args:
        rows: as they were found.
        heard: what the indexes said.
        is_alone: it is known that no other table's rows look like jobs.
        has_twin: it is known that another's do: a row that nothing leads to may be an old copy of one, which indexes
            know as well.
        is_shared: whether the rest of the row on a page and place lies where something else does.
    """
    astray = bytearray(len(rows.doubts))
    for at, was in enumerate(rows.doubts):
        doubt = Doubt(was)
        astray[at] = bool(doubt & _DISPELLED)
        if rows.against[at]:
            doubt |= Doubt.AGAINST
        if heard.whole and rows.absent[at] >= heard.whole:
            doubt |= Doubt.UNKNOWN
        if is_shared(rows.pages[at], rows.slots[at]):
            doubt |= Doubt.FORM
        is_known = rows.by_id[at] or rows.confirmed[at] >= _ENOUGH
        if (is_known and not (has_twin and doubt & Doubt.ORPHAN)) or (is_alone and doubt & _DISPELLED == Doubt.ORPHAN):
            doubt &= ~_DISPELLED
        if was & Doubt.ORPHAN and doubt & Doubt.UNKNOWN:
            doubt |= Doubt.GONE
        rows.doubts[at] = int(doubt)
    _tell_apart(rows, astray)
    _doubt_twins(rows)


def _tell_apart(rows: Rows, astray: bytearray) -> None:
    """Of several rows with one rowid let at most one be certain: that of the index, or the one in its place."""
    at, count = 0, len(rows.rowids)
    while at < count:
        same = rows.at(rows.rowids[at])
        at = same.stop
        if len(same) == 1:
            continue
        certain = [each for each in same if not rows.doubts[each]]
        for is_better in (rows.by_id.__getitem__, lambda each: not astray[each]):
            certain = [each for each in certain if is_better(each)] or certain
        if certain and len({rows.wholes[each] for each in certain}) == 1:
            for each in same:
                if each != certain[0]:
                    rows.doubts[each] |= Doubt.GONE
        else:
            for each in same:
                rows.doubts[each] |= Doubt.TWICE


def _doubt_twins(rows: Rows) -> None:
    """Of several certain rows with one id believe the one of the index, or none: the id of one is not its own.

    Only rows that the index of ids does not confirm are looked at: where it is whole, there are none.
    """
    ids = rows.hashes.get(ID)
    if ids is None:
        return
    nobody = hash_of(None)  # any number of jobs may have no id
    loose = [at for at, doubt in enumerate(rows.doubts) if not (doubt or rows.by_id[at] or ids[at] == nobody)]
    if not loose:
        return
    counts = Counter(map(ids.__getitem__, loose))
    taken = {ids[at] for at, doubt in enumerate(rows.doubts) if not doubt and rows.by_id[at] and ids[at] in counts}
    for at in loose:
        if counts[ids[at]] > 1 or ids[at] in taken:
            rows.doubts[at] |= Doubt.TWICE
