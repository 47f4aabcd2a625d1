"""The UTC time in the name of a file that we make, to the second: ``20260818T031500Z``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

STAMP: Final = r"\d{8}T\d{6}Z"
"""What a stamp looks like, for a pattern of names."""
_FORMAT: Final = "%Y%m%dT%H%M%SZ"


def stamp(at: datetime) -> str:
    """The stamp of a time that knows its zone."""
    return at.astimezone(UTC).strftime(_FORMAT)


def parse_stamp(text: str) -> datetime | None:
    """A stamp read back; ``None`` of one that no calendar has."""
    try:
        return datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
