"""What every destination of backups can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.name import BackupName


def go_on() -> None:
    """A ``keep_on`` that never says stop."""


class Destination(Protocol):
    """A place for copies of backups: a directory, or a bucket.

    ``keep_on`` is asked many times a second; what it raises ends the work, and leaves nothing that is listed and not
    whole. Whatever the destination itself is to blame for is a
    :class:`~hyperjobs.errors.DestinationError`, a :class:`~hyperjobs.errors.StoreFullError` when it is full, and a
    :class:`~hyperjobs.errors.BackupDamagedError` when a backup there is not as it was put.

    Attributes:
        name: a short word of the configuration, used as a metric label.
        place: where it is, for a person: a path, or ``s3://bucket/prefix``.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class

    @property
    def place(self) -> str: ...  # noqa: D102 - see the class

    def sizes(self, keep_on: Callable[[], None] = go_on) -> dict[BackupName, int]:
        """The backups there, each with the bytes of its file as the destination counts them."""
        ...

    def names(self, keep_on: Callable[[], None] = go_on) -> list[BackupName]:
        """The backups there, oldest first."""
        ...

    def failed(self, keep_on: Callable[[], None] = go_on) -> set[BackupName]:
        """Those that carry a mark of having failed a proof there, and so count for nothing."""
        ...

    def manifest(self, name: BackupName, keep_on: Callable[[], None] = go_on) -> Manifest:
        """The manifest of one backup there.

        Raises:
            BackupDamagedError: there is none, or it is of another backup.
        """
        ...

    def put(self, directory: Path, name: BackupName, keep_on: Callable[[], None] = go_on) -> None:
        """Copy a backup of a local directory there and read it back; only then is it listed.

        Putting what is there already proves that it is there whole. What earlier puts of this directory left half
        done, because their process was killed, is cleared first.

        Raises:
            StoreRefusedError: another backup has this name there; it is left alone.
            BackupDamagedError: the local backup is not as its manifest says.
            BackupRunningError: another one is at work.
        """
        ...

    def clear(self, directory: Path, keep_on: Callable[[], None] = go_on) -> None:
        """Clear what earlier puts of this directory left half done; every put does so first.

        Raises:
            BackupRunningError: another one is at work.
        """
        ...

    def verify(self, name: BackupName, keep_on: Callable[[], None] = go_on) -> Manifest:
        """Read a backup back in full and compare size and hash with its manifest.

        Raises:
            BackupDamagedError: they differ.
        """
        ...

    def prove(self, name: BackupName, keep_on: Callable[[], None] = go_on, *, scratch: Path | None = None) -> Manifest:
        """Prove a backup as :func:`~hyperjobs.maintenance.backup.proof.verify` does: its bytes, its pages, its jobs.

        Args:
            name: which.
            keep_on: as everywhere.
            scratch: a directory with room for it; the system's for temporary files when ``None``.

        Raises:
            BackupDamagedError: it is not what its manifest says.
        """
        ...

    def fetch(self, name: BackupName, into: Path, keep_on: Callable[[], None] = go_on) -> Manifest:
        """Bring a backup into a local directory of backups, which is made when it is missing.

        What is there under its name already is compared and kept.

        Raises:
            BackupDamagedError: what came is not what its manifest says; nothing of it stays.
            StoreFullError: there is no room for it.
        """
        ...

    def delete(self, name: BackupName, keep_on: Callable[[], None] = go_on) -> None:
        """Delete a backup there; nothing happens when it is not there.

        The file goes before its manifest: a manifest without a file is never listed, and never the sign of a put
        under way, so whoever finds one may clear it.
        """
        ...

    def room(self) -> int | None:
        """Bytes that are free there; ``None`` when nobody can say."""
        ...
