"""Statistics of a period: of what finished in it, whatever was pruned since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from hyperjobs.errors import InvalidJobError
from hyperjobs.store.connection import Connection
from hyperjobs.store.ledger.rollup import period_stats
from hyperjobs.store.models import JobStats
from support.ledgers import Kept, insert, make_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DAY = datetime(2026, 1, 20, tzinfo=UTC)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """Six jobs: on the 19th one failed; on the 20th two completed and one failed, one hour apart; two unfinished."""
    kept = Kept(make_store(tmp_path / "jobs.db"), tmp_path / "state")
    kept.turn()
    db = apsw.Connection(str(kept.path))
    for number, (hours, status, provider) in enumerate([(-1, "failed", "aws"), (0, "completed", "vsphere"), (1, "completed", "aws"), (2, "failed", "vsphere")]):  # fmt: skip
        at = _DAY + timedelta(hours=hours, minutes=30)
        insert(db, f"job-{number}", status, provider=provider, completed=at.isoformat(" "), size=10 + number)
    insert(db, "waiting", "pending")
    insert(db, "going", "running")
    db.close()
    yield kept
    kept.stop()


def stats(
    kept: Kept, since: datetime | None = None, until: datetime | None = None, by: str | None = None
) -> list[JobStats]:
    connection = Connection(kept.path, read_only=True)
    try:
        return connection.read(lambda db: period_stats(db, since, until, by, now=kept.clock.now()))
    finally:
        connection.close()


_QUESTIONS: list[dict[str, Any]] = [
    {},
    {"by": "provider"},
    {"by": "day"},
    {"since": _DAY},
    {"until": _DAY - timedelta(microseconds=1), "by": "day"},
    {"since": _DAY + timedelta(hours=1), "until": _DAY + timedelta(hours=1), "by": "provider"},
]


def test_a_period_says_the_same_folded_or_not_and_before_and_after_a_prune(kept: Kept) -> None:
    unfolded = [stats(kept, **question) for question in _QUESTIONS]
    kept.turn()
    folded = [stats(kept, **question) for question in _QUESTIONS]
    db = apsw.Connection(str(kept.path))
    db.execute("DELETE FROM jobs WHERE status IN ('completed','failed')")
    db.close()
    pruned = [stats(kept, **question) for question in _QUESTIONS]
    kept.turn()

    assert unfolded == folded == pruned == [stats(kept, **question) for question in _QUESTIONS]


def test_all_that_finished_is_one_answer(kept: Kept) -> None:
    assert stats(kept) == [JobStats(total=4, completed=2, failed=2, total_size=11 + 12)]


def test_by_provider_and_by_day(kept: Kept) -> None:
    assert stats(kept, by="provider") == [
        JobStats(group="aws", total=2, completed=1, failed=1, total_size=12),
        JobStats(group="vsphere", total=2, completed=1, failed=1, total_size=11),
    ]
    assert stats(kept, by="day") == [
        JobStats(group="2026-01-19", total=1, failed=1),
        JobStats(group="2026-01-20", total=3, completed=2, failed=1, total_size=23),
    ]


@pytest.mark.parametrize(
    ("since", "until", "finished"),
    [
        (timedelta(0), None, 3),
        (timedelta(microseconds=-1), None, 4),  # from the start of its hour
        (None, timedelta(0), 2),  # to the end of its hour
        (None, timedelta(microseconds=-1), 1),
        (timedelta(hours=1), timedelta(hours=1), 1),
        (timedelta(days=1), None, 0),
    ],
)
def test_a_period_is_rounded_to_whole_hours(
    kept: Kept, since: timedelta | None, until: timedelta | None, finished: int
) -> None:
    (answer,) = stats(kept, None if since is None else _DAY + since, None if until is None else _DAY + until)

    assert answer.total == finished


def test_a_period_in_which_nothing_finished_has_no_rate(kept: Kept) -> None:
    assert stats(kept, _DAY + timedelta(days=1)) == [JobStats()]
    assert stats(kept, _DAY + timedelta(days=1))[0].success_rate is None
    assert stats(kept, _DAY + timedelta(days=1), by="day") == []


def test_by_user_is_refused_with_its_reason(kept: Kept) -> None:
    with pytest.raises(InvalidJobError, match="the hourly ledger keeps no users"):
        stats(kept, by="user")
