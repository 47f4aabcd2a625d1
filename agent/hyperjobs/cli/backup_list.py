"""How a list of backups looks: for a person, for a program, and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.cli.moment import show_age
from hyperjobs.cli.show import show_bytes
from hyperjobs.cli.table import Column, emit_json, emit_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperjobs.cli.selection import View
    from hyperjobs.cli.shapes.backups import BackupShape
    from hyperjobs.maintenance.backup.catalogue import Entry
    from hyperjobs.maintenance.backup.destination.facts import Judged
    from hyperjobs.maintenance.backup.name import BackupName

_STYLES = {"verified": "green", "failed": "bold red", "damaged": "red", "unverified": "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One backup of a directory or a destination.

    Attributes:
        jobs: ``None`` where no manifest says.
        other_host: the machine that took it, when it was not this one.
        reasons: why retention keeps it.
    """

    name: BackupName
    state: str
    jobs: int | None
    bytes: int
    host: str
    other_host: str
    is_pinned: bool
    found: str
    reasons: list[str]

    @classmethod
    def of(cls, entry: Entry | Judged, host: str, reasons: list[str] | None = None) -> Listed:
        """From what lies in a directory, or at a destination, which has no pins."""
        taken_by = entry.manifest.host if entry.manifest else ""
        return cls(
            name=entry.name,
            state=str(entry.state),
            jobs=entry.manifest.jobs if entry.manifest else None,
            bytes=entry.bytes,
            host=taken_by,
            other_host="" if taken_by == host else taken_by,
            is_pinned=getattr(entry, "is_pinned", False),
            found=getattr(entry, "found", ""),
            reasons=reasons or [],
        )

    @property
    def at(self) -> str:
        """When it was taken."""
        return f"{self.name.at:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def pinned(self) -> str:
        """The word, or nothing."""
        return "pinned" if self.is_pinned else ""


def show_backups(listed: Sequence[Listed], view: View, *, reasons: bool) -> None:
    """Write a list of backups, newest first."""
    if view.as_json:
        for each in listed:
            emit_json(_shape(each, reasons=reasons))
        return
    table = [column for column in _TABLE if column.title != "KEPT BY" or reasons]
    if not any(each.other_host for each in listed):
        table = [column for column in table if column.title != "HOST"]
    emit_rows(table, listed, view, lambda each: _values(each, reasons=reasons), nothing="no backups")


def _values(each: Listed, *, reasons: bool) -> tuple[object, ...]:
    values = (str(each.name), each.at, each.state, each.jobs, each.bytes, each.pinned)
    return (*values, *([",".join(each.reasons)] if reasons else []), each.other_host)


def _shape(each: Listed, *, reasons: bool) -> BackupShape:
    return {
        "name": str(each.name),
        "at": each.at,
        "state": each.state,
        "jobs": each.jobs,
        "bytes": each.bytes,
        "pinned": each.is_pinned,
        "found": each.found,
        "host": each.host,
        "reasons": each.reasons if reasons else None,
    }


_TABLE: Sequence[Column[Listed]] = (
    Column("BACKUP", lambda each, _: str(each.name), is_whole=True),
    Column("AGE", lambda each, view: show_age(each.name.at, now=view.now), is_number=True),
    Column("STATE", lambda each, _: each.state, lambda each: _STYLES.get(each.state, ""), width=10),
    Column("JOBS", lambda each, _: "-" if each.jobs is None else f"{each.jobs:,}", is_number=True, drop=2),
    Column("SIZE", lambda each, _: show_bytes(each.bytes), is_number=True, drop=3),
    Column("PINNED", lambda each, _: each.pinned or "-", drop=4),
    Column("KEPT BY", lambda each, _: ", ".join(each.reasons) or "-", drop=1),
    Column("HOST", lambda each, _: each.other_host or "-", drop=1),
)
