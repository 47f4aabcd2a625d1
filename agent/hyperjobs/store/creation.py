"""A new store, as hypersdk's own client would lay it out."""

from __future__ import annotations

import os
import stat
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from hyperjobs.errors import StoreError, StoreNotFoundError, StorePermissionError

if TYPE_CHECKING:
    import apsw

    from hyperjobs.store.connection import Connection

_MODE = 0o640
"""Jobs name machines and people; the umask can take more away."""
_SHARED_MODE = 0o660
_SHARED_DIRECTORY = stat.S_ISGID | stat.S_IWGRP


def make_file(path: str | os.PathLike[str]) -> None:
    """Make an empty file for a store, unless there is one already; in a directory shared by a group, one for the group.

    Raises:
        StoreNotFoundError: its directory is missing.
        StorePermissionError: the directory cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        mode = _SHARED_MODE if is_shared(target.parent) else _MODE
        # exclusive, so the descriptor closed here can be no one's open database
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
    except FileExistsError:
        return
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise StoreNotFoundError(f"{target}: there is no directory {target.parent}; make it first") from exc
    except PermissionError as exc:
        raise StorePermissionError(f"{target}: we may not write in {target.parent}; run as its owner") from exc
    except OSError as exc:
        raise StoreError(f"{target}: the file cannot be made: {exc.strerror}") from exc


def is_shared(directory: Path) -> bool:
    """Whether a group shares what is in this directory: it is setgid, and the group may write to it."""
    return directory.stat().st_mode & _SHARED_DIRECTORY == _SHARED_DIRECTORY


def give_to_writers(descriptor: int, directory: Path) -> None:
    """Give a file that becomes the store of this directory to those who write there.

    In a directory that a group shares, the group may write it. What root makes is the directory's owner's, for whose
    programs it is meant.
    """
    if is_shared(directory):
        os.fchmod(descriptor, _SHARED_MODE)
    if os.geteuid() == 0:
        owner = directory.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def lay_out(connection: Connection) -> None:
    """Create hypersdk's table and indexes in an empty database; does nothing when another was quicker."""
    # both must stand before the first table: https://sqlite.org/pragma.html#pragma_auto_vacuum
    connection.rows("PRAGMA auto_vacuum=INCREMENTAL")
    connection.rows("PRAGMA journal_mode=WAL")
    script = resources.files("hyperjobs.store").joinpath("schema.sql").read_text(encoding="utf-8")

    def work(db: apsw.Connection) -> None:
        if not db.execute("SELECT 1 FROM sqlite_schema").fetchall():
            for statement in script.split(";\n"):
                db.execute(statement)

    connection.write(work)
