"""Bringing a backup that is safe here to the other places where backups are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperjobs.errors import BackupUploadError, HyperjobsError, StoreInterruptedError
from hyperjobs.maintenance.backup.destination.facts import read_facts
from hyperjobs.maintenance.backup.destination.rotation import rotate_destination

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hyperjobs.maintenance.backup.destination.protocol import Destination
    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName
    from hyperjobs.maintenance.task import Turn


def upload(  # noqa: PLR0913 - what is brought, where to, and what stays there
    destinations: Mapping[str, Callable[[], Destination]],
    directory: Path,
    name: BackupName,
    turn: Turn,
    *,
    detail: dict[str, Any],
    keep: Callable[[list[Manifest]], set[str]] | None = None,
    minimum: int = 1,
    source: Path | None = None,
    host: str = "",
) -> None:
    """Bring a backup to each destination; the failure of one keeps none of the others from it.

    Args:
        destinations: by name how each is opened, in their order.
        directory: where the backup is.
        name: of the backup.
        turn: the run; a stop ends it, also in the middle of a file.
        detail: of the run; gets ``destinations``, each name with ``ok`` or what failed, and ``destination_facts``, what
            each that took the backup holds now.
        keep: given the manifests of a destination, the names that stay there; ``None`` deletes nothing.
        minimum: so many verified ones stay there at least.
        source: path of the store; backups of others there are not looked at.
        host: what this machine is called in backups; another's there are left alone.

    Raises:
        BackupUploadError: it is not at every destination; it carries the detail.
        StoreInterruptedError: a stop came.
    """
    outcomes: dict[str, str] = {}
    detail["destinations"] = outcomes
    found: list[dict[str, Any]] = []
    detail["destination_facts"] = found
    for number, (where, open_it) in enumerate(destinations.items()):
        turn.progress(f"to {where}", number, len(destinations))
        turn.keep_on()
        taken: Destination | None = None
        try:
            destination = open_it()  # a key that cannot be read is a failure like any other
            destination.put(directory, name, turn.keep_on)
            taken = destination
            if keep is not None:
                rotate_destination(destination, keep, minimum, turn.keep_on, source=source, host=host)
            outcomes[where] = "ok"
        except StoreInterruptedError:
            raise
        except HyperjobsError as exc:
            outcomes[where] = str(exc)
        if taken is not None:
            found += _facts(taken, source, turn)
    failed = {where: said for where, said in outcomes.items() if said != "ok"}
    if failed:
        raise BackupUploadError(
            f"{name} is safe in {directory}, and not at " + "; ".join(f"{at}: {said}" for at, said in failed.items()),
            detail=detail,
        )


def _facts(destination: Destination, source: Path | None, turn: Turn) -> list[dict[str, Any]]:
    """What a destination holds, as JSON; nothing when it does not tell: that it has the backup is known all the same."""
    try:
        facts = read_facts(destination, turn.keep_on, source=source)
    except StoreInterruptedError:
        raise
    except HyperjobsError:
        return []
    return [
        {
            "name": facts.name,
            "verified": facts.verified,
            "unverified": facts.unverified,
            "failed": facts.failed,
            "damaged": facts.damaged,
            "newest_at_s": None if facts.newest_at is None else facts.newest_at.timestamp(),
        }
    ]
