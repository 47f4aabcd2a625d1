"""What a restore did, or would do, in words and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hyperjobs.cli.moment import show_age, write_instant
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from hyperjobs.maintenance.backup.name import BackupName


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A restore that was done, or is planned.

    Attributes:
        how: ``swap``, ``live``, ``new`` or ``jobs``.
        backup: ``None`` when it is ``file`` that comes.
        jobs: how many come, and ``replaced`` the ids of those that make way.
        host: on which machine the backup was taken, when that is another one; else empty.
        kept: what was in the store, where it lies now.
        ids: of the jobs that were asked for by name; ``None`` when all come.
        open_in: the processes that keep the store from being replaced; ``None`` where nobody looked.
    """

    target: Path
    backup: BackupName | None
    how: str
    jobs: int
    file: Path | None = None
    host: str = ""
    replaced: tuple[str, ...] = ()
    kept: Path | None = None
    ids: tuple[str, ...] | None = None
    open_in: tuple[int, ...] | None = None

    def text(self, now: datetime) -> str:
        """In words, for after "would restore" and "restored"."""
        if self.how == "jobs":
            instead = f", {len(self.replaced)} in place of what is there" if self.replaced else ""
            return f"{self.target}: {self.jobs} job{'s' * (self.jobs != 1)} of {self.backup}{self._whose}{instead}"
        where = {"live": "into the open store", "new": "as a new file", "swap": "in its place"}[self.how]
        kept = f"; what was there is {self.kept}" if self.kept else ""
        of = str(self.file)
        if self.backup is not None:
            of = f"{self.backup}, taken {show_age(self.backup.at, now=now)} ago{self._whose}"
        return f"{self.target}: {self.jobs:,} jobs of {of}, {where}{kept}"

    @property
    def _whose(self) -> str:
        return f" on {self.host}" if self.host else ""

    def detail(self) -> dict[str, Any]:
        """As its record has it."""
        return {name: value for name, value in self.shape().items() if name not in {"ids", "open_in"}}

    def shape(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "target": str(self.target),
            "backup": None if self.backup is None else str(self.backup),
            "file": None if self.file is None else str(self.file),
            "taken_at": None if self.backup is None else write_instant(self.backup.at),
            "how": self.how,
            "jobs": self.jobs,
            "host": self.host,
            "replaced": list(self.replaced),
            "kept": None if self.kept is None else str(self.kept),
            "ids": None if self.ids is None else list(self.ids),
            "open_in": None if self.open_in is None else list(self.open_in),
        }


def say(restored: Restored, now: datetime, *, is_dry: bool, as_json: bool) -> None:
    """Write it to standard output."""
    if as_json:
        emit_json({"done": not is_dry, **restored.shape()})
        return
    emit(f"{'would restore' if is_dry else 'restored'} {printable(restored.text(now))}{_in_the_way(restored)}")


def _in_the_way(restored: Restored) -> str:
    if not restored.open_in:
        return ""
    named = f"pid {', '.join(map(str, restored.open_in))}"
    if restored.how == "new":
        return f"; what was removed is open in {named}, so not before that ends: see docs/disaster.md first"
    return f"; it is open in {named}, so only with --live"
