"""Rows that SQLite holds for sound and that cannot be: impossible times, words nobody knows, what breaks the Go reader.

SQLite itself sorts out the rows that are surely sound, in chunks of a few milliseconds: a snapshot held for all of
them would keep the -wal growing. What is left over, mostly nothing, is judged here value by value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import apsw

from hyperjobs.errors import StoreDamagedError
from hyperjobs.store.flavour import Flavour
from hyperjobs.store.verdict import COLUMNS, KINDS, TEXTS, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hyperjobs.store.connection import Connection

_MOST_ROWS: Final = 1000
"""Of one snapshot: 4 ms of work."""
_CHUNK_BYTES: Final = 1 << 20
_EXAMPLES: Final = 3
_LOWEST_ROWID: Final = -(2**63)
_WIDEST_ZONE: Final = timedelta(hours=15)
_DAY: Final = timedelta(days=1)

_D: Final = "[0-9]"
_TIME: Final = f"{_D * 4}-[01]{_D}-[0-3]{_D} [0-2]{_D}:[0-5]{_D}:[0-5]{_D}*[+-][01]{_D}:[0-5]{_D}"


@dataclass(slots=True)
class Findings:
    """What was found in the rows.

    Attributes:
        rows: looked at; beside writers one that is written meanwhile may be seen twice, or not.
        counts: kind of anomaly → rows; every kind is there, most of them with 0.
        examples: kind → a few ids, as they can be shown.
    """

    rows: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, chunk: _Chunk) -> None:
        """Count what was found in some rows."""
        self.rows += chunk.rows
        for job_id, kinds in chunk.odd:
            for kind in sorted(kinds):
                self.counts[kind] += 1
                shown = self.examples.setdefault(kind, [])
                if len(shown) < _EXAMPLES:
                    shown.append(job_id)

    @property
    def found(self) -> dict[str, int]:
        """The kinds that were found."""
        return {kind: rows for kind, rows in self.counts.items() if rows}


def check_rows(  # noqa: PLR0913 - all but the first three have a default
    connection: Connection,
    flavour: Flavour,
    *,
    now: datetime,
    keep_on: Callable[[], None] = lambda: None,
    progress: Callable[[int, int], object] = lambda _done, _all: None,
    rest: Callable[[float], object] = lambda _seconds: None,
    findings: Findings | None = None,
) -> Findings:
    """Look at every job; some 4 s for a million, in snapshots of a few milliseconds.

    Args:
        connection: to the store; reading is enough.
        flavour: which of the two job stores it is.
        now: what is more than a day after it is the future.
        keep_on: called with every chunk; what it raises ends the check.
        progress: called with the rows looked at and about how many there are.
        rest: called between two chunks with the seconds the last one took. Beside writers it should wait as long: while
            one snapshot follows the other at once, no checkpoint gets to the end of the -wal, and a writer whose -wal
            has more than 1,000 frames makes one, with its syncs, at every commit.
        findings: to add to, for one who wants what was found before a check is ended.

    Raises:
        StoreDamagedError: SQLite cannot read on.
    """
    findings = Findings() if findings is None else findings
    jobs, end = connection.rows("SELECT (SELECT count(*) FROM jobs),(SELECT max(rowid) FROM jobs)")[0]
    scan = _Scan(flavour, now, end)
    while True:
        began_s = connection.clock.monotonic()
        chunk = connection.read(scan.look)
        took_s = connection.clock.monotonic() - began_s
        if not chunk.rows:
            return findings
        if chunk.last <= scan.last:  # only in a table that is no tree any more: going on from here would never end
            raise StoreDamagedError(f"{connection.path}: the rows of jobs are out of order: the table is damaged")
        scan.go_on(chunk)
        findings.add(chunk)
        progress(findings.rows, max(jobs, findings.rows))
        keep_on()
        rest(took_s)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some rows: the last rowid, how many, how large their texts are, and the odd ones with what is odd about each."""

    last: int
    rows: int
    size_bytes: int = 0
    odd: tuple[tuple[str, frozenset[str]], ...] = ()


