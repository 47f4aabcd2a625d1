"""An independent model of the ledger, operations to try it with, and the machine that compares the two.

Three kinds of writer, each in a process of its own, do random operations on one store; after each, the model says from
the tables before and after what must have been counted.
"""

# ruff: noqa: S608, FBT003 - the operations are SQL made of our own words, and tuples

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st

from hyperjobs.store.connection import Connection
from hyperjobs.store.due import Rule
from hyperjobs.store.ledger import tally
from hyperjobs.store.ledger.install import uninstall
from hyperjobs.store.pruning import Keeping, Pruning
from hyperjobs.store.retention import Retention
from hyperjobs.testing import FakeClock
from support.ledgers import Kept, make_store
from support.writers import Table, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from random import Random

_IDS = ["a", "b", "c", "d"]
_PROVIDERS = ["vsphere", "aws"]
_STATUSES = ["pending", "running", "completed", "failed", "cancelled", "odd"]
_FINISHED = {"completed", "failed", "cancelled"}
_STARTS = [None, "2026-01-01 10:00:00+00:00", "2026-01-01 12:30:00.5+05:30", "nonsense"]
_ENDS = [None, "2026-01-01 11:00:00+00:00", "2025-12-31 23:00:00-09:30", "2026-01-01 09:00:00+00:00", "nonsense"]
_CREATED = "2026-01-01 09:00:00+00:00"


_LAST_END = int(datetime.fromisoformat("2026-01-02 00:00:00+00:00").timestamp()) // 3600


def _quote(value: Any) -> str:
    return "NULL" if value is None else str(value) if isinstance(value, int) else f"'{value}'"


_row = st.fixed_dictionaries({
    "id": st.sampled_from(_IDS), "p": st.sampled_from(_PROVIDERS), "s": st.sampled_from(_STATUSES),
    "a": st.sampled_from(_STARTS), "c": st.sampled_from(_ENDS), "z": st.integers(0, 5), "f": st.integers(0, 2),
})  # fmt: skip
_id = st.sampled_from(_IDS)
_column = st.one_of(
    st.tuples(st.just("status"), st.sampled_from(_STATUSES)),
    st.tuples(st.just("provider"), st.sampled_from(_PROVIDERS)),
    st.tuples(st.just("started_at"), st.sampled_from(_STARTS)),
    st.tuples(st.just("completed_at"), st.sampled_from(_ENDS)),
    st.tuples(st.just("total_size"), st.integers(0, 9)),
    st.tuples(st.just("progress"), st.integers(0, 100)),
)


def _values(row: dict[str, Any]) -> str:
    columns = (
        row["id"],
        "n",
        "v",
        "/v",
        row["p"],
        "/o",
        row["s"],
        _CREATED,
        row["a"],
        row["c"],
        0,
        "",
        "null",
        "",
        row["z"],
        row["f"],
    )
    return f"({','.join(map(_quote, columns))})"


