"""Folding the log into the rollups: read and add up beside the writers, then one short write transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.store.ledger import outbox
from hyperjobs.store.ledger.replay import replay, whole_operations
from hyperjobs.store.ledger.rollup import apply, log_span, read_log, read_meta, read_providers, write_meta
from hyperjobs.store.ledger.tally import Tally

if TYPE_CHECKING:
    from datetime import datetime

    import apsw

    from hyperjobs.store.connection import Connection
    from hyperjobs.store.ledger.label import Providers
    from hyperjobs.store.ledger.options import LedgerOptions

_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Folded:
    """One fold.

    Attributes:
        rows: log rows folded; 0 when there were none.
        behind: log rows left.
        generation: of the rollups, one more a fold.
        hidden: a job may have gone unseen; the gauges want a recount.
    """

    rows: int
    behind: int
    generation: int
    hidden: bool


@dataclass(frozen=True, slots=True)
class _Batch:
    generation: int
    through: int
    rows: int
    behind: int
    tally: Tally
    providers: Providers
    hour: int
    is_audited: bool


def fold(connection: Connection, options: LedgerOptions, *, now: datetime) -> Folded:
    """Fold the oldest rows of the log.

    The log is only ever appended to by triggers and trimmed here, and one agent looks after a store, so what was read
    before the write transaction still stands in it; the generation proves it. The write lock is held for the
    additions alone.
    """
    generation, batch = connection.read(lambda db: _read(db, options, now))
    if batch is None or not connection.write(lambda db: _write(db, batch)):
        return Folded(0, 0, generation, hidden=False)
    return Folded(batch.rows, batch.behind, generation + 1, batch.tally.hidden)


def _read(db: apsw.Connection, options: LedgerOptions, now: datetime) -> tuple[int, _Batch | None]:
    meta = read_meta(db)
    generation: int = meta["generation"]
    first, last = log_span(db)
    if last < first:
        return generation, None
    limit = options.fold_rows
    log = read_log(db, limit=limit)
    while not (whole := whole_operations(log, is_end=log[-1][0] == last)):
        limit *= 4  # one operation of ours, rows brought back, can be longer than a batch
        log = read_log(db, limit=limit)
    providers = options.admission(read_providers(db))
    tally = Tally(providers, bounds=tuple(json.loads(meta["bounds"])), now=now, is_audited=options.is_audited)
    tally.add_all(replay(log[:whole]))
    through = log[whole - 1][0]
    return generation, _Batch(
        generation,
        through,
        whole,
        last - through,
        tally,
        providers,
        int(now.timestamp()) // _HOUR_S,
        options.is_audited,
    )


def _write(db: apsw.Connection, batch: _Batch) -> bool:
    if read_meta(db)["generation"] != batch.generation:
        return False
    apply(db, batch.tally, batch.providers, hour=batch.hour)
    if batch.is_audited:
        outbox.append(db, batch.tally.audited, generation=batch.generation)
    db.execute("DELETE FROM hyperjobs_log WHERE seq<=?", (batch.through,))
    write_meta(db, generation=batch.generation + 1)
    return True
