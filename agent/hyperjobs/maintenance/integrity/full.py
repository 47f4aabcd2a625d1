"""The weekly check: the newest verified backup in full, or the live store where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperjobs.errors import BackupDamagedError
from hyperjobs.maintenance.backup.check import check
from hyperjobs.maintenance.backup.proof import verify
from hyperjobs.maintenance.integrity.live import LiveStore
from hyperjobs.maintenance.task import Report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.maintenance.backup.directory import BackupDirectory
    from hyperjobs.maintenance.backup.name import BackupName
    from hyperjobs.maintenance.integrity.live import Freeze, SetIntegrity
    from hyperjobs.maintenance.task import Turn


class FullTask:
    """``integrity_check``, hash and content of the newest verified backup: what the live store would be slowed by.

    A damaged backup counts no more and stops the rotation, for the older ones may be the good ones; the live store is left alone. Without
    any backup the live store itself is checked, and the report says so.

    Args:
        store: its path.
        directory: of its backups.
        newest: its newest verified backup, or ``None``.
        distrust: told the name of a damaged backup and what is wrong with it.
        freeze: see :class:`~hyperjobs.maintenance.integrity.live.LiveStore`; so is ``set_integrity``.
    """

    name = "integrity-full"
    heeds_freeze = False

    def __init__(  # noqa: PLR0913 - what is checked, and whom to tell
        self,
        store: Path,
        directory: BackupDirectory,
        *,
        newest: Callable[[], BackupName | None],
        distrust: Callable[[BackupName, str], object],
        freeze: Freeze,
        set_integrity: SetIntegrity,
    ) -> None:
        self._live = LiveStore(store, freeze=freeze, set_integrity=set_integrity)
        self._directory = directory
        self._newest = newest
        self._distrust = distrust

    def run(self, turn: Turn) -> Report:
        """Check once.

        Raises:
            BackupDamagedError: the backup is damaged, and the rotation stopped.
            StoreDamagedError: there was no backup; the live store is damaged, and frozen now.
            HyperjobsError: it cannot be looked at, or a stop came.
        """
        started_s = turn.clock.monotonic()
        name = self._newest()
        if name is None:
            return self._check_live(turn, started_s)
        turn.progress("backup", 0, 1)
        try:
            if turn.is_dry:
                manifest = verify(self._directory.path, name, turn.keep_on)
            else:
                manifest = check(self._directory.path, name, now=turn.now, keep_on=turn.keep_on)
        except BackupDamagedError as exc:
            if not turn.is_dry:
                self._distrust(name, str(exc))
            raise
        turn.progress("backup", 1, 1)
        return Report(
            summary=f"{name}: {manifest.jobs:,} jobs, whole and as its manifest says",
            detail={
                "checked": "backup",
                "backup": str(name),
                "jobs": manifest.jobs,
                "bytes": manifest.bytes,
                "seconds": round(turn.clock.monotonic() - started_s, 3),
            },
        )

    def _check_live(self, turn: Turn, started_s: float) -> Report:
        turn.progress("pages", 0, 1)
        whole = self._live.check(turn, "integrity_check")
        turn.progress("pages", 1, 1)
        return Report(
            summary=f"there is no verified backup, so the live store itself was checked: its pages are whole{whole.said_of_wal}",
            detail={
                "checked": "live",
                "masked_pages": whole.cover.frames,
                "rewritten_pages": whole.cover.written,
                "seconds": round(turn.clock.monotonic() - started_s, 3),
            },
        )
