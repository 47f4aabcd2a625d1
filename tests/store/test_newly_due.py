"""Counting by texts comes to what the prune's own rule says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperjobs.store import query
from hyperjobs.store.connection import Connection
from hyperjobs.store.due import Rule, due_jobs, newest_kept
from hyperjobs.store.newly_due import count_newly_due
from hyperjobs.store.pins import pin
from hyperjobs.store.retention import Retention
from support.stores import insert, new_store

NOW = datetime(2026, 9, 10, 12, tzinfo=UTC)
AGES = st.one_of(st.none(), st.integers(1, 60).map(lambda days: timedelta(days=days)))
RETENTIONS = st.builds(
    lambda ages, own: Retention(ages, {"vsphere": own}),
    st.fixed_dictionaries({"completed": AGES, "failed": AGES}),
    st.fixed_dictionaries({}, optional={"completed": AGES}),
)
ZONES = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))
ENDS = st.builds(
    lambda hours, zone: str((NOW - timedelta(hours=hours)).astimezone(zone)), st.integers(0, 70 * 24), ZONES
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["completed", "failed", "cancelled", "running"]),
            "provider": st.sampled_from(["vsphere", "aws"]),
            "completed_at": st.one_of(ENDS, st.sampled_from([None, "yesterday", 1_780_000_000])),
        }
    ),
    max_size=25,
)


def due(connection, rule):
    return {job.job_id for job in due_jobs(connection, rule)}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, old=RETENTIONS, new=RETENTIONS, keep=st.integers(0, 5))
def test_it_counts_the_jobs_that_the_new_rule_alone_finds(tmp_path_factory, rows, old, new, keep):
    folder = tmp_path_factory.mktemp("store")
    new_store(folder).close()
    created = "2026-06-01 00:00:00+00:00"
    insert(
        folder / "jobs.db",
        *({"id": f"j{n}", "created_at": created, "started_at": None, **r} for n, r in enumerate(rows)),
    )
    connection = Connection(folder / "jobs.db", read_only=True)
    query.register(connection.raw)
    try:
        first, second = (Rule(retention.cutoffs(NOW)) for retention in (old, new))
        second = second.limited(newest_kept(connection, second.cutoffs, keep))

        more, total = count_newly_due(connection, first, second)

        assert total == len(rows)
        assert more == len(due(connection, second) - due(connection, first))
    finally:
        connection.close()


def test_a_pinned_job_is_not_counted(tmp_path):
    new_store(tmp_path).close()
    long_ago = "2026-01-01 00:00:00+00:00"
    insert(tmp_path / "jobs.db", *({"id": name, "created_at": long_ago, "completed_at": long_ago} for name in "ab"))
    connection = Connection(tmp_path / "jobs.db")
    try:
        rules = [Rule(Retention(ages).cutoffs(NOW)) for ages in ({}, {"completed": timedelta(days=30)})]
        assert count_newly_due(connection, *rules) == (2, 2)
        pin(connection, "a", now=NOW)
        assert count_newly_due(connection, *rules) == (1, 2)
    finally:
        connection.close()


@pytest.mark.parametrize(("days", "more"), [(1, 1), (9000, 0)])
def test_ages_beyond_the_calendar_of_jobs_do_not_overflow(tmp_path, days, more):
    new_store(tmp_path).close()
    insert(tmp_path / "jobs.db", {"id": "a"})
    connection = Connection(tmp_path / "jobs.db")
    try:
        rule = Rule(Retention({"completed": timedelta(days=days)}).cutoffs(NOW))
        assert count_newly_due(connection, Rule(Retention().cutoffs(NOW)), rule) == (more, 1)
    finally:
        connection.close()