class _Scan:
    """Where the look at all rows is; ``end`` is the last rowid of when it began, for writers go on appending."""

    def __init__(self, flavour: Flavour, now: datetime, end: int) -> None:
        self.last = _LOWEST_ROWID
        self._most = _MOST_ROWS
        self._end = end
        self._verdict = Verdict(flavour, now)
        self._chunk_sql = _chunk_sql(flavour, now)
        self._rows_sql = _rows_sql(flavour)

    def look(self, db: apsw.Connection) -> _Chunk:
        """What is odd in the next rows, in the caller's snapshot."""
        suspects: Any
        try:
            found: Any = db.execute(self._chunk_sql, (self.last, self._end, self._most)).fetchall()[0]
            texts, suspects, last, rows = found
        except apsw.TooBigError:  # the texts of these rows are longer than SQLite lets one value be
            found = db.execute("SELECT min(rowid) FROM jobs WHERE rowid>?", (self.last,)).fetchall()
            texts, suspects, last, rows = b"", found[0][0], found[0][0], 1
        if not rows:
            return _Chunk(self.last, 0)
        if not _is_clean(texts):
            condition = f"rowid>{self.last} AND rowid<={last}"
        elif suspects is not None:
            condition = f"rowid IN ({suspects})"
        else:
            return _Chunk(last, rows, len(texts))
        verdicts = map(self._verdict.of, db.execute(self._rows_sql.format(condition)))
        return _Chunk(last, rows, len(texts), tuple(verdict for verdict in verdicts if verdict[1]))

    def go_on(self, chunk: _Chunk) -> None:
        """Let the next look be at what follows, of about as many bytes as one look should be."""
        self.last = chunk.last
        self._most = max(1, min(_MOST_ROWS, _CHUNK_BYTES * chunk.rows // max(chunk.size_bytes, 1)))


def _is_clean(texts: bytes) -> bool:
    """Whether all of it is text without a NUL."""
    if b"\0" in texts:
        return False
    try:
        texts.decode()
    except UnicodeDecodeError:
        return False
    return True


def _rows_sql(flavour: Flavour) -> str:
    """SQL for every value, text as bytes, and its type, of the rows that a condition names."""
    pairs = ",".join(
        f"CASE typeof({c}) WHEN 'text' THEN CAST({c} AS BLOB) ELSE {c} END,typeof({c})" for c in COLUMNS[flavour]
    )
    return f"SELECT {pairs} FROM jobs WHERE {{}}"  # noqa: S608 - our own columns


def _chunk_sql(flavour: Flavour, now: datetime) -> str:
    """SQL for all texts of some rows as one, and the rowids of those that are not surely sound."""
    texts = ",".join(TEXTS[flavour])
    # The zone of a time is not looked at here: what could be too late in any zone is left to the verdict.
    latest = f"{now + _DAY - _WIDEST_ZONE:%Y-%m-%d %H:%M}"
    sound = [
        "status IN ('pending','running','completed','failed','cancelled')",
        *(f"typeof({name})='text'" for name in TEXTS[flavour] if not name.endswith("_json")),
        _time("created_at", latest),
        "created_at>'1970-01-02'",
        "substr(created_at,-5)<='14:00'",
        f"(started_at IS NULL OR {_time('started_at', latest)} AND {_follows('created_at', 'started_at')})",
        f"(completed_at IS NULL OR {_time('completed_at', latest)} AND {_follows('started_at', 'completed_at')})",
    ]
    if flavour is Flavour.HYPERSDK:
        sound += [
            "typeof(progress) IN ('real','integer') AND progress BETWEEN 0 AND 100",
            "typeof(total_size)='integer' AND total_size>=0",
            "typeof(files_count)='integer' AND files_count>=0",
            # CASE: beside AND, SQLite may run both halves, and json_type fails on what is no JSON
            "CASE WHEN metadata='null' THEN 1 WHEN json_valid(metadata) THEN json_type(metadata)='object' END",
        ]
    else:
        sound += [
            f"({name} IS NULL OR {name}='' OR typeof({name})='text' AND json_valid({name}))"
            for name in TEXTS[flavour]
            if name.endswith("_json")
        ]
    rows = (
        f"SELECT rowid AS at,concat({texts}) AS texts,({' AND '.join(sound)}) AS sound "  # noqa: S608 - our own columns
        "FROM jobs WHERE rowid>? AND rowid<=? ORDER BY rowid LIMIT ?"
    )
    return (
        "SELECT CAST(group_concat(texts) AS BLOB),group_concat(CASE WHEN sound THEN NULL ELSE at END),max(at),count(*) "  # noqa: S608 - as above
        f"FROM ({rows})"
    )


def _time(name: str, latest: str) -> str:
    """SQL for a time in the form that writers use: digits by GLOB, the month and the like by SQLite's own parser.

    That takes the 31st of any month, the hour 24, and blanks before the zone, which the verdict has to see.
    """
    return (
        f"{name} GLOB '{_TIME}' AND julianday({name}) IS NOT NULL AND {name}<'{latest}' AND substr({name},12,2)<'24' "
        f"AND (substr({name},9,2)<'29' OR date(substr({name},1,10)) IS substr({name},1,10)) "
        f"AND instr(substr({name},20),' ')=0"
    )


def _follows(earlier: str, later: str) -> str:
    """SQL for two times in order: as texts in one zone, which is then as good as that of the earlier; else as instants.

    SQLite rounds those to milliseconds: what is greater then was greater before.
    """
    return (
        f"(substr({later},-6)=substr({earlier},-6) AND {later}>={earlier} "
        f"OR substr({later},-5)<='14:00' AND julianday({later})>julianday({earlier}))"
    )
