"""What a copy of a store must hold: how many jobs, and a digest of every value of every one."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import apsw

from hyperjobs.errors import StoreDamagedError

if TYPE_CHECKING:
    from collections.abc import Callable

_MODULUS: Final = 2**256
_LOWEST_ROWID: Final = -(2**63)
_MOST_ROWS: Final = 2000
"""Read at once: some milliseconds, so that a stop is soon obeyed."""
_CHUNK_BYTES: Final = 1 << 20
"""What a chunk should be at most: rows that hold megabytes are read a few at once."""

_Chunk = tuple[bytes, int, int]
"""The rows as lines, the last rowid, and how many."""


@dataclass(frozen=True, slots=True)
class Content:
    """The jobs of one snapshot.

    Attributes:
        jobs: rows of the table.
        digest: 64 hex digits, equal for equal rows in whatever order they lie in the file; empty when the rows were
            only counted.
    """

    jobs: int
    digest: str


def count_content(db: apsw.Connection) -> Content:
    """Count the jobs in the caller's snapshot, and read none of them."""
    return Content(int(db.execute("SELECT count(*) FROM jobs").fetchall()[0][0]), "")  # type: ignore[arg-type]


def read_content(db: apsw.Connection, keep_on: Callable[[], None] = lambda: None) -> Content:
    """Read every job in the caller's snapshot; some 2.5 s for a million.

    The digest is the sum of the rows' BLAKE2b, so that a VACUUM, which may number rows anew, does not change it. Each
    value goes in with its type, text as its bytes: what is no UTF-8, or holds a NUL, is digested whole.

    The lines of one chunk are hashed in a thread of their own while SQLite, which needs no Python, makes the next:
    the two take about as long.

    Args:
        db: in a transaction, or of a file that nobody writes to.
        keep_on: called with every chunk; what it raises ends the reading.
    """
    names = columns(db)
    rows = f"SELECT rowid AS at,{row_sql(names)} AS line FROM jobs WHERE rowid>? ORDER BY rowid LIMIT ?"  # noqa: S608 - quoted names
    # no line has a line feed in it, and none is empty
    sql = f"SELECT CAST(group_concat(line,char(10)) AS BLOB),max(at),count(*) FROM ({rows})"  # noqa: S608 - as above
    total = jobs = 0
    last, most = _LOWEST_ROWID, _MOST_ROWS
    with ThreadPoolExecutor(1, "hyperjobs-digest") as hasher:
        behind = hasher.submit(_sum, b"")
        while True:
            lines, last, count = _read_chunk(db, sql, last, most)
            total += behind.result()
            if not count:
                break
            behind = hasher.submit(_sum, lines)
            most = max(1, min(_MOST_ROWS, _CHUNK_BYTES * count // len(lines)))
            jobs += count
            keep_on()
    head = hashlib.blake2b("\n".join(names).encode(), digest_size=32).digest()
    return Content(jobs, f"{(total + int.from_bytes(head)) % _MODULUS:064x}")


def _read_chunk(db: apsw.Connection, sql: str, after: int, most: int) -> _Chunk:
    try:
        found: Any = db.execute(sql, (after, most)).fetchall()
    except apsw.TooBigError:
        if most == 1:
            raise
        return _read_chunk(db, sql, after, 1)
    lines, last, count = found[0]
    if not count:
        return b"", after, 0
    if last <= after:  # only in a table that is no tree any more: going on from here would never end
        raise StoreDamagedError("the rows of jobs are out of order: the table is damaged")
    return lines, last, count


def _sum(lines: bytes) -> int:
    return sum(int.from_bytes(hashlib.blake2b(line, digest_size=32).digest()) for line in lines.split(b"\n") if line)


def columns(db: apsw.Connection) -> list[str]:
    """The columns of the jobs table, in the order of their names."""
    return sorted(str(row[0]) for row in db.execute("SELECT name FROM pragma_table_info('jobs')"))


def row_sql(names: list[str]) -> str:
    """SQL for all values of a row as one ASCII text, equal for equal rows alone."""
    return f"concat_ws(',',{','.join(map(_cell, names))})"


def _cell(name: str) -> str:
    """SQL for one value as ASCII; ``quote`` alone would end a text at its first NUL."""
    column = '"' + name.replace('"', '""') + '"'
    return (
        f"CASE typeof({column}) WHEN 'text' THEN 't'||hex({column}) WHEN 'blob' THEN 'b'||hex({column}) "
        f"ELSE quote({column}) END"
    )