_COLUMNS = "(id,name,vm_name,vm_path,provider,output_dir,status,created_at,started_at,completed_at,progress,error,metadata,user,total_size,files_count)"
_insert = st.builds(
    lambda verb, rows, tail: f"{verb} INTO jobs{_COLUMNS} VALUES {','.join(map(_values, rows))}{tail}",
    st.sampled_from(
        ["INSERT", "INSERT OR REPLACE", "INSERT OR REPLACE", "INSERT OR IGNORE", "INSERT OR FAIL", "INSERT OR ABORT"]
    ),
    st.lists(_row, min_size=1, max_size=3, unique_by=lambda row: row["id"]),
    st.sampled_from(
        [
            "",
            "",
            " ON CONFLICT DO NOTHING",
            " ON CONFLICT(id) DO UPDATE SET status=excluded.status,total_size=excluded.total_size",
        ]
    ),
)
_named_rowid = st.builds(
    lambda verb, rowid, row: f"{verb} INTO jobs(rowid,{_COLUMNS[1:]} VALUES ({rowid},{_values(row)[1:]}",
    st.sampled_from(["INSERT OR REPLACE", "INSERT OR IGNORE"]), st.integers(-1, 6), _row,
)  # fmt: skip
_update = st.builds(
    lambda sets, job: f"UPDATE jobs SET {','.join(f'{c}={_quote(v)}' for c, v in sets)} WHERE id='{job}'",
    st.lists(_column, min_size=1, max_size=3, unique_by=lambda s: s[0]),
    _id,
)
_bulk = st.builds(
    lambda s, old: f"UPDATE jobs SET {s[0]}={_quote(s[1])} WHERE status='{old}'", _column, st.sampled_from(_STATUSES)
)
_rename = st.builds(
    lambda clause, new, old, more: f"UPDATE {clause}jobs SET id='{new}'{more} WHERE id='{old}'",
    st.sampled_from(["", "OR REPLACE ", "OR IGNORE "]), _id, _id, st.sampled_from(["", "", ",status='failed'"]),
)  # fmt: skip
_delete = st.one_of(
    st.builds(lambda job: f"DELETE FROM jobs WHERE id='{job}'", _id),
    st.builds(lambda s: f"DELETE FROM jobs WHERE status='{s}'", st.sampled_from(_STATUSES)),
    st.just("DELETE FROM jobs"),
)
_other = st.sampled_from(
    ["VACUUM", "ANALYZE", "INSERT INTO jobs(id) VALUES('x')", "INSERT OR REPLACE INTO jobs SELECT * FROM jobs"]
)
_statement = st.one_of(_insert, _insert, _insert, _update, _update, _bulk, _rename, _delete, _named_rowid, _other)
FOLD, PRUNE = -1, -2
_savepoint = st.tuples(st.lists(_statement, min_size=1, max_size=2), st.booleans())
_transaction = st.lists(st.one_of(_statement, _statement, _savepoint), min_size=1, max_size=4)
operation = st.one_of(
    st.tuples(st.integers(0, 2), _statement, st.just(True)),
    st.tuples(st.integers(0, 2), _statement, st.just(True)),
    st.tuples(st.integers(0, 2), _transaction, st.booleans()),
    st.just((FOLD, "", True)),
    st.tuples(
        st.just(PRUNE),
        st.tuples(st.sets(st.sampled_from(sorted(_FINISHED)), min_size=1), st.integers(0, 2), _statement),
        st.just(True),
    ),
)
"""(writer, a statement or those of a transaction, whether it commits); a savepoint is (statements, is it kept).

A prune is (statuses, writer, its statement once the prune knows what is due).
"""


def random_operations(random: Random, count: int) -> list[tuple[int, Any, bool]]:
    """Operations of the same kinds, drawn evenly: finds a mistake in fewer tries than a search that can also shrink."""
    operations: list[tuple[int, Any, bool]] = []
    for _ in range(count):
        kind = random.random()
        if kind < 0.15:
            operations.append((FOLD, "", True))
        elif kind < 0.22:
            statuses = set(random.sample(sorted(_FINISHED), 2))
            operations.append((PRUNE, (statuses, random.randrange(3), _random_statement(random)), True))
        elif kind < 0.35:
            statements: list[Any] = [_random_statement(random) for _ in range(3)]
            statements[1] = ([statements[1]], random.random() < 0.5) if random.random() < 0.3 else statements[1]
            operations.append((random.randrange(3), statements, random.random() < 0.7))
        else:
            operations.append((random.randrange(3), _random_statement(random), True))
    return operations


def _random_statement(random: Random) -> str:
    pick = random.choice
    row = {
        "id": pick(_IDS), "p": pick(_PROVIDERS), "s": pick(_STATUSES), "a": pick(_STARTS), "c": pick(_ENDS),
        "z": random.randrange(6), "f": random.randrange(3),
    }  # fmt: skip
    column, value = pick([
        ("status", row["s"]), ("provider", row["p"]), ("started_at", row["a"]), ("completed_at", row["c"]),
        ("total_size", row["z"]), ("files_count", row["f"]), ("created_at", pick([_CREATED, "nonsense"])),
    ])  # fmt: skip
    verb = pick(["INSERT", "INSERT OR REPLACE", "INSERT OR REPLACE", "INSERT OR REPLACE", "INSERT OR IGNORE"])
    return random.choices(
        [
            f"{verb} INTO jobs{_COLUMNS} VALUES {_values(row)}",
            f"INSERT INTO jobs{_COLUMNS} VALUES {_values(row)} ON CONFLICT(id) DO UPDATE SET status=excluded.status",
            f"UPDATE jobs SET {column}={_quote(value)} WHERE id='{row['id']}'",
            f"UPDATE {pick(['', 'OR REPLACE ', 'OR IGNORE '])}jobs SET id='{pick(_IDS)}' WHERE id='{row['id']}'",
            f"DELETE FROM jobs WHERE id='{row['id']}'",
            f"INSERT OR REPLACE INTO jobs(rowid,{_COLUMNS[1:]} VALUES ({random.randrange(-1, 7)},{_values(row)[1:]}",
        ],
        weights=[8, 1, 8, 3, 3, 1],
    )[0]


