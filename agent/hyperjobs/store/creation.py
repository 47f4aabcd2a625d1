"""A new store, as hypersdk's own client would lay it out."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from hyperjobs.errors import StoreError, StoreNotFoundError, StorePermissionError

if TYPE_CHECKING:
    import apsw

    from hyperjobs.store.connection import Connection

_MODE = 0o640
"""Jobs name machines and people; the umask can take more away."""


def make_file(path: str | os.PathLike[str]) -> None:
    """Make an empty file for a store, unless there is one already.

    Raises:
        StoreNotFoundError: its directory is missing.
        StorePermissionError: the directory cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        # exclusive, so the descriptor closed here can be no one's open database
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE))
    except FileExistsError:
        return
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise StoreNotFoundError(f"{target}: there is no directory {target.parent}; make it first") from exc
    except PermissionError as exc:
        raise StorePermissionError(f"{target}: we may not write in {target.parent}; run as its owner") from exc
    except OSError as exc:
        raise StoreError(f"{target}: the file cannot be made: {exc.strerror}") from exc


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
