"""What is in a store says when something last happened there, whatever form its times have."""

from __future__ import annotations

from datetime import UTC, datetime

import apsw
import pytest

from hyperjobs.store.last_change import last_change
from support.stores import RawText, insert, new_store

LATEST = datetime(2026, 2, 1, tzinfo=UTC)


def found(path, not_after=LATEST):
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return last_change(db, not_after)
    finally:
        db.close()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"completed_at": "2026-01-21 12:00:00.5+00:00"}, datetime(2026, 1, 21, 12, 0, 0, 500_000, UTC)),
        ({"completed_at": "2026-01-21 23:00:00-10:00"}, datetime(2026, 1, 22, 9, tzinfo=UTC)),
        ({"started_at": "2026-01-22T01:00:00Z"}, datetime(2026, 1, 22, 1, tzinfo=UTC)),
        ({"created_at": 1_769_040_000}, datetime(2026, 1, 22, tzinfo=UTC)),
        ({"completed_at": "2026-03-01 00:00:00+00:00"}, datetime(2026, 1, 21, 10, 11, tzinfo=UTC)),
        ({"completed_at": RawText(b"2026-01-30 \xff")}, datetime(2026, 1, 21, 10, 11, tzinfo=UTC)),
        ({"completed_at": 1.5}, datetime(2026, 1, 21, 10, 11, tzinfo=UTC)),
    ],
)
def test_it_is_the_greatest_instant_that_can_be(tmp_path, values, expected):
    new_store(tmp_path).close()
    insert(tmp_path / "jobs.db", {"id": "usual"}, {"id": "odd", **values})

    assert found(tmp_path / "jobs.db") == expected


def test_of_an_empty_store_nothing_is_known(tmp_path):
    new_store(tmp_path).close()

    assert found(tmp_path / "jobs.db") is None
