"""How what was in a store is named when a backup takes its place."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from hyperjobs.maintenance.stamp import STAMP, parse_stamp, stamp

if TYPE_CHECKING:
    from datetime import datetime, timedelta

log = structlog.get_logger(__name__)

_STAMPED = re.compile(rf"{STAMP}(-\d{{1,6}})?", re.ASCII)
BESIDE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True, order=True)
class KeptStore:
    """What was in a store before a restore: its file, and what lay beside it.

    Attributes:
        at: of the restore.
        number: of those in one second.
    """

    at: datetime
    number: int
    file: Path

    def remove(self) -> int:
        """Delete it; the bytes that it took."""
        freed = 0
        for suffix in (*BESIDE, ""):
            path = self.file.with_name(self.file.name + suffix)
            try:
                size = path.lstat().st_size
                path.unlink()
            except FileNotFoundError:
                continue
            freed += size
        shutil.rmtree(self.file.with_name(f".{self.file.name}-litestream"), ignore_errors=True)
        return freed


def kept_stores(target: Path) -> list[KeptStore]:
    """What restores kept beside a store, oldest first; a second name of the store itself is none."""
    form = re.compile(re.escape(target.name) + rf"\.before-restore-({STAMP})(?:-(\d{{1,6}}))?", re.ASCII)
    found = []
    try:
        entries = list(os.scandir(target.parent))
    except OSError:
        return []
    for entry in entries:
        match = form.fullmatch(entry.name)
        try:
            if (
                match is None
                or not entry.is_file(follow_symlinks=False)
                or entry.stat(follow_symlinks=False).st_nlink > 1
            ):
                continue
        except FileNotFoundError:  # gone while we looked
            continue
        at = parse_stamp(match[1])
        if at is None:
            continue
        found.append(KeptStore(at, int(match[2] or 1), target.with_name(entry.name)))
    return sorted(found)


def expired_stores(target: Path, *, now: datetime, keep: timedelta) -> list[KeptStore]:
    """Those older than ``keep``; the newest always stays."""
    return [kept for kept in kept_stores(target)[:-1] if now - kept.at > keep]


def remove_expired(store: Path, *, now: datetime, keep: timedelta | None) -> dict[str, Any]:
    """Delete what restores replaced longer than ``keep`` ago; ``None`` is for ever. What cannot go is logged, and stays.

    Returns:
        For a run's detail: ``replaced_deleted``, names, and ``replaced_freed_bytes``; empty when nothing went.
    """
    gone, freed = [], 0
    for kept in [] if keep is None else expired_stores(Path(os.path.realpath(store)), now=now, keep=keep):
        try:
            freed += kept.remove()
        except OSError as exc:
            log.warning("backup.replaced_not_removed", path=str(kept.file), error=str(exc))
            continue
        gone.append(kept.file.name)
    return {"replaced_deleted": gone, "replaced_freed_bytes": freed} if gone else {}


def origin_of(kept: Path) -> Path | None:
    """The store whose place a restore gave to another, by the name that it has since; ``None`` for any other file."""
    name, _, rest = kept.name.rpartition(".before-restore-")
    return kept.with_name(name) if name and _STAMPED.fullmatch(rest) else None


def kept_name(target: Path, now: datetime) -> Path:
    """A name beside the store that nothing has: dated, and numbered when there were several in a second."""
    name = f"{target.name}.before-restore-{stamp(now)}"
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(path for path in map(target.with_name, names) if not os.path.lexists(path))
