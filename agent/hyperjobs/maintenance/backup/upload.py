"""Bringing a backup that is safe here to the other places where backups are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperjobs.errors import BackupUploadError, HyperjobsError, StoreInterruptedError
from hyperjobs.maintenance.backup.destination.rotation import rotate_destination

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hyperjobs.maintenance.backup.destination.protocol import Destination
    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName
    from hyperjobs.maintenance.task import Turn


def upload(  # noqa: PLR0913 - what is brought, where to, and what stays there
    destinations: Sequence[Destination],
    directory: Path,
    name: BackupName,
    turn: Turn,
    *,
    detail: dict[str, Any],
    keep: Callable[[list[Manifest]], set[str]] | None = None,
    minimum: int = 1,
    source: Path | None = None,
) -> None:
    """Bring a backup to each destination; the failure of one keeps none of the others from it.

    Args:
        destinations: in their order.
        directory: where the backup is.
        name: of the backup.
        turn: the run; a stop ends it, also in the middle of a file.
        detail: of the run; gets ``destinations``, each name with ``ok`` or what failed.
        keep: given the manifests of a destination, the names that stay there; ``None`` deletes nothing.
        minimum: so many verified ones stay there at least.
        source: path of the store; backups of others there are not looked at.

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
            if keep is not None:
                rotate_destination(destination, keep, minimum, turn.keep_on, source=source)
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
