"""The geometry of the page's drawings, as SVG paths: no style attribute, for the policy allows none. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from hyperjobs.web.words import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperjobs.web.shapes import Counts, Hour, Run

BARS_WIDTH, BARS_HEIGHT = 1008, 240
"""Of the hourly chart; six units an hour, five of them the bar, which is a line as wide as that."""
LINE_WIDTH, LINE_HEIGHT = 336, 20
"""Of a task's line; two units an hour."""
SHARE_WIDTH: Final = 200
_STACK: Final = ("completed", "cancelled", "failed")
"""From the ground up: what failed is on top, where it is seen."""
_WEEK: Final = timedelta(days=7)
_LEAST: Final = 4
"""So high is a bar of one job among thousands: a single failure must be seen."""
_NICE: Final = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day (UTC) of the chart: where it begins and what finished in it."""

    x: float
    width: float
    label: str
    completed: int
    failed: int
    cancelled: int

    @property
    def text(self) -> str:
        """What a pointer, or a reader that cannot see the bars, is told."""
        return (
            f"{self.label}: {number(self.completed)} completed, {number(self.failed)} failed, "
            f"{number(self.cancelled)} cancelled"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Stacked bars an hour: ``paths`` by status, ``top`` is the number that the full height stands for."""

    paths: dict[str, str]
    days: tuple[Day, ...]
    top: int


def bars_of(hours: Sequence[Hour]) -> Bars:
    """The chart of a week's hours."""
    top = _nice(max((hour.total for hour in hours), default=0))
    step = BARS_WIDTH / max(len(hours), 1)
    paths: dict[str, list[str]] = {status: [] for status in _STACK}
    for index, hour in enumerate(hours):
        y = BARS_HEIGHT
        for status in _STACK:
            jobs = getattr(hour, status)
            if not jobs:
                continue
            height = min(max(round(jobs * BARS_HEIGHT / top), _LEAST), y)
            y -= height
            paths[status].append(f"M{index * step + step / 2:g} {y}v{height}")
    return Bars(paths={status: "".join(parts) for status, parts in paths.items()}, days=_days(hours, step), top=top)


def _days(hours: Sequence[Hour], step: float) -> tuple[Day, ...]:
    groups: dict[str, list[tuple[int, Hour]]] = {}
    for index, hour in enumerate(hours):
        groups.setdefault(hour.at.strftime("%a %-d %b"), []).append((index, hour))
    return tuple(
        Day(
            x=found[0][0] * step,
            width=len(found) * step,
            label=label,
            **{status: sum(getattr(hour, status) for _, hour in found) for status in _STACK},
        )
        for label, found in groups.items()
    )


def line_of(runs: Sequence[Run], now: datetime) -> dict[str, str]:
    """Marks of one task's runs in the last week, as paths by outcome: of another height each, not of a colour alone."""
    marks: dict[str, list[str]] = {"ok": [], "skipped": [], "failed": []}
    for run in runs:
        since = now - run.started_at
        if not timedelta(0) <= since <= _WEEK:
            continue
        x = round(LINE_WIDTH * (1 - since / _WEEK), 1)
        if run.outcome in {"failed", "interrupted"}:
            marks["failed"].append(f"M{x:g} 1v18")
        elif run.outcome == "skipped":
            marks["skipped"].append(f"M{x:g} 9v2")
        else:
            marks["ok"].append(f"M{x:g} 6v8")
    return {outcome: "".join(parts) for outcome, parts in marks.items() if parts}


def midnights(now: datetime) -> str:
    """The days' borders in a task's line."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = (LINE_WIDTH * (1 - (now - (day - timedelta(days=back))) / _WEEK) for back in range(7))
    return "".join(f"M{x:.4g} 0v{LINE_HEIGHT}" for x in found if x >= 0)


def shares_of(counts: Counts, most: int) -> list[tuple[str, float, float]]:
    """Status, x and width of the parts of one provider's bar; the largest provider's is full."""
    scale = SHARE_WIDTH / most if most else 0.0
    found, x = [], 0.0
    for status in ("completed", "failed", "cancelled", "running", "pending", "other"):
        width = getattr(counts, status) * scale
        if width > 0:
            found.append((status, round(x, 2), round(max(width, 0.5), 2)))
            x += width
    return found


def _nice(most: int) -> int:
    """The smallest 1, 2 or 5 times a power of ten that is not less."""
    if most <= 1:
        return 1
    unit = 10 ** math.floor(math.log10(most))
    return int(next(unit * factor for factor in _NICE if unit * factor >= most))
