"""A place in a list of jobs as a word that can be pasted: ``2026-09-01T03:00:00.000000Z/job-1``."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote, unquote

from hyperjobs.store.instant import rfc3339
from hyperjobs.store.models import JobCursor

_NO_TIME = "-"
_SAFE = ":@+,=/"


def write_cursor(cursor: JobCursor) -> str:
    """The word for a place; it needs no quotes in a shell."""
    at = rfc3339(cursor.created_at) or _NO_TIME
    return f"{at}/{quote(cursor.id, safe=_SAFE, errors='replace')}"


def parse_cursor(text: str) -> JobCursor:
    """The place that a word of :func:`write_cursor` names.

    Raises:
        ValueError: the text is no such word.
    """
    at, slash, job_id = text.partition("/")
    if not slash or not text.isascii():
        raise ValueError(f"{text!r} is not a cursor; copy it from the end of a list or from --json")
    created_at = None if at == _NO_TIME else datetime.fromisoformat(at)
    if created_at is not None and created_at.tzinfo is None:
        raise ValueError(f"the time of {text!r} has no zone; copy the cursor whole")
    return JobCursor(created_at, unquote(job_id, errors="replace"))
