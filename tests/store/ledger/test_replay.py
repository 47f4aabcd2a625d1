"""The change log read back: what each sequence of log rows stands for."""

from __future__ import annotations

from typing import Any

import pytest

from hyperjobs.store.ledger.replay import (
    ATTEMPT,
    DELETED,
    INSERTED,
    LOG_COLUMNS,
    RENAMED,
    RENAMING,
    RETURNED,
    RETURNING,
    UPDATED,
    replay,
    whole_operations,
)

AT = "2026-01-21 10:00:00"
_JOB = ("vsphere", "pending", None, None, None, 0, 0)
_AUTOMATIC = -1


def log(*rows: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Rows of LOG_COLUMNS from (op, t, rid, id, then columns), with their seq and what is left out as NULL."""
    return [(seq, *row, *[None] * (len(LOG_COLUMNS) - 1 - len(row))) for seq, row in enumerate(rows, 1)]


def attempt(
    job_id: str, *, standing: int | None = None, named: int = _AUTOMATIC, status: str = "pending"
) -> tuple[Any, ...]:
    if standing is None:
        return ATTEMPT, named, None, job_id
    return ATTEMPT, named, standing, job_id, "vsphere", status, *_JOB[2:]


def inserted(job_id: str, rid: int = 1, status: str = "pending") -> tuple[Any, ...]:
    return INSERTED, AT, rid, job_id, "vsphere", status, *_JOB[2:]


def updated(job_id: str, old: str, new: str, rid: int = 1) -> tuple[Any, ...]:
    return UPDATED, AT, rid, job_id, "vsphere", old, *_JOB[2:], "vsphere", new, *_JOB[2:]


def deleted(job_id: str, rid: int = 1, status: str = "pending") -> tuple[Any, ...]:
    return DELETED, AT, rid, job_id, "vsphere", status


def changes(*rows: tuple[Any, ...]) -> list[tuple[Any, Any, Any]]:
    """(id, status before, status after) of each change."""
    return [(c.job_id, c.before and c.before.status, c.after and c.after.status) for c in replay(log(*rows))]


def test_an_insert_is_an_appearance() -> None:
    assert changes(attempt("a"), inserted("a")) == [("a", None, "pending")]


def test_a_replace_is_one_change_from_the_job_that_stood_there() -> None:
    assert changes(attempt("a", standing=1), inserted("a", 2, "failed")) == [("a", "pending", "failed")]


def test_a_replace_with_its_delete_logged_is_the_same_one_change() -> None:
    rows = attempt("a", standing=1), deleted("a", 1), inserted("a", 2, "failed")

    assert changes(*rows) == [("a", "pending", "failed")]


def test_an_attempt_without_an_outcome_is_nothing() -> None:
    assert changes(attempt("a", standing=1)) == []


def test_an_ignored_insert_leaves_the_next_one_its_own_past() -> None:
    assert changes(attempt("a", standing=1), attempt("b"), inserted("b", 2)) == [("b", None, "pending")]


def test_an_upsert_is_the_update_that_it_made() -> None:
    assert changes(attempt("a", standing=1), updated("a", "pending", "running")) == [("a", "pending", "running")]


def test_a_delete_after_an_ignored_insert_of_the_same_job_is_a_delete() -> None:
    assert changes(attempt("a", standing=1), deleted("a", 1)) == [("a", "pending", None)]


def test_a_delete_held_back_is_not_lost_when_another_job_is_inserted_next() -> None:
    rows = attempt("a", standing=1), deleted("a", 1), attempt("b"), inserted("b", 2)

    assert changes(*rows) == [("a", "pending", None), ("b", None, "pending")]


def test_a_job_inserted_again_after_its_delete_appears_anew() -> None:
    rows = attempt("a", standing=1), deleted("a", 1), attempt("a"), inserted("a", 2)

    assert changes(*rows) == [("a", "pending", None), ("a", None, "pending")]


def test_a_replace_that_takes_a_named_rowid_removes_the_job_there_too() -> None:
    rows = attempt("a", standing=1, named=2), deleted("a", 1), deleted("b", 2, "failed"), inserted("a", 2)

    assert sorted(changes(*rows)) == [("a", "pending", "pending"), ("b", "failed", None)]


@pytest.mark.parametrize(("named", "rid", "hidden"), [(_AUTOMATIC, 1, False), (7, 7, True), (-1, -1, True)])
def test_an_insert_that_named_its_rowid_may_hide_a_job(*, named: int, rid: int, hidden: bool) -> None:
    found = list(replay(log(attempt("a", named=named), inserted("a", rid))))

    assert [change.hidden for change in found] == [hidden]


def test_a_rename_over_another_job_is_the_end_of_that_one() -> None:
    rows = (RENAMING, None, 2, "b", "aws", "failed"), (RENAMED, AT, 1, "b", "a", "pending")

    assert changes(*rows) == [("b", "failed", None)]


def test_a_rename_to_a_free_id_changes_no_sum() -> None:
    assert changes((RENAMING, None, None, "b", None, None), (RENAMED, AT, 1, "b", "a", "pending")) == []


def test_a_rename_that_did_not_happen_ends_no_job() -> None:
    assert changes((RENAMING, None, 2, "b", "aws", "failed"), attempt("c"), inserted("c", 3)) == [
        ("c", None, "pending")
    ]


def test_a_rename_whose_delete_was_logged_ends_the_other_job_once() -> None:
    rows = (RENAMING, None, 2, "b", "aws", "failed"), deleted("b", 2, "failed"), (RENAMED, AT, 1, "b", "a", "pending")

    assert changes(*rows) == [("b", "failed", None)]


def test_rows_brought_back_are_not_counted_and_those_after_them_are() -> None:
    rows = (RETURNING,), attempt("a"), inserted("a"), (RETURNED,), attempt("b"), inserted("b", 2)

    assert [(c.job_id, c.counted) for c in replay(log(*rows))] == [("a", False), ("b", True)]


def test_values_of_any_kind_pass_unchanged() -> None:
    odd = (b"\x00\xff", None, 1.5, 2**62, "\ufffd", "12", b"")

    (change,) = replay(log(attempt("a"), (INSERTED, AT, 1, "a", *odd)))

    assert change.after == odd


# What is cut where -------------------------------------------------------------------------------------------------

_REPLACE_TWO = attempt("a", standing=1, named=2), deleted("a", 1), deleted("b", 2), inserted("a", 2)
_RENAME = (
    (RENAMING, None, 2, "b", "aws", "failed"),
    deleted("b", 2),
    updated("b", "pending", "failed"),
    (RENAMED, AT, 1, "b", "a", "failed"),
)


@pytest.mark.parametrize("operation", [_REPLACE_TWO, _RENAME], ids=["replace", "rename"])
@pytest.mark.parametrize("read", range(1, 5))
def test_a_batch_never_ends_inside_an_operation(operation: tuple[Any, ...], read: int) -> None:
    before = [updated("x", "pending", "running"), updated("x", "running", "failed")]

    whole = whole_operations(log(*before, *operation[:read]), is_end=False)

    assert whole == len(before)


def test_a_batch_that_is_only_the_start_of_an_operation_asks_for_more() -> None:
    assert whole_operations(log(*_REPLACE_TWO[:2]), is_end=False) == 0


def test_the_end_of_the_log_cuts_nothing() -> None:
    assert whole_operations(log(*_REPLACE_TWO), is_end=True) == len(_REPLACE_TWO)


def test_a_batch_ends_before_rows_that_are_being_brought_back() -> None:
    returning = [(RETURNING,), *[row for n in range(20) for row in (attempt(f"b{n}"), inserted(f"b{n}", n + 2))]]

    assert whole_operations(log(updated("x", "pending", "running"), *returning), is_end=False) == 1
    assert whole_operations(log(*returning), is_end=False) == 0


def test_a_batch_may_hold_all_rows_brought_back() -> None:
    returned = [(RETURNING,), attempt("a"), inserted("a"), (RETURNED,), *[updated("x", "pending", "running")] * 6]

    assert whole_operations(log(*returned), is_end=False) == len(returned)


def test_cutting_at_any_point_gives_the_same_changes() -> None:
    rows = [
        *_REPLACE_TWO, attempt("c", standing=4), attempt("d"), inserted("d", 5), *_RENAME, deleted("d", 5),
        (RETURNING,), attempt("d"), inserted("d", 5), (RETURNED,), attempt("e", standing=6), deleted("e", 6), updated("d", "pending", "failed"),
    ]  # fmt: skip
    whole = log(*rows)
    expected = sorted(map(repr, replay(whole)))

    for limit in range(1, len(whole) + 1):
        found: list[str] = []
        rest, read = whole, limit
        while rest:
            batch = rest[:read]
            end = whole_operations(batch, is_end=len(batch) == len(rest))
            if not end:
                read += 1
                continue
            found += map(repr, replay(batch[:end]))
            rest, read = rest[end:], limit
        assert sorted(found) == expected, limit
