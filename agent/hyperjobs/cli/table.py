"""Rows for a person or for a program: a table as wide as the terminal, or tab-separated values."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from hyperjobs.cli.stderr import note
from hyperjobs.cli.text import field, json_line, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    from hyperjobs.cli.selection import View

Row = TypeVar("Row")

STATUS_STYLES = {"pending": "yellow", "running": "cyan", "completed": "green", "failed": "bold red", "cancelled": "dim"}
_GAP = 2


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column of a table for a person.

    Attributes:
        show: a row's value; it need not be printable.
        style: a row's colour, by rich's names; empty for none.
        drop: in a terminal that is too narrow the column with the highest number goes first; 0 never goes.
        width: at least so wide before another column goes.
    """

    title: str
    show: Callable[[Row, View], str]
    style: Callable[[Row], str] | None = None
    drop: int = 0
    width: int = 8
    is_number: bool = False
    is_whole: bool = False
    """The value is never cut short, as one that is to be copied: it is folded when it must."""


def emit(line: str) -> None:
    """Write one line to standard output."""
    sys.stdout.write(line + "\n")


def emit_values(values: Iterable[object]) -> None:
    """Write one line of tab-separated values; an absent one is empty."""
    emit("\t".join("" if value is None else field(str(value)) for value in values))


def emit_json(value: Mapping[str, Any]) -> None:
    """Write one line of JSON."""
    emit(json_line(value))


def emit_table(columns: Sequence[Column[Row]], rows: Sequence[Row], view: View) -> None:
    """Write a table; the columns that have no room are left out."""
    from rich.table import Table  # noqa: PLC0415 - only where a person looks

    console = new_console()
    cells = [[_cell(column, row, view) for column in columns] for row in rows]
    widths = fit(columns, [_natural(column, index, cells) for index, column in enumerate(columns)], console.width)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    for index, width in widths.items():
        _add_column(table, columns[index], width)
    for line in cells:
        table.add_row(*(line[index] for index in widths))
    emit_rich(console, table)


def emit_rows(
    columns: Sequence[Column[Row]],
    rows: Sequence[Row],
    view: View,
    values: Callable[[Row], Iterable[object]],
    *,
    nothing: str,
) -> None:
    """Write a list: a table for a person, tab-separated values for a program.

    Args:
        columns: of the table.
        rows: what there is.
        view: how to show it.
        values: a row as the fields of a line.
        nothing: said to a person, on standard error, when there is no row.
    """
    if not view.as_table:
        for row in rows:
            emit_values(values(row))
    elif rows:
        emit_table(columns, rows, view)
    else:
        note(nothing)


def emit_rich(console: Console, what: RenderableType) -> None:
    """Write something of rich's; lines end where their text ends."""
    with console.capture() as capture:
        console.print(what)
    for line in capture.get().splitlines():
        emit(line.rstrip())


def new_console() -> Console:
    """A console on standard output: its width, and colours unless ``NO_COLOR`` or a dumb terminal."""
    from rich.console import Console  # noqa: PLC0415 - only where a person looks

    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def status_text(status: str) -> Text:
    """A status in its colour."""
    from rich.text import Text  # noqa: PLC0415 - only where a person looks

    return Text(printable(status), style=STATUS_STYLES.get(status, ""))


def _cell(column: Column[Row], row: Row, view: View) -> Text:
    from rich.text import Text  # noqa: PLC0415 - only where a person looks

    return Text(printable(column.show(row, view)), style=column.style(row) if column.style else "")


def _natural(column: Column[Any], index: int, cells: Sequence[Sequence[Text]]) -> int:
    return max([len(column.title), *(line[index].cell_len for line in cells)])


def _add_column(table: Table, column: Column[Any], width: int) -> None:
    table.add_column(
        column.title,
        justify="right" if column.is_number else "left",
        overflow="fold" if column.is_whole else "ellipsis",
        no_wrap=not column.is_whole,
        width=width,
    )


def fit(columns: Sequence[Column[Any]], natural: Sequence[int], width: int) -> dict[int, int]:
    """How wide each column is shown, by its place; a column without room is not in it.

    First columns are dropped until the rest fit at their least width, then the widest that may be cut are cut, and
    only in the end those that should stay whole.

    Args:
        columns: in their order.
        natural: the width of each column's widest value.
        width: that of the terminal, in cells.
    """
    least = [
        wide if column.is_whole or column.is_number else min(wide, max(column.width, len(column.title)))
        for column, wide in zip(columns, natural, strict=True)
    ]
    kept = list(range(len(columns)))
    while sum(least[index] + _GAP for index in kept) - _GAP > width:
        last = max(kept, key=lambda index: columns[index].drop)
        if columns[last].drop == 0:
            break
        kept.remove(last)
    widths = {index: natural[index] for index in kept}
    while sum(widths.values()) + _GAP * (len(kept) - 1) > width:
        cuttable = [index for index in kept if widths[index] > least[index]] or kept
        widest = max(cuttable, key=lambda index: widths[index])
        if widths[widest] == 1:
            break
        widths[widest] -= 1
    return widths
