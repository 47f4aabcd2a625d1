"""Histogram buckets, by index; what is stored is one count a bucket, not cumulative. Pure."""

from __future__ import annotations

from bisect import bisect_left

DEFAULT_BUCKETS: tuple[int, ...] = (60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800)
"""Upper bounds in seconds: one minute to one week, for a migration's duration and its wait in the queue."""

MICROS = 1_000_000


def bucket_of(micros: int, bounds: tuple[float, ...]) -> int:
    """The index of the first bound that is not below the value; ``len(bounds)`` is the +Inf bucket."""
    return bisect_left(bounds, micros / MICROS)
