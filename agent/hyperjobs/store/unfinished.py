"""Finished jobs that do not say when they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperjobs.store.models import FINISHED

if TYPE_CHECKING:
    from hyperjobs.store.connection import Connection

_STATUSES: Final = ",".join(f"'{status}'" for status in sorted(FINISHED))


def count_unended(connection: Connection) -> int:
    """How many there are; reads the table."""
    found = connection.value(
        f"SELECT count(*) FROM jobs WHERE status IN ({_STATUSES}) AND (completed_at IS NULL OR completed_at='')"  # noqa: S608 - ours
    )
    return int(found)
