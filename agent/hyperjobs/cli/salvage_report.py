"""What a salvage got, for a person."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from hyperjobs.cli.moment import show_age
from hyperjobs.cli.table import emit
from hyperjobs.cli.text import printable
from hyperjobs.store.cells import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path
    from typing import Any

    from hyperjobs.maintenance.salvage.fill import Hole, Taken
    from hyperjobs.maintenance.salvage.report import LostRange, Salvaged

_MOST = 10
"""Of anything that there can be thousands of; --json has all."""


def say(done: Salvaged, now: datetime) -> None:
    """Write it, the sum first and the next step last."""
    for line in _lines(done, now):
        emit(printable(line))


def _lines(done: Salvaged, now: datetime) -> Iterator[str]:
    yield _sum(done)
    yield from _ranges(done)
    if not done.is_complete:
        yield "there may be more: the index of ids is damaged where jobs are lost, so nobody knows all that were there"
    yield from _listed("lost", (f"{text_of(job_id)}" for job_id in done.lost), len(done.lost))
    if done.nameless:
        yield f"lost: {done.nameless:,} more whose id nothing says"
    yield from _listed("in doubt, left out", map(_doubt, done.doubtful.items()), len(done.doubtful))
    if done.doubtful:
        yield "  --include-doubtful puts them in"
    for taken in done.filled.taken:
        yield _source(taken, now)
    yield from _rest(done)
    if done.target is not None:
        yield f"next: {_next(done.target, done.origin)}; --dry-run first"


def _next(target: Path, origin: Path | None) -> str:
    new = shlex.quote(str(target))
    if origin is not None:  # the store went on with a backup since, and must not lose what it got
        return f"hyperjobs copy {new} {shlex.quote(str(origin))} puts the jobs that {origin} lacks into it"
    return f"hyperjobs restore --file {new} puts it in the store's place, and keeps the damaged one beside it"


def _sum(done: Salvaged) -> str:
    parts = [f"{done.read - done.included:,} jobs read"]
    if done.filled_jobs:
        parts.append(f"{done.filled_jobs:,} filled from backups and archives")
    if done.included:
        parts.append(f"{done.included:,} put in although they are in doubt")
    lost = len(done.lost) + done.nameless
    if lost:
        parts.append(f"{lost:,} lost")
    if done.doubtful:
        parts.append(f"{len(done.doubtful):,} in doubt left out")
    if done.is_whole:
        parts.append("nothing lost")
    what = (
        f"{done.target}: a new store of {done.jobs:,} jobs, proven"
        if done.target is not None
        else f"would make a store of {done.jobs:,} jobs"
    )
    return f"{done.store}: {', '.join(parts)}; {what}"


def _ranges(done: Salvaged) -> Iterator[str]:
    if not done.ranges:
        return
    rows = [("ROWIDS", "PAGES", "SAVED", "LOST", "CREATED BETWEEN", "WHY")]
    rows += [_range(each) for each in done.ranges[:_MOST]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + f"  {row[-1]}"
    if len(done.ranges) > _MOST:
        yield f"  and {len(done.ranges) - _MOST:,} more ranges (--json has all)"


def _range(each: LostRange) -> tuple[str, str, str, str, str, str]:
    shape = each.shape()
    begin = "…" if shape["first_rowid"] is None else f"{shape['first_rowid']:,}"
    end = "…" if shape["last_rowid"] is None else f"{shape['last_rowid']:,}"
    pages = str(each.pages[0]) if len(each.pages) == 1 else f"{len(each.pages):,} pages"
    first, last = _day(shape["created_after"]), _day(shape["created_before"])
    if "…" not in {first, last}:  # the rows beside it need not have been made in the order of their numbers
        first, last = sorted((first, last))
    created = f"{first} and {last}"
    return f"{begin} to {end}", pages, f"{each.saved:,}", f"{each.lost:,}", created, each.why


def _day(created: object) -> str:
    return "…" if created is None else str(created)[:10]


def _listed(what: str, items: Iterable[str], count: int) -> Iterator[str]:
    if not count:
        return
    shown = [item for item, _ in zip(items, range(_MOST), strict=False)]
    more = f" and {count - _MOST:,} more (--json has all)" if count > _MOST else ""
    yield f"{what}: {', '.join(shown)}{more}"


def _doubt(item: tuple[Any, Hole]) -> str:
    job_id, hole = item
    return f"{text_of(job_id)} ({'; '.join(hole.why)})"


def _source(taken: Taken, now: datetime) -> str:
    source = taken.source
    parts = [f"{taken.jobs:,} jobs of {source.name}"]
    if source.place != "local":
        parts.append(f"at {source.place}")
    parts.append(f"{show_age(source.at, now=now)} old")
    if taken.confirmed:
        parts.append(f"{taken.confirmed:,} of them what was in doubt, to the bit")
    if taken.behind:
        parts.append(f"{taken.behind:,} of them changed since, as the indexes show")
    if taken.unvouched:
        parts.append(
            f"{taken.unvouched:,} of them may have been deleted since: nothing says that they were still there"
        )
    return "filled: " + ", ".join(parts)


def _rest(done: Salvaged) -> Iterator[str]:
    for trouble in done.filled.troubles:
        yield f"could not be looked into: {trouble}"
    for table in done.others.tables:
        if not table.is_whole:
            yield f"table {table.name}: {table.rows:,} rows, not all that were there"
    if done.others.left_out:
        yield f"left out, for they are neither hypersdk's nor ours: {', '.join(done.others.left_out)}"
    if done.others.ledger == "anew":
        yield "the ledger's sums are lost: it begins anew; gauges are right, and the agent lets no counter fall"
    if done.indexes:
        yield f"indexes that were damaged, and are built anew: {', '.join(done.indexes)}"
    if done.healed:
        yield f"the file's header was wrong in {', '.join(done.healed)}"
    if done.journal:
        yield f"the {done.journal}: what only these have is lost"
    if done.unreadable_bytes:
        yield f"the disk did not give {done.unreadable_bytes:,} bytes: copy what else is on it, and replace it"
    yield from done.notes
