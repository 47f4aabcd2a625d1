"""Pieces read into the scratch file, each in its own way; what is damaged is noted, and the others are read all the same."""

from __future__ import annotations

import contextlib
import itertools
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import (
    HyperjobsError,
    StoreFullError,
    StoreInterruptedError,
    StoreRefusedError,
)
from hyperjobs.maintenance.audit.files import all_files
from hyperjobs.maintenance.audit.verify import Verdict, checked_log
from hyperjobs.maintenance.backup.manifest import manifest_of
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.backup.pack import unpack_all
from hyperjobs.maintenance.backup.proof import (
    prove_database,
    require_proof,
    require_same_content,
    require_same_file,
    told_of,
)
from hyperjobs.maintenance.prune.reading import read_archive
from hyperjobs.maintenance.rebuild.decide import HISTORY
from hyperjobs.maintenance.rebuild.source import Kind, Source, State, compression_of
from hyperjobs.maintenance.room import require_room
from hyperjobs.maintenance.transfer.reading import Rejected, read_rows
from hyperjobs.maintenance.transfer.reading import Source as Form
from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import recognise, require_hypersdk
from hyperjobs.store.ledger import outbox
from hyperjobs.store.ledger.rollup import read_meta
from hyperjobs.store.ledger.select import stream
from hyperjobs.store.models import JobFilter
from hyperjobs.store.pieces import Change, Pieces
from hyperjobs.store.pins import Pin, read_pins
from hyperjobs.store.query import condition_of, micros_of
from hyperjobs.store.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hyperjobs.maintenance.task import Turn
    from hyperjobs.store.cells import Cells

_MOST_UNPACKED: Final = 1 << 50
_SHOWN_FAULTS: Final = 3


