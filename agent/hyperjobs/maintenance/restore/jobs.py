"""Single jobs brought back from a backup into the store, which others have open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hyperjobs.errors import JobNotFoundError, StoreRefusedError
from hyperjobs.store.cells import Cells, by_id, read_cells
from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import COLUMNS, recognise, require_hypersdk
from hyperjobs.store.models import FINISHED
from hyperjobs.store.pruning import refuse_triggers
from hyperjobs.store.returning import bring_back

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hyperjobs.clock import Clock

_STATUS = COLUMNS.index("status")


@dataclass(frozen=True, slots=True)
class RestoredJobs:
    """What came back, or would.

    Attributes:
        jobs: how many.
        replaced: ids whose jobs in the store made way for those of the backup.
    """

    jobs: int
    replaced: tuple[str, ...]


def restore_jobs(  # noqa: PLR0913 - what it works with, each by name
    database: Path,
    store: Path,
    ids: Sequence[str],
    *,
    clock: Clock,
    pause: Callable[[float], object] = lambda _seconds: None,
    replace: bool = False,
    is_dry: bool = False,
    name: str = "",
) -> RestoredJobs:
    """Bring jobs back from a proven backup's database as they were in it; gauges move, counters do not.

    Args:
        database: nobody writes to it.
        store: where they go; its users go on.
        ids: of the jobs; one that is named twice is one.
        clock: times the batches.
        pause: called after each batch with the seconds it took.
        replace: put them in the place of those with the same ids, as long as these are finished.
        is_dry: look, and change nothing.
        name: of the backup, as a person knows it; the database can be a scratch copy that is gone afterwards.

    Raises:
        JobNotFoundError: the backup lacks one of them; nothing was changed.
        StoreRefusedError: the store has one of the ids, and ``replace`` was not asked for (reason ``exists``), or that
            job is pending or running (``in_progress``); nothing was changed.
    """
    wanted = list(dict.fromkeys(ids))
    source = Connection(database, immutable=True)
    try:
        require_hypersdk(recognise(source), database, "restoring single jobs")
        rows = _find(source, wanted)
    finally:
        source.close()
    missing = [job_id for job_id in wanted if job_id not in rows]
    if missing:
        raise JobNotFoundError(
            f"{name or database}: the backup has no job {_listed(missing)}; nothing was restored; an older one may have it: name one of 'hyperjobs backup list', or --at"
        )
    target = Connection(store, read_only=is_dry, clock=clock)
    try:
        recognition = recognise(target)
        require_hypersdk(recognition, store, "restoring single jobs")
        refuse_triggers(recognition, store, "restoring single jobs")
        there = _find(target, wanted)
        _refuse_existing(there, store, replace=replace)
        if is_dry:
            return RestoredJobs(len(wanted), tuple(there))
        batches = list(bring_back(target, map(rows.__getitem__, wanted), clock=clock, pause=pause, replace=replace))
    finally:
        target.close()
    # one that a writer saved meanwhile was left alone, or replaced, like those of before
    found = tuple(str(job_id) for batch in batches for job_id in batch.there)
    if found and not replace:
        raise _exists(list(found), store)
    return RestoredJobs(sum(batch.jobs for batch in batches), found)


def _find(connection: Connection, ids: Sequence[str]) -> dict[str, Cells]:
    found: dict[str, Cells] = {}
    for job_id in ids:
        condition, values = by_id(job_id)
        rows: list[tuple[Any, ...]] = connection.run(lambda db, c=condition, v=values: read_cells(db, f"WHERE {c}", v))  # type: ignore[misc]
        if rows:
            found[job_id] = rows[0][1]
    return found


def _refuse_existing(there: dict[str, Cells], store: Path, *, replace: bool) -> None:
    if there and not replace:
        raise _exists(list(there), store)
    busy = [job_id for job_id, cells in there.items() if cells[_STATUS] not in FINISHED]
    if busy:
        raise StoreRefusedError(
            f"{store}: {_listed(busy)} is not finished, and whoever runs it writes to it; nothing was restored",
            reason="in_progress",
        )


def _exists(ids: list[str], store: Path) -> StoreRefusedError:
    return StoreRefusedError(
        f"{store}: has {_listed(ids)} already; leave it out, or put the backup's in its place with --replace",
        reason="exists",
    )


def _listed(ids: list[str]) -> str:
    shown = ", ".join(repr(job_id) for job_id in ids[:5])
    return f"{shown} and {len(ids) - 5} more" if len(ids) > 5 else shown  # noqa: PLR2004 - a line's worth
