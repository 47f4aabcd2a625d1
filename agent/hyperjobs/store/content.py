"""What a copy of a store must hold: how many jobs, and a digest of every value of every one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import apsw

_MODULUS = 2**256
_ROWS_A_LOOK = 2000


@dataclass(frozen=True, slots=True)
class Content:
    """The jobs of one snapshot.

    Attributes:
        jobs: rows of the table.
        digest: 64 hex digits, equal for equal rows in whatever order they lie in the file.
    """

    jobs: int
    digest: str


def read_content(db: apsw.Connection, keep_on: Callable[[], None] = lambda: None) -> Content:
    """Read every job in the caller's snapshot; some 4 s for a million.

    The digest is the sum of the rows' BLAKE2b, so that a VACUUM, which may number rows anew, does not change it. Each
    value goes in with its type, text as its bytes: what is no UTF-8, or holds a NUL, is digested whole.

    Args:
        db: in a transaction, or of a file that nobody writes to.
        keep_on: called every few thousand rows; what it raises ends the reading.
    """
    names = columns(db)
    total = jobs = 0
    for (row,) in db.execute(f"SELECT {row_sql(names)} FROM jobs"):  # noqa: S608 - quoted names
        total += int.from_bytes(hashlib.blake2b(row.encode("ascii"), digest_size=32).digest())
        jobs += 1
        if jobs % _ROWS_A_LOOK == 0:
            keep_on()
    head = hashlib.blake2b("\n".join(names).encode(), digest_size=32).digest()
    return Content(jobs, f"{(total + int.from_bytes(head)) % _MODULUS:064x}")


def columns(db: apsw.Connection) -> list[str]:
    """The columns of the jobs table, in the order of their names."""
    return sorted(str(row[0]) for row in db.execute("SELECT name FROM pragma_table_info('jobs')"))


def row_sql(names: list[str]) -> str:
    """SQL for all values of a row as one ASCII text, equal for equal rows alone."""
    return "||','||".join(map(_cell, names))


def _cell(name: str) -> str:
    """SQL for one value as ASCII; ``quote`` alone would end a text at its first NUL."""
    column = '"' + name.replace('"', '""') + '"'
    return (
        f"CASE typeof({column}) WHEN 'text' THEN 't'||hex({column}) WHEN 'blob' THEN 'b'||hex({column}) "
        f"ELSE quote({column}) END"
    )
