"""Which jobs differ between two stores, told job by job without either held in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import StoreRefusedError
from hyperjobs.store.content import columns, row_sql
from hyperjobs.store.ledger.select import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import apsw

    from hyperjobs.store.connection import Connection

_ROWS_A_LOOK: Final = 2000
_RANKS: Final = {"null": 0, "integer": 1, "real": 1, "text": 2, "blob": 3}
"""SQLite's order of values of several kinds; an id is text, and a file that holds others is read all the same."""

Key = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One column of a job that both stores hold, with its value in each as it lies in the file."""

    name: str
    a: Any
    b: Any


@dataclass(slots=True)
class Difference:
    """How the jobs of two stores differ.

    Attributes:
        only_a: jobs that the first holds and the second does not; ``only_b`` the other way.
        changed: jobs that both hold, with another value in some column.
        same: jobs that both hold alike.
        ids: the first ids of each kind, by its name here; bytes that are no UTF-8 are escaped.
        fields: id → what changed, of those ids where that was asked for.
    """

    only_a: int = 0
    only_b: int = 0
    changed: int = 0
    same: int = 0
    ids: dict[str, list[str]] = field(default_factory=lambda: {"only_a": [], "only_b": [], "changed": []})
    fields: dict[str, list[FieldChange]] = field(default_factory=dict)


def compare(
    a: Connection,
    b: Connection,
    *,
    most_ids: int,
    with_fields: bool = False,
    keep_on: Callable[[], None] = lambda: None,
) -> Difference:
    """Compare all jobs of two stores, each as it is at one moment.

    Args:
        a: on the first.
        b: on the second; writers of either go on.
        most_ids: so many ids of each kind are given.
        with_fields: tell what changed in those that did, too.
        keep_on: called every few thousand jobs; what it raises ends the comparison.

    Raises:
        StoreRefusedError: their jobs tables have different columns.
    """

    def work(first: apsw.Connection, second: apsw.Connection) -> Difference:
        if columns(first) != columns(second):
            raise StoreRefusedError(
                f"{a.path} and {b.path}: their jobs tables have different columns; compare stores of one kind",
                reason="flavour",
            )
        found = _merge(_keyed(first), _keyed(second), most_ids, keep_on)
        if with_fields:
            # in the same snapshots
            found.fields = {job_id: _changes(first, second, job_id) for job_id in found.ids["changed"]}
        return found

    return a.read(lambda first: b.read(lambda second: work(first, second)))


def _merge(
    first: Iterator[tuple[Key, bytes]], second: Iterator[tuple[Key, bytes]], most_ids: int, keep_on: Callable[[], None]
) -> Difference:
    found = Difference()

    def note(kind: str, key: Key) -> None:
        setattr(found, kind, getattr(found, kind) + 1)
        if len(found.ids[kind]) < most_ids:
            found.ids[kind].append(key[1].decode(errors="backslashreplace"))

    left, right = next(first, None), next(second, None)
    steps = 0
    while left is not None or right is not None:
        steps += 1
        if steps % _ROWS_A_LOOK == 0:
            keep_on()
        if left is not None and (right is None or left[0] < right[0]):
            note("only_a", left[0])
            left = next(first, None)
        elif right is not None and (left is None or right[0] < left[0]):
            note("only_b", right[0])
            right = next(second, None)
        elif left is not None and right is not None:
            if left[1] == right[1]:
                found.same += 1
            else:
                note("changed", left[0])
            left, right = next(first, None), next(second, None)
    return found


def _changes(first: apsw.Connection, second: apsw.Connection, job_id: str) -> list[FieldChange]:
    """Which columns of a job differ, in value or type; nothing for an id that is no text."""
    names = columns(first)
    before, after = (fetch(db, _quoted(names), "FROM jobs WHERE id=?", (job_id,)) for db in (first, second))
    if not before or not after:
        return []
    return [
        FieldChange(name, old, new)
        for name, old, new in zip(names, before[0], after[0], strict=True)
        if old != new or type(old) is not type(new)
    ]


def _quoted(names: Sequence[str]) -> list[str]:
    return ['"' + name.replace('"', '""') + '"' for name in names]


def _keyed(db: apsw.Connection) -> Iterator[tuple[Key, bytes]]:
    """Each job's key and the digest of all its values, in order of key."""
    sql = f"SELECT typeof(id),CAST(id AS BLOB),{row_sql(columns(db))} FROM jobs ORDER BY id"  # noqa: S608 - quoted names
    rows: Any = db.execute(sql)
    for kind, key, row in rows:
        yield (_RANKS[kind], bytes(key or b"")), hashlib.blake2b(row.encode("ascii"), digest_size=16).digest()
