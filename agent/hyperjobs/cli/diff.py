"""``hyperjobs diff A B``: two states of a store, job by job and field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import Number, UnicodeText
from hyperjobs.cli.backup_setting import directory_option, settings, store_of
from hyperjobs.cli.command import Command
from hyperjobs.cli.destination import LATEST
from hyperjobs.cli.moment import parse_moment
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.selection import View, view_options
from hyperjobs.cli.setting import verbose_option
from hyperjobs.cli.stop import Stop
from hyperjobs.cli.table import Column, emit, emit_json, emit_table, emit_values
from hyperjobs.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hyperjobs.maintenance.backup.name import BackupName
    from hyperjobs.store.compare import Difference

STORE = "store"
_KINDS = {"only_a": "only in A", "only_b": "only in B", "changed": "changed"}


@click.command(
    "diff",
    cls=Command,
    examples=[
        ("What changed since the newest backup", "hyperjobs diff"),
        ("What changed since the newest backup before today", "hyperjobs diff today store"),
    ],
)
@click.argument("first", type=UnicodeText(), metavar="A", default=LATEST, shell_complete=offer.backups(LATEST, STORE))
@click.argument("second", type=UnicodeText(), metavar="B", default=STORE, shell_complete=offer.backups(LATEST, STORE))
@click.option(
    "--ids", type=Number(0, 100_000), metavar="N", default=50, help="So many jobs of each kind; 50 when not given."
)
@directory_option
@view_options
@store_options
@verbose_option
def diff_command(  # noqa: PLR0913 - one for each option
    *, first: str, second: str, ids: int, directory: str | None, place: StorePlace, view: View
) -> int:
    """Say which jobs are only in A, only in B, or changed, and in which fields.

    Each is a backup's name, 'latest', a time, which is the newest verified backup of then or before, or 'store', which
    is the store as it is now. Without B: 'store'; without A too: 'latest'.
    """
    from hyperjobs.maintenance.backup.diff import diff  # noqa: PLC0415 - SQLite only where it is used

    where = settings(place, directory).directory
    a, b = (_meant(word, place, where, directory, view) for word in (first, second))
    with Stop() as stop:
        found = diff(where, a, b, most_ids=ids, with_fields=True, keep_on=stop.keep_on)
    if stop.code:
        return stop.code
    if view.as_json:
        emit_json(_shape(str(a), str(b), found))
    elif view.as_table:
        emit(f"A is {printable(str(a))}, B is {printable(str(b))}")
        counts = ", ".join(f"{getattr(found, kind):,} {word}" for kind, word in _KINDS.items())
        emit(f"{counts}, {found.same:,} the same")
        if lines := list(_lines(found)):
            emit_table(_TABLE, lines, view)
        _tell_rest(found)
    else:
        for line in _lines(found):
            emit_values((line.kind, line.job_id, line.field, line.a, line.b))
    return 0


def _meant(word: str, place: StorePlace, where: Path, directory: str | None, view: View) -> BackupName | Path:
    """What a word means: the store, or one of the backups."""
    from hyperjobs.maintenance.backup.choice import choose  # noqa: PLC0415 - SQLite only where it is used

    if word == STORE:
        return place.find()
    store = store_of(place, directory)
    if word != LATEST:
        try:
            at = parse_moment(word, now=view.now, utc=view.utc)
        except ValueError:
            return choose(where, store, word).name
        return choose(where, store, at=at).name
    return choose(where, store).name


@dataclass(frozen=True, slots=True)
class _Line:
    """One job, or one field of a job that changed."""

    kind: str
    job_id: str
    field: str = ""
    a: str = ""
    b: str = ""


def _lines(found: Difference) -> Iterator[_Line]:
    for kind, ids in found.ids.items():
        for job_id in ids:
            fields = found.fields.get(job_id, []) if kind == "changed" else []
            if not fields:
                yield _Line(kind, job_id)
            for field in fields:
                yield _Line(kind, job_id, field.name, _shown(field.a), _shown(field.b))


def _tell_rest(found: Difference) -> None:
    for kind, word in _KINDS.items():
        more = getattr(found, kind) - len(found.ids[kind])
        if more:
            emit(f"and {more:,} more {word}; --ids N shows more")


def _shown(value: object) -> str:
    if value is None:
        return "NULL"
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _shape(a: str, b: str, found: Difference) -> dict[str, Any]:
    counts = {kind: getattr(found, kind) for kind in (*_KINDS, "same")}
    fields = {
        job_id: {field.name: [_plain(field.a), _plain(field.b)] for field in changed}
        for job_id, changed in found.fields.items()
    }
    return {"a": a, "b": b, **counts, "ids": found.ids, "fields": fields}


def _plain(value: object) -> object:
    return _shown(value) if isinstance(value, bytes) else value


_TABLE: Sequence[Column[_Line]] = (
    Column("", lambda line, _: _KINDS[line.kind], width=9),
    Column("ID", lambda line, _: line.job_id, is_whole=True),
    Column("FIELD", lambda line, _: line.field, width=12),
    Column("A", lambda line, _: line.a, lambda _: "red", width=16),
    Column("B", lambda line, _: line.b, lambda _: "green", width=16),
)
