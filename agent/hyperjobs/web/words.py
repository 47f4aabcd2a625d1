"""Numbers, times and untrusted texts as people read them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))
_SIZES: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_STEP: Final = 1024.0
_WHOLE: Final = 100
_TEN_IN_TENTHS: Final = 100
"""Where one digit behind the point still tells something."""


def number(value: float) -> str:
    """A whole number in groups of three, as ``1,234,567``."""
    return f"{value:,.0f}"


def size(size_bytes: int | None) -> str:
    """Bytes in the unit that leaves at most three digits and one behind the point, as ``12.5 GiB``; ``-`` for none."""
    if size_bytes is None:
        return "-"
    value, unit = float(size_bytes), _SIZES[0]
    for unit in _SIZES:  # noqa: B007 - the one it ends with
        if value < _STEP:
            break
        value /= _STEP
    return f"{value:.0f} {unit}" if value >= _WHOLE or unit == _SIZES[0] else f"{value:.1f} {unit}"


def span(seconds: float | None) -> str:
    """A length of time in its largest unit, as ``3 d``, ``40 s``; ``-`` for none."""
    if seconds is None:
        return "-"
    for long, unit in _UNITS:
        if seconds >= long:
            tenths = int(10 * seconds / long)
            is_short = tenths < _TEN_IN_TENTHS and tenths % 10 and unit != "min"
            return f"{tenths / 10:.1f} {unit}" if is_short else f"{tenths // 10} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else "under 1 s"


def age(at: datetime | None, now: datetime) -> str:
    """How long ago; ``-`` for none."""
    return "-" if at is None else span(abs((now - at).total_seconds()))


def percent(value: float | None) -> str:
    """``97.3 %``, never rounded up to 100 nor down to 0; ``-`` for none."""
    if value is None:
        return "-"
    if 0 < value < 100:  # noqa: PLR2004 - of a hundred
        value = min(max(value, 0.1), 99.9)
    return f"{value:.1f} %"


def shown(text: str, most: int = 120) -> str:
    """An untrusted text on one line of at most ``most`` characters, with nothing in it that moves or hides another.

    Controls, lone surrogates and formatting characters, those that turn the direction of writing among them, become
    U+FFFD; runs of white space become one blank.
    """
    if len(text) > 4 * most:
        text = text[: 4 * most]
        is_cut = True
    else:
        is_cut = False
    line = " ".join("".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text).split())
    if is_cut or len(line) > most:
        line = line[: most - 1].rstrip() + "…"
    return line
