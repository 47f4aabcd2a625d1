"""Putting a proven database in a store's place while nobody has the store open."""

from __future__ import annotations

import contextlib
import functools
import os
from typing import TYPE_CHECKING

from hyperjobs.errors import NotAJobStoreError, StoreBusyError, StoreDamagedError, StoreRefusedError
from hyperjobs.maintenance.backup.directory import sync_directory
from hyperjobs.maintenance.disk import disk_errors
from hyperjobs.maintenance.publish import journals_of, publish
from hyperjobs.maintenance.restore.kept import BESIDE, kept_name
from hyperjobs.store.connection import Connection
from hyperjobs.store.creation import give_to_writers, make_file
from hyperjobs.store.holder import described, openers_of, openers_of_removed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path


def put_store(database: Path, target: Path, *, now: datetime) -> Path | None:
    """Put a proven database where the store is to be, whether or not one is there; what there is of one is kept.

    Of a store that was removed a -wal can be left: SQLite would write it into whatever gets the store's name.

    Args:
        database: in the file system of ``target``; it has no other use afterwards.
        target: the store.
        now: for the name of what is kept.

    Returns:
        Where what was there is now; ``None`` when nothing was.

    Raises:
        StoreRefusedError: another process has the store open, or what is left of it, or the one that was removed, into
            which it would go on writing (reason ``in_use``); the message says which.
        StoreError: as for :func:`~hyperjobs.maintenance.publish.publish` and :func:`swap`.
    """
    if not os.path.lexists(target):
        refuse_removed(target)
        if not journals_of(target):
            publish(database, target, is_store=True)
            return None
        _refuse_openers(target)
        with disk_errors(target, "a restore failed; there is no store, as before"):
            make_file(target)
            with target.open("rb") as file:
                give_to_writers(file.fileno(), target.parent)
    return swap(database, target, now=now)


def swap(database: Path, target: Path, *, now: datetime) -> Path:
    """Put a proven database in the store's place; the old one is kept.

    The old store first becomes one whole file: its -wal is written back and removed by SQLite, under the lock that
    keeps everyone else out. Then one rename decides, so that at any moment the old or the new store is whole.

    Args:
        database: in the file system of ``target``; it has no other use afterwards.
        target: the store.
        now: for the name of what is kept.

    Returns:
        Where the old store is now.

    Raises:
        StoreRefusedError: another process has the store open; the message says which.
        StoreError: the disk did not do it. The store is as it was, unless only the last sync failed; then it is the
            new one, and the message says so.
    """
    kept = kept_name(target, now)
    with _alone(target):
        with disk_errors(target, "a restore failed; the store is as it was"), contextlib.ExitStack() as undo:
            take_after(database, target)
            back = functools.partial(_take_back, target, target.stat())
            os.link(target, kept)
            undo.callback(back, kept.unlink)  # or the store would keep two names, and nobody could open it
            moves = [(target.with_name(target.name + suffix), kept.with_name(kept.name + suffix)) for suffix in BESIDE]
            # Litestream would go on from what it remembers of the old file
            moves += [(target.with_name(f".{target.name}-litestream"), kept.with_name(f".{kept.name}-litestream"))]
            for source, place in moves:  # a -wal only of a store too damaged for SQLite to write it back
                with contextlib.suppress(FileNotFoundError):
                    source.rename(place)
                    undo.callback(back, place.rename, source)
            # the new store must not outlive a power cut that the name of the old one does not
            sync_directory(target.parent)
            _replace(database, target)
            undo.pop_all()
        with disk_errors(
            target, f"the store is the restored one, what was there is {kept}; a power cut now could undo that"
        ):
            sync_directory(target.parent)
    return kept


def _take_back(target: Path, old: os.stat_result, work: Callable[..., object], *arguments: object) -> None:
    """Undo a step while the store is still the old one; what cannot be undone is told by the error that made it needful.

    Once it is the new one, what was kept is all there is of the old one, and its -wal would spoil the new one.
    """
    with contextlib.suppress(OSError):
        if os.path.samestat(target.stat(), old):
            work(*arguments)


def _replace(database: Path, target: Path) -> None:
    """Rename; an error that came although it was done, as a network file system may answer, is none."""
    new = database.stat()
    try:
        database.replace(target)
    except OSError:
        if not os.path.samestat(target.stat(), new):
            raise


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Have the store to ourselves, without a -wal; a damaged one as it lies, when nobody has it open."""
    _refuse_openers(target)
    try:
        connection = Connection(target, busy_timeout_s=0.0)
    except (StoreDamagedError, NotAJobStoreError):
        yield
        return
    try:
        try:
            # Leaving WAL needs everyone else gone; it also writes the -wal back and removes it.
            is_alone = connection.value("PRAGMA journal_mode=DELETE") == "delete"
            connection.rows("BEGIN EXCLUSIVE")
            is_alone = is_alone and connection.value("PRAGMA journal_mode") == "delete"
        except StoreBusyError as exc:
            raise _refusal(target, str(exc.holder or "another process")) from exc
        except StoreDamagedError:
            is_alone = True
        _refuse_openers(target)
        if not is_alone:
            raise _refusal(target, "another process")
        yield
    finally:
        connection.rollback()
        connection.close()


def refuse_removed(target: Path) -> None:
    """Return unless another process has a store of this name open that was removed.

    It would write on into that one, unseen by all who open the new one, and what it has may be newer than any backup.

    Raises:
        StoreRefusedError: it is so (reason ``in_use``); the message says who, and what to do.
    """
    others = [pid for pid in openers_of_removed(target) if pid != os.getpid()]
    if others:
        raise StoreRefusedError(
            f"{target}: was removed while {', '.join(map(described, others))} had it open and writes on into it, newer "
            f"than any backup: copy it out of /proc/{others[0]}/fd as docs/disaster.md says, or stop that process to lose it",
            reason="in_use",
        )


def _refuse_openers(target: Path) -> None:
    others = [pid for pid in openers_of(target) if pid != os.getpid()]
    if others:
        raise _refusal(target, ", ".join(f"pid {pid}" for pid in others))


def _refusal(target: Path, who: str) -> StoreRefusedError:
    return StoreRefusedError(
        f"{target}: {who} has the store open; stop it first, or restore into the open store with --live",
        reason="in_use",
    )


def take_after(database: Path, target: Path) -> None:
    """Give the new file the old one's mode and, where the system lets us, owner; and sync it."""
    status = target.stat()
    descriptor = os.open(database, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        # The group alone can be given by any member of it, and a store that is shared by a group needs it.
        for owner in (-1, status.st_uid):
            with contextlib.suppress(PermissionError):
                os.fchown(descriptor, owner, status.st_gid)
        os.fchmod(descriptor, status.st_mode & 0o777)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
