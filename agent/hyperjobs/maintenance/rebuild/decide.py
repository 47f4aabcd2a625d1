"""What becomes of one job of which several sources know: the one rule, pure, and blind to the order of sources.

**Rows.** Sources that say of when they are (a backup, an archive of a prune) are *dated*: of those the latest wins, for
it has seen all that the others had. An export says nothing of when it was made; of such rows the one to which something
happened last wins (created, started, completed), then the one farther on: finished before running before pending, more
progress, more fields with something in them. Between the two winners the undated one wins when something happened to it
after the dated one was seen, or when it is the same attempt farther on.

**Changes.** Those of the audit log that came after the winning row move it on, as every client does it: a job that
starts gets its start unless it has one, a job that ends its end.

**Deletions.** A job that an archive holds, or whose last change is a deletion, was deleted lawfully, unless something
shows it in the store later.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.store import instant
from hyperjobs.store.cells import Cells, is_same
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.merging import last_moment
from hyperjobs.store.models import FINISHED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hyperjobs.store.pieces import Change, Piece

_SECOND: Final = 1_000_000
_PLACE: Final = {name: place for place, name in enumerate(COLUMNS)}
_STATUS, _PROGRESS = _PLACE["status"], _PLACE["progress"]
_RANKS: Final[Mapping[Any, int]] = {"pending": 0, "running": 1, **{str(status): 2 for status in FINISHED}}
_EMPTY: Final = (None, "", "null", 0)
AUDIT_ALONE: Final = '{"rebuilt_from":"audit"}'
"""Metadata of a job that only the audit log knows: the row says so itself, to whoever reads it later."""
HISTORY: Final = "backup"
"""Kind of a change that is of a backup's own history."""


class Origin(StrEnum):
    """Where a job of the new store is from, or why it is not there."""

    ROW = "row"
    """As a source has it."""
    MOVED = "moved"
    """As a source has it, moved on by the audit log."""
    AUDIT = "audit"
    """From the audit log alone."""
    PRUNED = "pruned"
    """Not there: a prune deleted it."""
    DELETED = "deleted"
    """Not there: it was deleted otherwise, or nothing but its deletion is known."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a job.

    Attributes:
        cells: its row in the new store; ``None`` when it is not there.
        source: number of the source that its row is of; ``None`` when no row of it is left.
        versions: how many different rows of it the sources have.
        changes: its history, in order.
    """

    origin: Origin
    cells: Cells | None = None
    source: int | None = None
    versions: int = 0
    changes: list[tuple[int, str | None, str | None]] = field(default_factory=list)


def decide(
    job_id: Any,
    pieces: Sequence[Piece],
    changes: Sequence[Change],
    *,
    is_pruned_wanted: bool = False,
    snapshots: Mapping[str, int] | None = None,
) -> Decision:
    """Say what becomes of a job.

    Args:
        job_id: of the job.
        pieces: its rows.
        changes: of its status.
        is_pruned_wanted: bring back what a prune deleted.
        snapshots: store → microseconds of its newest backup: what the backup lacks was not there then.
    """
    ordered = in_order(changes)
    past = [(change.at, change.old, change.new) for change in ordered]
    best = _best(pieces)
    if best is None:
        if _is_known_alive(job_id, ordered, snapshots or {}):
            return Decision(Origin.AUDIT, _from_audit(job_id, ordered), changes=past)
        is_prune = any(change.new is None and change.kind == "prune" for change in ordered[-1:])
        return Decision(Origin.PRUNED if is_prune else Origin.DELETED)
    versions = _versions(pieces)
    if _is_gone(pieces, ordered):
        is_prune = any(piece.is_gone for piece in pieces) or ordered[-1].kind == "prune"
        if not (is_prune and is_pruned_wanted):
            return Decision(Origin.PRUNED if is_prune else Origin.DELETED, versions=versions)
        ordered = []  # the row is as the job ended
    moved = _moved(best, ordered)
    if moved is not None:
        return Decision(Origin.MOVED, moved, best.source, versions, past)
    return Decision(Origin.ROW, best.cells, best.source, versions, past)


