"""Bringing a backup that is safe here to the other places where backups are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperjobs.errors import BackupUploadError, HyperjobsError, StoreInterruptedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hyperjobs.maintenance.backup.destination.protocol import Destination
    from hyperjobs.maintenance.backup.name import BackupName
    from hyperjobs.maintenance.task import Turn


def upload(
    destinations: Sequence[Destination], directory: Path, name: BackupName, turn: Turn, *, detail: dict[str, Any]
) -> None:
    """Bring a backup to each destination; the failure of one keeps none of the others from it.

    Args:
        destinations: in their order.
        directory: where the backup is.
        name: of the backup.
        turn: the run; a stop ends it, also in the middle of a file.
        detail: of the run; gets ``destinations``, each name with ``ok`` or what failed.

    Raises:
        BackupUploadError: it is not at every destination; it carries the detail.
        StoreInterruptedError: a stop came.
    """
    outcomes: dict[str, str] = {}
    detail["destinations"] = outcomes
    for number, destination in enumerate(destinations):
        turn.progress(f"to {destination.name}", number, len(destinations))
        turn.keep_on()
        try:
            destination.put(directory, name, turn.keep_on)
            outcomes[destination.name] = "ok"
        except StoreInterruptedError:
            raise
        except HyperjobsError as exc:
            outcomes[destination.name] = str(exc)
    failed = {where: said for where, said in outcomes.items() if said != "ok"}
    if failed:
        raise BackupUploadError(
            f"{name} is safe in {directory}, and not at " + "; ".join(f"{at}: {said}" for at, said in failed.items()),
            detail=detail,
        )
