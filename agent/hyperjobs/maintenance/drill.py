"""The drill: the newest backup restored for real to a scratch file, proven, opened and read, and the time it took."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from hyperjobs.errors import BackupDamagedError, BackupNotFoundError
from hyperjobs.maintenance.backup.check import marked
from hyperjobs.maintenance.backup.manifest import manifest_of
from hyperjobs.maintenance.disk import disk_errors
from hyperjobs.maintenance.publish import publish
from hyperjobs.maintenance.restore.staging import staged
from hyperjobs.maintenance.scratch import private_folder
from hyperjobs.maintenance.task import Report
from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import Flavour
from hyperjobs.store.models import JobFilter
from hyperjobs.store.semantic import check_rows
from hyperjobs.store.sqlite import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.maintenance.backup.directory import BackupDirectory
    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName
    from hyperjobs.maintenance.task import Turn
    from hyperjobs.store.semantic import Findings

_PREFIX = ".hyperjobs-drill-"
_JOBS_READ = 100


class DrillTask:
    """Proves that the newest backup can be restored, by the very functions that a restore uses.

    A backup that is damaged counts no more and stops the rotation, for the older ones may be the good ones. Never opens
    the live store. The scratch file goes with the run; what a killed run left goes with the next.

    Args:
        store: path of the live store, for messages and the name of the scratch file.
        directory: of its backups.
        newest: its newest verified backup, or ``None``.
        distrust: told the name of a damaged backup and what is wrong with it.
        scratch: a directory with room for the store; the directory of backups by default, to spare the store's disk.
    """

    name = "drill"
    heeds_freeze = False

    def __init__(
        self,
        store: Path,
        directory: BackupDirectory,
        *,
        newest: Callable[[], BackupName | None],
        distrust: Callable[[BackupName, str], object],
        scratch: Path | None = None,
    ) -> None:
        self._store = store
        self._directory = directory
        self._newest = newest
        self._distrust = distrust
        self._scratch = scratch or directory.path

    def run(self, turn: Turn) -> Report:
        """Restore, prove and read once; ``rto_seconds`` ends when the restored store is open and its jobs are counted.

        Raises:
            BackupNotFoundError: there is no verified backup.
            BackupDamagedError: the backup is not what its manifest says, or cannot be used; the rotation stopped.
            StoreFullError: there is no room for the scratch file.
            HyperjobsError: it could not be done, or a stop came.
        """
        started_s = turn.clock.monotonic()
        name = self._newest()
        if name is None:
            raise BackupNotFoundError(
                f"{self._directory.path}: there is no verified backup of {self._store} to restore; "
                "take one with 'hyperjobs backup create'"
            )
        if turn.is_dry:
            manifest = manifest_of(self._directory.path, name)
            return Report(
                summary=f"would restore {name}, {manifest.jobs:,} jobs, to a scratch file in {self._scratch}",
                detail={"backup": str(name), "jobs": manifest.jobs, "bytes": manifest.database_bytes},
            )
        try:
            return self._restore(name, turn, started_s)
        except BackupDamagedError as exc:
            damage = marked(self._directory.path, name, exc, now=turn.now)
            self._distrust(name, str(damage))
            raise damage from exc

    def _restore(self, name: BackupName, turn: Turn, started_s: float) -> Report:
        with private_folder(self._scratch, _PREFIX) as folder:
            place = folder / "restored"  # staging locks what it makes its own folder in
            with disk_errors(place, "the drill failed"):
                place.mkdir(mode=0o700)
            target = place / self._store.name
            turn.progress("restore", 0, 3)
            with staged(self._directory.path, name, target, turn.keep_on, level="full") as (database, manifest):
                turn.progress("restore", 1, 3)
                publish(database, target)
            turn.keep_on()
            _use(target, manifest)
            rto_s = turn.clock.monotonic() - started_s
            turn.progress("restore", 2, 3)
            findings = _read(target, manifest, turn)
            turn.progress("restore", 3, 3)
        rpo_s = max((turn.now - datetime.fromisoformat(manifest.started_at)).total_seconds(), 0.0)
        return Report(
            summary=(
                f"{name}: {manifest.jobs:,} jobs restored, proven and read in {rto_s:,.1f} s; its data is {_age(rpo_s)} old"
            ),
            detail={
                "backup": str(name),
                "rto_seconds": round(rto_s, 3),
                "rpo_seconds": round(rpo_s, 3),
                "jobs": manifest.jobs,
                "bytes": manifest.database_bytes,
                "anomalies": findings.counts,
                "seconds": round(turn.clock.monotonic() - started_s, 3),
            },
        )


def _use(target: Path, manifest: Manifest) -> None:
    """Open the restored store as the library's users do, count its jobs and read the newest.

    Raises:
        BackupDamagedError: it does not give what the manifest promises.
    """
    with open_store(target, may_be_remote=True) as restored:  # ours alone, wherever the backups lie
        stats = restored.get_job_stats()
        if stats.total != manifest.jobs:
            raise BackupDamagedError(
                f"{manifest.name}: the restored store counts {stats.total} jobs where its manifest says {manifest.jobs}"
            )
        if restored.flavour is Flavour.HYPERSDK:
            read = len(restored.list_jobs(JobFilter(limit=_JOBS_READ)))
            if read != min(_JOBS_READ, manifest.jobs):
                raise BackupDamagedError(
                    f"{manifest.name}: the restored store lists {read} jobs of {manifest.jobs}; an index is damaged"
                )


def _read(target: Path, manifest: Manifest, turn: Turn) -> Findings:
    """Read every value; the digest proved them those of the source, so what is odd here was odd there."""
    connection = Connection(target, immutable=True, is_stopping=turn.is_stopping)
    try:
        return check_rows(connection, Flavour(manifest.flavour), now=turn.now, keep_on=turn.keep_on)
    finally:
        connection.close()


def _age(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.1f} h" if hours >= 1 else f"{seconds / 60:,.1f} min"