def in_order(changes: Sequence[Change]) -> list[Change]:
    """The changes of one job, each once, in the order in which they came to be.

    What several segments have is one change; what one segment has twice is two. Numbers tell the order within one
    segment, whatever its clock did; else time does, and within a second each follows the one that it goes on from.
    """
    segments: dict[int, list[Change]] = {}
    for change in changes:
        segments.setdefault(change.segment, []).append(change)
    # a copy of a log says the same again; which of them is kept must not hang on the order of pieces
    logs = [sorted(own, key=_number) for own in segments.values()]
    if len(logs) > 1:
        logs.sort(key=lambda own: [*map(_fixed, own)])
    told = {tuple(map(_what, own)): own for own in logs}
    if len(told) == 1:
        (numbered,) = told.values()
        if all(one.new == other.old for one, other in pairwise(numbered)):
            return numbered
    counts: Counter[tuple[int, str | None, str | None]] = Counter()
    for own in segments.values():
        counts |= Counter(map(_what, own))
    left: list[Change] = []
    # a line is the same one in every copy of its log
    for change in sorted({change._replace(segment=0) for change in changes}, key=_fixed):
        if counts[_what(change)]:
            counts[_what(change)] -= 1
            left.append(change)
    found: list[Change] = []
    for _, second in groupby(left, key=attrgetter("at")):
        now = list(second)
        while now:
            state = found[-1].new if found else None
            found.append(now.pop(next((place for place, change in enumerate(now) if change.old == state), 0)))
    return found


def _number(change: Change) -> int:
    return change.n


def _what(change: Change) -> tuple[int, str | None, str | None]:
    return change.at, change.old, change.new


def _fixed(change: Change) -> tuple[Any, ...]:
    """An order of changes that no order of sources alters; of equal ones the one that says more comes first."""
    return (
        change.at,
        change.n,
        change.old or "",
        change.new or "",
        change.kind == HISTORY,
        change.provider is None,
        change.provider or "",
        change.kind,
        change.store,
    )


def _best(pieces: Sequence[Piece]) -> Piece | None:
    if len(pieces) == 1:
        return pieces[0]
    dated = max((piece for piece in pieces if piece.seen is not None), key=_dated_rank, default=None)
    undated = max((piece for piece in pieces if piece.seen is None), key=lambda piece: _rank(piece.cells), default=None)
    if dated is None or undated is None:
        return dated or undated
    happened = last_moment(undated.cells)
    is_later = dated.seen is not None and happened > dated.seen
    is_farther = happened == last_moment(dated.cells) and _rank(undated.cells)[1:3] > _rank(dated.cells)[1:3]
    return undated if is_later or is_farther else dated


def _dated_rank(piece: Piece) -> tuple[Any, ...]:
    return piece.seen, not piece.is_gone, *_rank(piece.cells), -piece.source


def _rank(cells: Cells) -> tuple[Any, ...]:
    progress = cells[_PROGRESS]
    return (
        last_moment(cells),
        _RANKS.get(cells[_STATUS], -1) if isinstance(cells[_STATUS], str) else -1,
        progress if isinstance(progress, (int, float)) else -1.0,
        sum(cell not in _EMPTY for cell in cells),
        repr([(type(cell).__name__, cell) for cell in cells]),
    )


def _versions(pieces: Sequence[Piece]) -> int:
    found: list[Cells] = []
    for piece in pieces:
        if not any(is_same(piece.cells, other) for other in found):
            found.append(piece.cells)
    return len(found)


