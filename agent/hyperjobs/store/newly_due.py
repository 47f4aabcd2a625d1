"""How many jobs one rule makes due that another leaves: counted fast enough to be asked before a rule is in force."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store import query
from hyperjobs.store.due import instant_of
from hyperjobs.store.pins import TABLE, has_pins

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import apsw

    from hyperjobs.store.connection import Connection
    from hyperjobs.store.due import Rule

_ENDED: Final = "coalesce(completed_at,started_at,created_at)"
_USUAL: Final = (
    f"typeof({_ENDED})='text' AND {_ENDED} GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:*'"
)
"""The form that every writer of ours and hypersdk's uses; of any other, and near the cutoff, the exact rule is asked."""
_ZONES: Final = timedelta(hours=26)
"""A text farther from the cutoff than this is on its side of it in whatever zone it was written."""
_FAR: Final = 2**61
"""Microseconds: a limit beyond is none."""
_FIRST, _LAST = "", ":"
"""Texts before and after every time."""


def count_newly_due(connection: Connection, old: Rule, new: Rule) -> tuple[int, int]:
    """Count the jobs that ``new`` makes due and ``old`` does not, and all jobs; a third of a second for a million.

    Times of the usual form are compared as texts where no zone can matter, which is exact for what a writer left; a job
    whose times contradict each other may be counted though the prune would leave it.

    Returns:
        Newly due jobs, and all jobs of the store, of one moment.

    Raises:
        StoreError: the store cannot be read, or a stop or a deadline came.
    """
    query.register(connection.raw)

    def count(db: apsw.Connection) -> tuple[int, int]:
        pinned = has_pins(db)
        parts, values = zip(*(_due(rule, has_pins=pinned) for rule in (new, old)), strict=True)
        sql = f"SELECT count(*) FROM jobs WHERE id IS NOT NULL AND ({parts[0]}) AND ({parts[1]}) IS NOT TRUE"  # noqa: S608 - ours
        if pinned:
            sql += f" AND id NOT IN (SELECT job_id FROM {TABLE})"  # noqa: S608 - ours
        more: Any
        jobs: Any
        [(more,)] = db.execute(sql, (*values[0], *values[1])).fetchall()
        [(jobs,)] = db.execute("SELECT count(*) FROM jobs").fetchall()
        return more, jobs

    return connection.read(count)


def _due(rule: Rule, *, has_pins: bool) -> tuple[str, tuple[Any, ...]]:
    """The rule as SQL that reads texts where that is enough, and its bindings."""
    if not rule.cutoffs.statuses:
        return "0", ()
    exact, exact_values = rule.condition(has_pins=has_pins)
    before, before_values = _limit(rule, lambda at: _text(at, -_ZONES))
    after, after_values = _limit(rule, lambda at: _text(at, _ZONES))
    sql = (
        f"CASE WHEN {after} IS NULL THEN 0 WHEN {_USUAL} AND {_ENDED}<{before} THEN 1"
        f" WHEN {_USUAL} AND {_ENDED}>={after} THEN 0 ELSE {exact} END"
    )
    return sql, (*after_values, *before_values, *after_values, *exact_values)


def _limit(rule: Rule, text: Callable[[datetime], str]) -> tuple[str, tuple[Any, ...]]:
    """The cutoff of a row's status and provider as SQL, made a text by ``text``; NULL for a status that stays."""
    values: list[Any] = []
    cases = []
    below = instant_of(rule.below) if abs(rule.below) < _FAR else None
    for status in rule.cutoffs.statuses:
        values.append(status)
        overrides = [(name, ages[status]) for name, ages in rule.cutoffs.providers.items()]
        for provider, at in overrides:
            values += (provider, None if at is None else text(at))
        general = rule.cutoffs.general[status]
        values.append(None if general is None else text(general))
        whens = " WHEN ? THEN ?" * len(overrides)
        cases.append(f"WHEN ? THEN CASE provider{whens} ELSE ? END" if whens else "WHEN ? THEN ?")
    # min() of a NULL is NULL, as in the exact rule
    values.append((_LAST if rule.below > 0 else _FIRST) if below is None else text(below))
    return f"min(CASE status {' '.join(cases)} END,?)", tuple(values)


def _text(at: datetime, zones: timedelta) -> str:
    try:
        return f"{at + zones:%Y-%m-%d %H:%M:%S}"
    except OverflowError:
        return _FIRST if zones < timedelta(0) else _LAST
