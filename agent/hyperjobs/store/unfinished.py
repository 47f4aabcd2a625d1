"""Finished jobs that do not say when they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperjobs.store.models import FINISHED

if TYPE_CHECKING:
    from hyperjobs.store.connection import Connection

_STATUSES: Final = ",".join(f"'{status}'" for status in sorted(FINISHED))
_UNENDED: Final = f"status IN ({_STATUSES}) AND (completed_at IS NULL OR completed_at='')"


def count_unended(connection: Connection) -> int:
    """How many there are; reads the table."""
    return int(connection.value(f"SELECT count(*) FROM jobs WHERE {_UNENDED}"))  # noqa: S608 - ours


def count_datable(connection: Connection) -> int:
    """Of how many of them the history knows when they ended."""
    if not connection.value("SELECT count(*) FROM sqlite_schema WHERE type='table' AND name='hyperjobs_history'"):
        return 0
    known = "SELECT 1 FROM hyperjobs_history AS h WHERE h.job_id=jobs.id AND h.new=jobs.status AND h.old IS NOT h.new"
    return int(connection.value(f"SELECT count(*) FROM jobs WHERE {_UNENDED} AND EXISTS ({known})"))  # noqa: S608 - ours
