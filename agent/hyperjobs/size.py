"""Sizes as people write them, ``64MiB``, and as they read them, ``12.5 MiB``."""

from __future__ import annotations

import re

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SIZE = re.compile(rf"([0-9]{{1,15}})({'|'.join(UNITS)})")


def parse_size(text: str) -> int:
    """The bytes that a whole number with its unit stands for; ``0`` needs none.

    Raises:
        ValueError: the text is no size; its message says what to write.
    """
    found = _SIZE.fullmatch(text)
    if found is not None:
        return int(found[1]) * UNITS[found[2]]
    if text != "0":
        raise ValueError(f"must be a size with its unit, such as 64MiB ({', '.join(UNITS)})")
    return 0


def format_size(size_bytes: int) -> str:
    """The text with the largest unit that divides it; ``parse_size`` reads it back."""
    unit = next((unit for unit in reversed(UNITS) if size_bytes and size_bytes % UNITS[unit] == 0), None)
    return f"{size_bytes // UNITS[unit]}{unit}" if unit else "0"


def mebibytes(size_bytes: float) -> str:
    """A size in a sentence, as ``1,234.5 MiB``: in one unit, so that two can be compared."""
    return f"{size_bytes / UNITS['MiB']:,.1f} MiB"
