"""What a -wal or a -journal still holds, taken into a private copy by SQLite itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from pathlib import Path


def settle_journals(path: Path) -> str:
    """Write back the -wal, or roll back by the -journal, that lies beside a private copy.

    Both are what the next program to open the store would do; it happens to the copy instead.

    Args:
        path: of the copy; nobody else knows of it.

    Returns:
        Why what they hold could not be had, for a person; empty when it was, or there was none.
    """
    beside = [path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-journal")]
    there = [each for each in beside if each.exists() and each.stat().st_size]
    if not there:
        return ""
    said = ""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW)
    try:
        db.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()  # no -shm for a file that is ours alone
        for work in (
            lambda: db.execute("PRAGMA schema_version").fetchall(),  # the first read rolls back, or finds the -wal
            lambda: db.wal_checkpoint("main", mode=apsw.SQLITE_CHECKPOINT_TRUNCATE),
        ):
            try:
                work()
            except apsw.Error as exc:
                said = str(exc)
    finally:
        db.close()
    left = [each for each in there if each.exists() and each.stat().st_size]
    return f"what {' and '.join(each.name.removeprefix(path.name) for each in left)} holds: {said}" if left else ""
