"""The change log read back as changes of jobs: the inverse of ``triggers.sql``. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ATTEMPT, INSERTED, UPDATED, DELETED, RENAMING, RENAMED, RETURNING, RETURNED, PRUNED = range(9)
"""The values of ``hyperjobs_log.op``; the triggers' comments say what each stands for.

RETURNING and RETURNED are written by hyperjobs itself round rows that it brings *back* (undo, import, restore of
one job), in their transaction: those rows move the gauges and the history, not the counters. PRUNED is written by
hyperjobs in place of many DELETED, in the transaction that deletes (see :mod:`hyperjobs.store.ledger.removal`).
"""

LOG_COLUMNS = (
    "seq",
    "op",
    "t",
    "rid",
    "id",
    "p",
    "s",
    "n",
    "a",
    "c",
    "z",
    "f",
    "p1",
    "s1",
    "n1",
    "a1",
    "c1",
    "z1",
    "f1",
)

_SIZE = LOG_COLUMNS.index("z")
_AUTOMATIC_ROWID = -1  # what NEW.rowid is in a BEFORE INSERT trigger when the writer named none
_LONGEST_OPERATION = 5  # rows: 0 3 3 1, or 4 3 2 5; one more for safety


class Row(NamedTuple):
    """The columns of a job that count, as they stand in the store: any SQLite value."""

    provider: Any
    status: Any
    created_at: Any
    started_at: Any
    completed_at: Any
    total_size: Any
    files_count: Any


class Change(NamedTuple):
    """One job before and after; ``None`` is absent. Or as many jobs as ``jobs`` that were alike and went together.

    Attributes:
        at: when it was written, ``YYYY-MM-DD HH:MM:SS`` in UTC, or ``None`` where the log does not say.
        counted: whether it is an event of its own; ``False`` moves gauges only.
        hidden: another job may have gone with this change, unseen (the writer named a rowid).
        jobs: how many; more than one has no ``job_id``.
        ids: a JSON array of theirs; ``None`` where ``job_id`` speaks.
    """

    job_id: Any
    before: Row | None
    after: Row | None
    at: Any
    counted: bool = True
    hidden: bool = False
    jobs: int = 1
    ids: str | None = None


def replay(log: Iterable[Sequence[Any]]) -> Iterator[Change]:  # noqa: C901, PLR0912 - one branch an op; apart, they would share their state
    """The changes that log rows stand for, in order.

    An attempt (0 or 4) is believed only by its own outcome (1 or 5), which always follows it: INSERT OR IGNORE and
    UPSERT leave an attempt without one. With ``recursive_triggers`` on, a REPLACE logs the delete (3) of the job it
    replaces between the two: such a delete is held back until the next row tells whether it was one.

    Args:
        log: rows of ``LOG_COLUMNS`` in the order of seq, not cut inside an operation (see :func:`whole_operations`).
    """
    standing: Row | None = None
    standing_rid = named_rid = None
    held: Change | None = None
    counted = True
    for row in log:
        op, at, rid, job_id = row[1], row[2], row[3], row[4]
        if held is not None and op not in {INSERTED, DELETED}:
            yield held
            held = standing = None
        if op == ATTEMPT:
            standing, standing_rid, named_rid = (None if rid is None else Row(*row[5:12])), rid, at
        elif op == INSERTED:
            held = None
            yield Change(job_id, standing, Row(*row[5:12]), at, counted, named_rid != _AUTOMATIC_ROWID or rid == -1)
            standing = standing_rid = None
        elif op == UPDATED:
            yield Change(job_id, Row(*row[5:12]), Row(*row[12:19]), at, counted)
        elif op == DELETED:
            delete = Change(job_id, _leaving(row), None, at, counted)
            if standing is not None and rid == standing_rid and held is None:
                held = delete
            else:
                yield delete
        elif op == RENAMING:
            standing, standing_rid = (None if rid is None else _leaving(row)), rid
        elif op == RENAMED:
            if standing is not None:  # else there was none, or its own delete (recursive_triggers) was yielded above
                yield Change(job_id, standing, None, at, counted)
            standing = standing_rid = None
        elif op == PRUNED:
            yield Change(None, _leaving(row), None, at, counted, jobs=row[_SIZE], ids=job_id)
        else:
            counted = op != RETURNING
    if held is not None:
        yield held


def _leaving(row: Sequence[Any]) -> Row:
    return Row(row[5], row[6], None, None, None, None, None)


def whole_operations(log: Sequence[Sequence[Any]], *, is_end: bool) -> int:
    """How many of these log rows can be replayed without cutting an operation in two; 0 asks for more rows.

    Args:
        log: rows in the order of seq, from the oldest.
        is_end: whether the log ends with them; then nothing can be cut, for an operation is one transaction.
    """
    if is_end:
        return len(log)
    end = len(log)
    bracket = next((i for i in range(end - 1, -1, -1) if log[i][1] in {RETURNING, RETURNED}), -1)
    if bracket >= 0 and log[bracket][1] == RETURNING:
        return bracket
    # What is before a RETURNED is whole, and a cut there would tear its rows from their RETURNING.
    for i in range(max(bracket + 1, end - _LONGEST_OPERATION), end):
        if log[i][1] in {ATTEMPT, RENAMING}:
            return i
    return end
