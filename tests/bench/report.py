"""Tables of results: printed, and written between the markers of docs/performance.md."""

from __future__ import annotations

import os
import platform
import re
import statistics
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


@dataclass
class Table:
    """One figure's results.

    Attributes:
        name: of the figure; the markers in the page carry it.
        columns: their heads.
        rows: cells, as they are shown.
        notes: what a reader must know to read it.
    """

    name: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Append a row."""
        self.rows.append([str(cell) for cell in cells])

    def markdown(self) -> str:
        """The table, with its notes below."""
        lines = [f"| {' | '.join(self.columns)} |", "|---" * len(self.columns) + "|"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join([*lines, *("\n" + note for note in self.notes)])


def write(tables: Sequence[Table], page: Path = PAGE) -> None:
    """Put each table between its ``<!-- bench NAME -->`` and ``<!-- end NAME -->``; a name without markers is an error."""
    text = page.read_text()
    for table in tables:
        start, end = f"<!-- bench {table.name} -->", f"<!-- end {table.name} -->"
        block = f"{start}\n{table.markdown()}\n{end}"
        text, replaced = re.subn(f"{re.escape(start)}.*?{re.escape(end)}", lambda _, b=block: b, text, flags=re.DOTALL)
        if not replaced:
            raise SystemExit(f"{page}: no markers for {table.name!r}")
    page.write_text(text)


def machine() -> Table:
    """What was measured on; the load says whether it was alone."""
    table = Table("machine", ["What", "Value"])
    table.add("date", datetime.now(UTC).date())
    table.add("cores", os.cpu_count())
    table.add("load when started", f"{os.getloadavg()[0]:.1f}")
    table.add("kernel", platform.release().split("-")[0])
    table.add("Python, SQLite", f"{platform.python_version()}, {apsw.sqlite_lib_version()}")
    return table


def quantile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def ms(seconds: float) -> str:
    """Seconds as milliseconds, three digits of them."""
    value = seconds * 1000
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms" if value >= 1 else f"{value:.2f} ms"


def share(ratios: Sequence[float], *, spread: float = 0.0) -> str:
    """The median of ratios and how far they spread, without so large a share of them at each end."""
    return f"**{median(ratios):.2f}** ({quantile(ratios, spread):.2f} to {quantile(ratios, 1 - spread):.2f})"
