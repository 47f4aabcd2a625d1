"""Checks of what lies in the file: its pages, its journal, its indexes and how SQLite would use them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hyperjobs.doctor.finding import DAMAGED, Finding, failed, ok, skipped, warning
from hyperjobs.errors import StoreError, StoreInterruptedError
from hyperjobs.store.condition import Condition
from hyperjobs.store.process import shown
from hyperjobs.store.runs import Outcome, Runs
from hyperjobs.store.soundness import check_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperjobs.doctor.case import Case
    from hyperjobs.store.connection import Connection
    from hyperjobs.store.soundness import Depth

_LONG_AGO: Final = timedelta(days=8)
_RESTORE: Final = (
    "hyperjobs backup list; hyperjobs restore --dry-run; hyperjobs salvage --dry-run when no backup is new enough; "
    "hyperjobs integrity has the agent delete nothing meanwhile"
)
_INDEXES: Final = {
    "idx_status": "status",
    "idx_created_at": "created_at DESC",
    "idx_provider": "provider",
    "idx_user": "user",
    "idx_vm_name": "vm_name",
}
_QUERIES: Final = {
    "by status": "SELECT * FROM jobs WHERE status='running'",
    "by provider": "SELECT * FROM jobs WHERE provider='vsphere'",
    "by user": "SELECT * FROM jobs WHERE user='admin'",
    "by virtual machine": "SELECT * FROM jobs WHERE vm_name='web'",
    "one job": "SELECT * FROM jobs WHERE id='x'",
    "the newest": "SELECT * FROM jobs ORDER BY created_at DESC LIMIT 20",
}
"""What hypersdk's own client asks."""


def look_at_integrity(case: Case) -> Iterator[Finding]:
    """Whether the pages are whole, as far as time allows; else what the last check said."""
    last = _last_check(case)
    if case.recognition is None and getattr(case.trouble, "exit_code", 0) != DAMAGED:
        yield skipped("the store could not be opened")
        return
    depth: Depth = "integrity_check" if case.is_full else "quick_check"
    try:
        with case.opened() as connection:
            messages = check_pages(connection, depth)
    except StoreInterruptedError:
        yield _too_long(case, last)
        return
    if messages:
        remedy = "hyperjobs reindex" if all("index" in each for each in messages) else _RESTORE
        yield failed(f"the store is damaged: {messages[0]}", remedy, DAMAGED, messages=messages, check=depth)
    elif last is not None and last[0]:
        yield failed(
            f"{depth} is ok now, but the last full look, {last[1]} ago, found damage: {last[0][0]}",
            "hyperjobs integrity; then hyperjobs unfreeze",
            DAMAGED,
            messages=last[0],
        )
    else:
        yield ok(f"{depth} found the pages whole" + ("" if case.is_full else "; --full also looks at index entries"))


def _last_check(case: Case) -> tuple[list[str], str, float] | None:
    """What the newest check said, and how long ago."""
    try:
        with case.state() as state:
            run = Runs(state).last_ended("integrity-quick", Outcome.OK, Outcome.FAILED)
            condition = Condition(state)
            messages = [] if condition.is_whole is not False else condition.messages or ["it did not say what"]
    except StoreError:
        return None
    if run is None or run.ended_at is None:
        return None
    age_s = (case.clock.now() - run.ended_at).total_seconds()
    return messages, shown(age_s), age_s


def _too_long(case: Case, last: tuple[list[str], str, float] | None) -> Finding:
    message = f"the pages were not all read within {case.bound_s:.1f} s"
    if last is None:
        return warning(f"{message}, and no check is on record", "hyperjobs integrity, or hyperjobs doctor --full")
    messages, age, age_s = last
    if messages:
        return failed(f"{message}; the last check, {age} ago, found damage: {messages[0]}", _RESTORE, DAMAGED)
    if age_s > _LONG_AGO.total_seconds():
        return warning(f"{message}, and the last check was {age} ago", "hyperjobs integrity")
    return ok(f"{message}; the last check found them whole {age} ago; --full reads them all")


def look_at_journal(case: Case) -> Iterator[Finding]:
    """Whether the file is in WAL mode."""
    if case.journal_mode == "wal":
        yield ok("WAL: readers and writers do not wait for each other", journal_mode="wal")
        return
    yield warning(
        f"journal_mode is {case.journal_mode}: every reader stops the writers, and 'database is locked' follows",
        f"start the agent, which changes it once, or: sqlite3 {case.path} 'PRAGMA journal_mode=WAL'",
        journal_mode=case.journal_mode,
    )


def look_at_indexes(case: Case) -> Iterator[Finding]:
    """Whether the indexes are there that hypersdk makes."""
    expected = _INDEXES if case.is_hypersdk else {}
    with case.opened(1.0) as connection:
        leading = _leading_columns(connection)
    missing = {name: columns for name, columns in expected.items() if columns.split()[0] not in leading}
    if not missing:
        yield ok(f"{len(leading)} columns of jobs have an index", columns=sorted(leading))
        return
    sql = "; ".join(f"CREATE INDEX {name} ON jobs({columns})" for name, columns in missing.items())
    yield warning(
        f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing, so queries read the whole table",
        f"restart hypersdk, which makes them when it opens the store, or: sqlite3 {case.path} '{sql}'",
        missing=sorted(missing),
    )


def look_at_plans(case: Case) -> Iterator[Finding]:
    """Whether SQLite uses them for what hypersdk asks."""
    with case.opened(1.0) as connection:
        slow = [name for name, sql in _QUERIES.items() if not _uses_index(connection, sql)]
    if slow:
        yield warning(
            f"these queries read the whole table: {', '.join(slow)}",
            "hyperjobs doctor --only indexes; hyperjobs optimize; hyperjobs reindex",
            slow=slow,
        )
    else:
        yield ok(f"all of {len(_QUERIES)} usual queries go by an index")


def _leading_columns(connection: Connection) -> set[str]:
    found = connection.rows(
        "SELECT c.name FROM pragma_index_list('jobs') i, pragma_index_info(i.name) c WHERE c.seqno=0 AND i.partial=0"
    )
    return {str(name) for (name,) in found if name is not None}


def _uses_index(connection: Connection, sql: str) -> bool:
    plan = connection.rows(f"EXPLAIN QUERY PLAN {sql}")
    return all("INDEX" in str(line[-1]) for line in plan if str(line[-1]).startswith(("SCAN", "SEARCH")))