class Reader:
    """Reads pieces, one after the other.

    Attributes:
        snapshots: store → microseconds of its newest backup that was read.
        pins: of the newest backup that has any, and of undated stores.
    """

    def __init__(self, pieces: Pieces, folder: Path, turn: Turn, *, key: bytes | None = None) -> None:
        """``folder`` is for what has to be decompressed; ``key`` of the audit log's codes."""
        self.snapshots: dict[str, int] = {}
        self.pins: dict[str, Pin] = {}
        self._pieces = pieces
        self._folder = folder
        self._turn = turn
        self._key = key
        self._segments = itertools.count()
        self._pinned_at: int | None = None

    def read(self, number: int, source: Source) -> None:
        """Read one; damage is noted in it.

        Raises:
            StoreFullError: there is no room.
            StoreInterruptedError: a stop came.
        """
        self._turn.keep_on()
        kinds = {
            Kind.ARCHIVE: self._archive,
            Kind.BACKUP: self._backup,
            Kind.STORE: self._store,
            Kind.AUDIT: self._audit,
        }
        try:
            kinds.get(source.kind, self._file)(number, source)  # type: ignore[arg-type]
        except (StoreFullError, StoreInterruptedError):
            raise
        except (HyperjobsError, UnicodeDecodeError) as exc:
            source.damaged(str(exc).removeprefix(f"{source.path}: "))
        except OSError as exc:
            source.damaged(f"cannot be read: {exc.strerror or exc}")

    def _file(self, number: int, source: Source) -> None:
        rejected: list[Rejected] = []
        count = 0

        def taken() -> Iterator[tuple[Cells, None, None]]:
            nonlocal count
            for row in read_rows(source.path, source=Form(str(source.kind))):
                if isinstance(row, Rejected):
                    count += 1
                    if not rejected:
                        rejected.append(row)
                else:
                    yield row, None, None

        self._add(number, source, taken())
        if rejected:
            first = rejected[0]
            source.damaged(f"{count:,} rows cannot be taken; the first, {first.line:,}: {first.reason}")

    def _archive(self, number: int, source: Source) -> None:
        if source.path.stat().st_size == 0:
            return
        archived = read_archive(source.path)
        seen, began = micros_of(archived.at), micros_of(archived.began)
        self._add(number, source, ((cells, seen, began if is_gone else None) for cells, is_gone in archived.rows))
        if archived.torn_bytes:
            source.note(f"its prune was killed: the last {archived.torn_bytes:,} bytes are no whole frame")

    def _backup(self, number: int, source: Source) -> None:
        name = BackupName.parse(source.path.name)
        assert name is not None  # noqa: S101 - by that it is one
        manifest = manifest_of(source.path.parent, name)
        require_same_file(source.path, manifest, self._turn.keep_on)
        require_proof(source.path, manifest)
        with self._plain(source) as plain, told_of(source.path, plain):
            require_same_content(source.path, prove_database(plain, self._turn.keep_on, level="quick"), manifest)
            self._database(number, source, plain, micros_of(datetime.fromisoformat(manifest.started_at)))

    def _store(self, number: int, source: Source) -> None:
        for suffix in ("-wal", "-journal"):
            beside = source.path.with_name(f"{source.path.name}{suffix}")
            if beside.exists() and beside.stat().st_size:
                raise StoreRefusedError(f"{source.path}: has a {suffix} beside it; open and close it once with sqlite3")
        with self._plain(source) as plain, told_of(source.path, plain):
            prove_database(plain, self._turn.keep_on, level="quick")
            self._database(number, source, plain, None)

    @contextlib.contextmanager
    def _plain(self, source: Source) -> Iterator[Path]:
        """The database as a file that can be opened: itself, or a copy that goes with the block."""
        compression = compression_of(source.path)
        if compression is None:
            yield source.path
            return
        plain = self._folder / "plain"
        require_room(self._folder, 4 * source.path.stat().st_size, "a decompressed copy of a backup")
        self._turn.progress("decompressing", 0, 0)
        unpack_all(source.path, plain, compression, _MOST_UNPACKED, self._turn.keep_on)
        try:
            yield plain
        finally:
            plain.unlink()

    def _database(self, number: int, source: Source, plain: Path, seen: int | None) -> None:
        connection = Connection(plain, immutable=True, is_stopping=self._turn.is_stopping)
        with contextlib.closing(connection):
            require_hypersdk(recognise(connection), source.path, "rebuilding from it")
            pages = walk(connection, condition_of(JobFilter()))
            self._add(number, source, ((cells, seen, None) for page in pages for cells in page))
            self._keep_pins(connection.read(read_pins), seen)
            tables = {name for (name,) in connection.rows("SELECT name FROM sqlite_schema WHERE type='table'")}
            if not {"hyperjobs_meta", "hyperjobs_history"} <= tables:
                return
            store = outbox.short(str(connection.read(read_meta).get("uuid", "")))
            if seen is not None:
                self.snapshots[store] = max(seen, self.snapshots.get(store, seen))
            self._add_changes(source, _history(connection, next(self._segments), store))

    def _audit(self, _number: int, source: Source) -> None:
        verdict = Verdict()
        self._add_changes(source, self._lines(source, verdict))
        if verdict.faults:
            shown = "; ".join(f"line {fault.line}: {fault.message}" for fault in verdict.faults[:_SHOWN_FAULTS])
            many = f"{len(verdict.faults)}{' or more' if verdict.is_cut_short else ''}"
            source.damaged(f"{many} faults in its chain: {shown}")
        if _is_torn(source.path):
            source.note("its last line is torn, as a kill leaves it, and was left out")

    def _lines(self, source: Source, verdict: Verdict) -> Iterator[tuple[Any, Change]]:
        segment = next(self._segments)
        gaps = rolled = 0
        for _, _, line in checked_log(source.path, verdict, self._key):
            entry = line.entry
            if entry.job_id is not None:
                yield (
                    entry.job_id,
                    Change(
                        entry.at, line.number, segment, entry.old, entry.new, entry.provider, entry.source, line.store
                    ),
                )
            elif entry.source == outbox.ROLLED_BACK:
                segment = next(self._segments)  # what follows may be a second time what came before
                rolled += 1
            elif entry.source == outbox.GAP:
                gaps += 1
        if gaps:
            source.note(f"{gaps} gaps, in which changes were not audited")
        if rolled:
            source.note(f"{rolled} times the store was an older state of itself; what is there twice counts once")

    def _add(self, number: int, source: Source, found: Iterator[tuple[Cells, int | None, int | None]]) -> None:
        for count in self._pieces.add_rows(number, found):
            source.rows += count
            self._tell(source.rows)

    def _add_changes(self, source: Source, changes: Iterator[tuple[Any, Change]]) -> None:
        for count in self._pieces.add_changes(changes):
            source.changes += count
            self._tell(source.changes)

    def _tell(self, done: int) -> None:
        self._turn.keep_on()
        self._turn.progress("reading", done, 0)

    def _keep_pins(self, pins: list[Pin], seen: int | None) -> None:
        """Those of the newest backup, for a job may have been unpinned since an older one; of no date, all."""
        at = -1 if seen is None else seen
        if self._pinned_at is not None and at < self._pinned_at:
            return
        if self._pinned_at is None or at > self._pinned_at:
            self.pins = {}
        self._pinned_at = at
        for pin in pins:
            before = self.pins.get(pin.job_id)
            if before is None or repr(pin) > repr(before):
                self.pins[pin.job_id] = pin


def _history(connection: Connection, segment: int, store: str) -> Iterator[tuple[Any, Change]]:
    """The changes that a store's own history has."""
    columns = ["seq", "at", "job_id", "old", "new"]
    has_ids = bool(connection.rows("SELECT 1 FROM pragma_table_info('hyperjobs_history') WHERE name='ids'"))
    found = connection.run(
        lambda db: stream(db, [*columns, *(["ids"] if has_ids else [])], "FROM hyperjobs_history ORDER BY seq")
    )
    for seq, at, job_id, old, new, *ids in found:
        for each in json.loads(ids[0]) if ids and ids[0] is not None else [job_id]:
            if each is not None:
                yield each, Change(at, seq, segment, old, new, None, HISTORY, store)


def _is_torn(path: Path) -> bool:
    files = all_files(path)
    if not files or files[-1] != path or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) != b"\n"


def read_all(sources: list[Source], reader: Reader, *, may_skip: bool) -> None:
    """Read every piece that is to be read; of the backups the newest that is whole, and with ``may_skip`` one before it."""
    is_backup_read = False
    for number, source in enumerate(sources):
        if source.state is State.OLDER and may_skip and not is_backup_read:
            source.state = State.READ
        if source.state is State.READ:
            reader.read(number, source)
            is_backup_read = is_backup_read or (source.kind is Kind.BACKUP and source.state is State.READ)
