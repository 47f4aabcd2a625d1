"""Kinds of errors and how many jobs failed with each, as ``top failures`` and ``failed --group`` write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.cli.moment import show_age, write_instant
from hyperjobs.cli.table import Column, emit_json, emit_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hyperjobs.cli.selection import View
    from hyperjobs.cli.shapes.jobs import FailureKindShape
    from hyperjobs.store.failures import FailureGroup

KINDS = 20
"""So many when nothing is said."""


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A group, and its share of all failed jobs of the period."""

    group: FailureGroup
    share: float


def show_kinds(groups: Sequence[FailureGroup], limit: int, view: View, *, by_provider: bool) -> None:
    """Write the first of some groups, with the share that each has of all.

    Args:
        groups: most first.
        limit: at most so many are written.
        view: how.
        by_provider: each is of one provider, which is written too.
    """
    total = sum(group.jobs for group in groups)
    ranked = [_Ranked(group, 100.0 * group.jobs / total) for group in groups[:limit]]
    if view.as_json:
        for each in ranked:
            emit_json(_shape(each))
        return
    table = _TABLE if by_provider else [column for column in _TABLE if column.title != "PROVIDER"]
    emit_rows(table, ranked, view, _values, nothing="no job failed in that time")


def _shape(each: _Ranked) -> FailureKindShape:
    group = each.group
    return {
        "kind": group.kind,
        "provider": group.provider,
        "jobs": group.jobs,
        "share": round(each.share, 2),
        "first_at": write_instant(group.first_at),
        "last_at": write_instant(group.last_at),
        "example_id": group.example_id,
        "example": group.example,
    }


def _values(each: _Ranked) -> Iterable[object]:
    group = each.group
    times = (write_instant(group.first_at), write_instant(group.last_at))
    return (group.jobs, f"{each.share:.2f}", *times, group.example_id, group.kind, group.provider)


_TABLE: Sequence[Column[_Ranked]] = (
    Column("JOBS", lambda each, _: f"{each.group.jobs:,}", is_number=True),
    Column("SHARE", lambda each, _: f"{each.share:.0f}%", is_number=True),
    Column("PROVIDER", lambda each, _: each.group.provider or "-", width=10),
    Column("KIND", lambda each, _: each.group.kind or "(no error said)", lambda _: "red", width=30),
    Column("FIRST", lambda each, view: show_age(each.group.first_at, now=view.now), drop=2, is_number=True),
    Column("LAST", lambda each, view: show_age(each.group.last_at, now=view.now), is_number=True),
    Column("EXAMPLE", lambda each, _: each.group.example_id, drop=1, is_whole=True),
)