class Model:
    """What the counting rules of docs/metrics.md make of the tables before and after each statement."""

    def __init__(self) -> None:
        self.totals: dict[tuple[str, str, str], int] = {}
        self.hours: dict[tuple[int | None, str, str], list[int]] = {}
        """(hour, provider, status) → jobs, micros, bytes, files; the hour is ``None`` where it is that of the writing."""

    def memory(self) -> tuple[Any, Any]:
        """What is known, for :meth:`recall` when a transaction is rolled back."""
        return dict(self.totals), {key: list(cell) for key, cell in self.hours.items()}

    def recall(self, memory: tuple[Any, Any]) -> None:
        """Forget what was counted since."""
        self.totals, self.hours = memory

    def _add(self, metric: str, provider: str, status: str, count: int) -> None:
        if count:
            key = metric, provider, status
            self.totals[key] = self.totals.get(key, 0) + count

    def statement(self, sql: str, before: Table, after: Table) -> None:
        """Count what one statement did."""
        renamed = self._renamed(sql, before, after)
        for job, row in after.items():
            self._event(renamed.get(job, before.get(job)), row)

    @staticmethod
    def _renamed(sql: str, before: Table, after: Table) -> dict[str, Any]:
        """A rename carries the row along: the new id's past is the old id's, not that of the job it replaced."""
        if not (sql.startswith("UPDATE") and " SET id=" in sql):
            return {}
        new, old = sql.split(" SET id='")[1][0], sql.rsplit("WHERE id='")[1][0]
        return {new: before[old]} if new != old and old in before and old not in after else {}

    def _event(self, old: Any, new: tuple[Any, ...]) -> None:
        p, s, n, a, c, z, f = new
        if old is None:
            self._add(tally.CREATED, p, "", 1)
        if _when(a) is not None and _when(n) is not None and (old is None or _when(old[3]) is None):
            self._add(tally.WAIT, p, "", 1)
            self._add(tally.WAIT_MICROS, p, "", max(0, _micros(n, a)))
        if s not in _FINISHED:
            return
        entered = old is None or old[1] != s
        self._add(tally.FINISHED_JOBS, p, s, int(entered))
        micros = 0
        if _is_timed(new) and (entered or not _is_timed(old)):
            micros = max(0, _micros(a, c))
            self._add(tally.DURATION, p, s, 1)
            self._add(tally.DURATION_MICROS, p, s, micros)
        was = old if old is not None and old[1] in _FINISHED else None
        size, files = max(0, z - (was[5] if was else 0)), max(0, f - (was[6] if was else 0))
        self._add(tally.BYTES, p, "", size)
        self._add(tally.FILES, p, "", files)
        ended = _when(c)
        cell = self.hours.setdefault((int(ended.timestamp()) // 3600 if ended else None, p, s), [0, 0, 0, 0])
        cell[:] = [x + y for x, y in zip(cell, (int(entered), micros, size, files), strict=True)]


def _when(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _is_timed(row: tuple[Any, ...]) -> bool:
    return _when(row[3]) is not None and _when(row[4]) is not None


def _micros(start: Any, end: Any) -> int:
    first, last = _when(start), _when(end)
    assert first is not None
    assert last is not None
    return round((last - first).total_seconds() * 1e6)


def _gauges(table: Table) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for row in table.values():
        key = row[0], row[1] if row[1] != "odd" else "other"
        found[key] = found.get(key, 0) + 1
    return found


def _without_zeros(hours: dict[Any, list[int]]) -> dict[Any, list[int]]:
    return {key: cell for key, cell in hours.items() if any(cell)}


class Meanwhile(Keeping):
    """Does something once, when a prune has found its first rows and not yet deleted them."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.answer: Any = None
        self._work: Callable[[], Any] | None = work

    def keep(self, rows: Sequence[Any]) -> None:  # noqa: ARG002 - it asks for none of them
        work, self._work = self._work, None
        if work is not None:
            self.answer = work()


def prune(path: Path, statuses: Iterable[str], *, keeping: Keeping | None = None) -> int:
    """Prune the jobs of these statuses that ended a day before the clock's time; returns how many went."""
    clock = FakeClock()
    connection = Connection(path)
    try:
        rule = Rule(Retention(dict.fromkeys(statuses, timedelta(days=1))).cutoffs(clock.now()))
        pruning = Pruning(connection, rule, clock=clock, pause=lambda _seconds: None, keeping=keeping)
        assert pruning.run()
        return pruning.done.total
    finally:
        connection.close()


class Machine:
    """A store, its keeper, three writers and the model."""

    def __init__(self, tmp_path: Path, *, recursive: bool) -> None:
        self.kept = Kept(make_store(tmp_path / "jobs.db"), tmp_path / "state")
        self.kept.turn()
        self.writers = [
            Writer(kind, self.kept.path, recursive_triggers=recursive) for kind in ("apsw", "stdlib", "shell")
        ]

    def start_anew(self) -> None:
        """A ledger installed anew, with the triggers and the code of now."""
        connection = Connection(self.kept.path)
        try:
            uninstall(connection)
            connection.rows("DELETE FROM jobs")
        finally:
            connection.close()

    def reset(self) -> tuple[Model, dict[Any, int]]:
        """An empty table with the log folded: where an example begins."""
        self.writers[0].execute("DELETE FROM jobs")
        self.kept.turn()
        return Model(), dict(self.kept.view().rollup.totals)

    def hours(self) -> dict[tuple[int | None, str, str], list[int]]:
        """The folded hours, those of the writing under ``None``: no job of these claims to have ended this year."""
        connection = Connection(self.kept.path, read_only=True)
        try:
            found = connection.rows("SELECT * FROM hyperjobs_hour")
        finally:
            connection.close()
        hours: dict[tuple[int | None, str, str], list[int]] = {}
        for hour, provider, status, *cell in found:
            sums = hours.setdefault((hour if hour <= _LAST_END else None, provider, status), [0, 0, 0, 0])
            sums[:] = [x + y for x, y in zip(sums, cell, strict=True)]
        return hours

    def run(self, operations: list[tuple[int, Any, bool]]) -> None:
        """Apply the operations and compare after each."""
        model, start = self.reset()
        before = self.hours()
        table: Table = {}
        hidden = False
        for who, work, commits in operations:
            hidden = hidden or "(rowid," in str(work)
            if who == FOLD:
                self.kept.turn()
            elif who == PRUNE:
                table = self._prune(model, *work, table)
            elif isinstance(work, str):
                table = self._statement(self.writers[who], model, work, table)
            else:
                table = self._transaction(self.writers[who], model, work, table, commits=commits)
            self._compare(model, start, table, exact_gauges=not hidden)
        self.kept.turn()
        self._compare(model, start, table, exact_gauges=True)
        grown = {
            key: [new - old for new, old in zip(cell, before.get(key, [0] * 4), strict=True)]
            for key, cell in self.hours().items()
        }
        assert _without_zeros(model.hours) == _without_zeros(grown)

    def _prune(self, model: Model, statuses: set[str], who: int, sql: str, table: Table) -> Table:
        """Delete what is due of these statuses, while a writer does a statement between the look and the delete."""
        meanwhile = Meanwhile(lambda: self._statement(self.writers[who], model, sql, table))
        deleted = prune(self.kept.path, statuses, keeping=meanwhile)
        after = self.writers[who].execute("SELECT 1 WHERE 0")
        before: Table = table if meanwhile.answer is None else meanwhile.answer
        assert deleted == len(before) - len(after)
        assert all(before[job] == row for job, row in after.items())
        assert all(row[1] in statuses for job, row in before.items() if job not in after)
        return after

    @staticmethod
    def _statement(writer: Writer, model: Model, sql: str, before: Table) -> Table:
        after = writer.execute(sql)
        model.statement(sql, before, after)
        return after

    def _transaction(self, writer: Writer, model: Model, work: list[Any], table: Table, *, commits: bool) -> Table:
        memory = model.memory()
        writer.execute("BEGIN IMMEDIATE")
        for item in work:
            if isinstance(item, str):
                table = self._statement(writer, model, item, table)
                continue
            statements, is_kept = item
            inner = model.memory()
            writer.execute("SAVEPOINT s")
            for sql in statements:
                table = self._statement(writer, model, sql, table)
            if not is_kept:
                model.recall(inner)
                writer.execute("ROLLBACK TO s")
            table = writer.execute("RELEASE s")
        if not commits:
            model.recall(memory)
        return writer.execute("COMMIT" if commits else "ROLLBACK")

    def _compare(self, model: Model, start: dict[Any, int], table: Table, *, exact_gauges: bool) -> None:
        view = self.kept.view()
        found: dict[tuple[str, str, str], int] = {}
        for (metric, provider, status, bucket), count in view.rollup.totals.items():
            grown = count - start.get((metric, provider, status, bucket), 0)
            if grown and metric != tally.SKIPPED:
                found[metric, provider, status] = found.get((metric, provider, status), 0) + grown
        assert model.totals == found
        if exact_gauges:
            assert _gauges(table) == {key: jobs for key, jobs in view.rollup.gauges.items() if jobs}

    def close(self) -> None:
        for writer in self.writers:
            writer.close()
        self.kept.stop()
