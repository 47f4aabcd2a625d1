"""The recorded changes of a job's status."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING

from hyperjobs.store.ledger.label import Providers
from hyperjobs.store.ledger.replay import replay
from hyperjobs.store.ledger.rollup import read_log
from hyperjobs.store.ledger.select import rows
from hyperjobs.store.ledger.tally import Tally
from hyperjobs.store.models import JobEvent

if TYPE_CHECKING:
    import apsw

_OVERLAY_ROWS = 10_000


def job_events(db: apsw.Connection, job_id: str, *, now: datetime | None = None) -> list[JobEvent]:
    """The changes of one job, oldest first, folded or not; ``[]`` when the ledger saw none.

    Ask inside a read transaction: the history and the log must be of one moment.
    """
    folded = [(at, old, new) for _, at, old, new in sorted(_own(db, job_id) + _shared(db, job_id), key=itemgetter(0))]
    tally = Tally(Providers(), now=now or datetime.now(UTC))
    tally.add_all(replay(read_log(db, limit=_OVERLAY_ROWS)))
    unfolded = [(at, old, new) for found, at, old, new, ids in tally.history if found == job_id or _holds(ids, job_id)]
    return [
        JobEvent(job_id=job_id, at=datetime.fromtimestamp(at, UTC), old=old, new=new)
        for at, old, new in folded + unfolded
    ]


def _own(db: apsw.Connection, job_id: str) -> list[tuple[int, int, str | None, str | None]]:
    return rows(db, "SELECT seq,at,old,new FROM hyperjobs_history WHERE job_id=?", (job_id,))


def _shared(db: apsw.Connection, job_id: str) -> list[tuple[int, int, str | None, str | None]]:
    """The events of many jobs at once that this job is one of; some milliseconds for a hundred thousand jobs."""
    if not rows(db, "SELECT 1 FROM pragma_table_info('hyperjobs_history') WHERE name='ids'"):
        return []  # of version 1, and no agent of this version was here yet
    sql = "SELECT seq,at,old,new,ids FROM hyperjobs_history WHERE job_id IS NULL AND instr(ids,?)"
    found = rows(db, sql, (json.dumps(job_id),))
    return [(seq, at, old, new) for seq, at, old, new, ids in found if _holds(ids, job_id)]


def _holds(ids: str | None, job_id: str) -> bool:
    return ids is not None and job_id in json.loads(ids)


def trim_history(db: apsw.Connection, *, before_s: int, most: int) -> int:
    """Delete at most so many events older than this epoch second; inside the caller's write transaction.

    Returns:
        How many went; less than ``most`` means none is left.
    """
    # The history is in the order of its seq and, but for clock steps, of its time: the oldest are the first.
    sql = "DELETE FROM hyperjobs_history WHERE seq IN (SELECT seq FROM hyperjobs_history ORDER BY seq LIMIT ?) AND at<?"
    db.execute(sql, (most, before_s))
    return db.changes()