def _is_gone(pieces: Sequence[Piece], ordered: Sequence[Change]) -> bool:
    """Whether the last that is known of it is that it was deleted; all by the second, which is what the log knows."""
    last = ordered[-1] if ordered else None
    archived = [piece for piece in pieces if piece.is_gone]
    known_s = max((change.at for change in ordered if change.new is None), default=-(2**63))
    # of a deletion that the log has, it knows the moment, and what came after it while that prune still went on
    gone = [p.seen // _SECOND for p in archived if p.seen is not None and (p.gone or 0) // _SECOND > known_s]
    if last is not None and last.new is None:
        gone.append(last.at)
    if not gone:
        return False
    gone_s = max(gone)
    if last is not None and last.new is not None and (last.at > gone_s or (last.at == gone_s and _came_back(last))):
        return False
    if any(not piece.is_gone and piece.seen is not None and piece.seen // _SECOND > gone_s for piece in pieces):
        return False
    known = max((last_moment(piece.cells) for piece in archived), default=-(2**63))
    happened = max((last_moment(piece.cells) for piece in pieces if piece.seen is None), default=-(2**63))
    return not (happened > known and happened // _SECOND > gone_s)


def _came_back(change: Change) -> bool:
    return change.kind == "returned"


def _moved(best: Piece, ordered: Sequence[Change]) -> Cells | None:
    """The row as the changes that came after it left it; ``None`` when none did."""
    last = ordered[-1] if ordered else None
    status = best.cells[_STATUS]
    if last is None or last.new is None or last.new == status or not isinstance(status, str):
        return None
    seen = best.seen if best.gone is None else best.gone  # it was as it is there when its prune began
    known_s = (last_moment(best.cells) if seen is None else seen) // _SECOND
    if last.at < known_s:
        return None
    later = [change for change in ordered if change.at >= known_s]
    if best.seen is None:
        is_of_the_log = any(status in {change.old, change.new} for change in ordered)
        if not is_of_the_log and _RANKS.get(last.new, -1) <= _RANKS.get(status, -1):
            return None  # it is from after the log, and no clock says so
        same = [place for place, change in enumerate(later) if change.new == status]
    else:
        same = [place for place, change in enumerate(later) if change.new == status and change.at == known_s]
    return _replayed(best.cells, later[same[-1] + 1 :] if same else later)


def _replayed(cells: Cells, changes: Iterable[Change]) -> Cells:
    """The row once these changes were made to it, as every client of ours makes them."""
    row = list(cells)
    for change in changes:
        if change.new is None:
            continue
        if change.provider is not None:
            row[_PLACE["provider"]] = change.provider
        for name, value in _written(change, row).items():
            row[_PLACE[name]] = value
        row[_STATUS] = change.new
    return tuple(row)


def _written(change: Change, row: Sequence[Any]) -> dict[str, Any]:
    """What a change writes beside the status."""
    at = instant.format(datetime.fromtimestamp(change.at, UTC))
    if change.new == "pending":
        blank = {"started_at": None, "completed_at": None, "progress": 0.0, "error": "", "total_size": 0}
        return {**blank, "files_count": 0} if row[_STATUS] in FINISHED else {}
    if change.new == "running":
        return {"started_at": row[_PLACE["started_at"]] or at, "completed_at": None, "error": ""}
    if change.new in FINISHED:
        has_ended = row[_STATUS] in FINISHED and row[_PLACE["completed_at"]]
        ended = {"completed_at": row[_PLACE["completed_at"]] if has_ended else at}
        return {**ended, "progress": 100.0, "error": ""} if change.new == "completed" else ended
    return {}


def _is_known_alive(job_id: Any, ordered: Sequence[Change], snapshots: Mapping[str, int]) -> bool:
    """Whether the changes show a job that was in the store at the end."""
    audited = [change for change in ordered if change.kind != HISTORY]
    if not audited or ordered[-1].new is None or not isinstance(job_id, str) or "\ufffd" in job_id:
        return False  # an id that was no text is written so in the log: nothing says whose it is
    last = audited[-1]
    return last.at >= snapshots.get(last.store, -(2**63)) // _SECOND


def _from_audit(job_id: str, ordered: Sequence[Change]) -> Cells:
    """A row of what the changes say, and for the rest what hypersdk's client writes of a job that says nothing."""
    began = 0  # the last time it came to be
    for place, change in enumerate(ordered):
        if change.old is None and change.kind != "returned":
            began = place
    first = ordered[began]
    provider = next((change.provider for change in ordered if change.provider is not None), "")
    at = instant.format(datetime.fromtimestamp(first.at, UTC))
    status = first.old if first.old is not None else "pending"
    blank = (job_id, "", "", "", provider, "", status, at, None, None, 0.0, "", AUDIT_ALONE, "", 0, 0)
    return _replayed(blank, ordered[began:])
