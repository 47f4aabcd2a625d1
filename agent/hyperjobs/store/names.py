"""What a store holds by name, for the completion of a command line: ids, providers, indexes.

A person waits for each answer with a finger on the Tab key, so the looks are few and bounded, and what cannot be had at
once is left out. Nothing is written and no file appears: where no process has the store open, and SQLite would make
a -shm for the first reader, the main file is read as it lies. Then what a -wal holds is not seen, nor is a writer that
begins meanwhile, and an answer that makes no sense is an error like any other.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import apsw

from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.mount import network_filesystem
from hyperjobs.store.pins import TABLE as PINS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MOST: Final = 50
_LOOKED_AT: Final = 4_000
"""So many rows at most are looked at in each of the ways: some milliseconds."""
_BUSY_MS: Final = 50

_NEWEST: Final = f"SELECT id, status FROM jobs ORDER BY created_at DESC LIMIT {_LOOKED_AT}"  # noqa: S608 - ours
_OF_STATUS: Final = f"SELECT id, status FROM jobs WHERE status=? ORDER BY rowid DESC LIMIT {_LOOKED_AT}"  # noqa: S608 - ours
_BY_ID: Final = f"SELECT id, status FROM jobs WHERE id>=? AND id<? ORDER BY id DESC LIMIT {_LOOKED_AT}"  # noqa: S608 - ours
_AFTER_LAST: Final = "\U0010ffff"


def job_ids(path: Path, prefix: str, statuses: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The ids of jobs and their statuses, newest first as far as that is quickly told.

    Args:
        path: of the store.
        prefix: of the ids; may be empty.
        statuses: only of jobs in one of these; all when empty.

    Raises:
        apsw.Error: the store cannot be read now.
        OSError: it cannot be looked at.
    """
    # an old job is not among the newest, and a rare status is not either, but both have an index
    ways: list[tuple[str, tuple[str, ...]]] = [(_NEWEST, ())]
    ways += [(_OF_STATUS, (status,)) for status in statuses]
    ways += [(_BY_ID, (prefix, prefix + _AFTER_LAST))] if prefix else []
    found: dict[str, str] = {}
    with _reading(path) as db:
        for sql, values in ways:
            for row in db.execute(f"SELECT CAST(id AS BLOB), status FROM ({sql})", values):  # noqa: S608 - ours
                job_id, status = _text(row[0]), row[1]
                if job_id.startswith(prefix) and (not statuses or status in statuses):
                    found.setdefault(job_id, str(status))
                if len(found) >= MOST:
                    return list(found.items())
    return list(found.items())


def pinned_ids(path: Path, prefix: str) -> list[str]:
    """The ids of pinned jobs, newest pin first. Errors are those of :func:`job_ids`."""
    with _reading(path) as db:
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name=?", (PINS,)).fetchall():
            return []
        rows = db.execute(f"SELECT CAST(job_id AS BLOB) FROM {PINS} ORDER BY at DESC LIMIT {_LOOKED_AT}")  # noqa: S608 - ours
        return [text for (value,) in rows if (text := _text(value)).startswith(prefix)][:MOST]


def column_values(path: Path, column: str, prefix: str) -> list[str]:
    """The different values of an indexed column, in order: from each to the next by the index, so at any size.

    Args:
        path: of the store.
        column: ``provider``, ``user`` or ``vm_name``.
        prefix: of the values; may be empty.

    Raises:
        ValueError: it is no column of jobs.
        apsw.Error: the store cannot be read now.
        OSError: it cannot be looked at.
    """
    if column not in COLUMNS:
        raise ValueError(f"{column!r} is no column of jobs")
    found: list[str] = []
    with _reading(path) as db:
        last, comparison = prefix, ">="
        while len(found) < MOST:
            sql = f'SELECT min("{column}") FROM jobs WHERE "{column}" {comparison} ?'  # noqa: S608 - ours
            value = db.execute(sql, (last,)).fetchall()[0][0]
            if not isinstance(value, str) or not value.startswith(prefix):
                break
            found.append(value)
            last, comparison = value, ">"
    return found


def index_names(path: Path) -> list[str]:
    """The indexes of the store that have a name of their own, those of hypersdk first. Errors as of :func:`job_ids`."""
    with _reading(path) as db:
        rows = db.execute("SELECT name FROM sqlite_schema WHERE type='index' AND sql IS NOT NULL ORDER BY rowid")
        return [str(name) for (name,) in rows]


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[apsw.Connection]:
    real = os.path.realpath(path)
    if not stat.S_ISREG(os.stat(real).st_mode):  # noqa: PTH116 - beside realpath
        raise OSError(f"{real}: no file")
    if network_filesystem(type(path)(real)) is not None:
        raise OSError(f"{real}: a server that is slow or gone would be waited for")
    how = "mode=ro" if os.path.exists(f"{real}-shm") else "mode=ro&immutable=1"  # noqa: PTH110 - as above
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    db: Any = apsw.Connection(f"file:{quote(real)}?{how}", flags=flags)
    try:
        db.set_busy_timeout(_BUSY_MS)
        db.execute("PRAGMA trusted_schema=0")
        yield db
    finally:
        db.close()


def _text(value: object) -> str:
    """An id as text; one that is none is empty, which nobody can be offered."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return ""
    return ""
