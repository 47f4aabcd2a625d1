"""What a salvage got, and what it did not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hyperjobs.store.cells import text_of
from hyperjobs.store.instant import rfc3339
from hyperjobs.store.salvage.tree import HIGHEST, LOWEST

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.maintenance.salvage.fill import Filled, Hole
    from hyperjobs.store.salvage.others import Others


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRange:
    """A piece of the table that could not be read.

    Attributes:
        pages: of the file, without those that nobody knows the number of.
        why: in a few words; of several pages what is wrong with the first.
        low: rowids above this, up to ``high``, were there.
        saved: rows of these that were had all the same, or filled.
        lost: rows of these that are known to be lost.
        created: when the jobs on either side of it were created, as they say; ``None`` where there is none.
    """

    pages: tuple[int, ...]
    why: str
    low: int
    high: int
    saved: int
    lost: int
    created: tuple[object, object]

    def shape(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "pages": list(self.pages),
            "why": self.why,
            "first_rowid": None if self.low == LOWEST else self.low + 1,
            "last_rowid": None if self.high == HIGHEST else self.high,
            "saved": self.saved,
            "lost": self.lost,
            "created_after": _shown(self.created[0]),
            "created_before": _shown(self.created[1]),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """What came of a salvage.

    Attributes:
        jobs: in the new store.
        read: of those, from the damaged store itself.
        included: of those, although they are in doubt.
        lost: what the damaged store had, is in no source and is not in the new store: id → what is known.
        nameless: such rows whose id nothing says.
        doubtful: what was found, is in doubt, and was left out.
        is_complete: whether every row that was lost is known; where indexes are damaged too there may be more.
        healed: of the header, what had to be put right.
        origin: the store that this is an earlier state of, kept by a restore.
        journal: what of the -wal or -journal could not be had; empty when all was.
        is_schema_whole: whether every table, trigger and view that was there is known.
        notes: what else a person should know.
    """

    store: Path
    target: Path | None
    jobs: int
    read: int
    included: int
    ranges: tuple[LostRange, ...]
    lost: dict[Any, Hole]
    nameless: int
    doubtful: dict[Any, Hole]
    is_complete: bool
    filled: Filled
    others: Others
    indexes: tuple[str, ...]
    healed: tuple[str, ...]
    pages: int
    copied_bytes: int
    unreadable_bytes: int
    seconds: float
    journal: str = ""
    origin: Path | None = None
    is_schema_whole: bool = True
    notes: tuple[str, ...] = field(default=())

    @property
    def filled_jobs(self) -> int:
        """Rows from backups and archives."""
        return len(self.filled.rows)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is lost, as far as can be told."""
        return (
            not (self.lost or self.nameless or self.doubtful or self.included)
            and self.is_complete
            and self.is_schema_whole
            and not self.journal
            and not any(taken.behind or taken.unvouched for taken in self.filled.taken)
            and all(table.is_whole for table in self.others.tables)
            and not self.others.left_out
            and self.others.ledger != "anew"
        )

    def shape(self) -> dict[str, Any]:
        """As JSON; lists are as long as there is something to say."""
        return {
            "store": str(self.store),
            "target": None if self.target is None else str(self.target),
            "jobs": self.jobs,
            "read": self.read,
            "filled": self.filled_jobs,
            "lost": len(self.lost) + self.nameless,
            "doubtful": len(self.doubtful),
            "doubtful_included": self.included,
            "complete": self.is_complete,
            "whole": self.is_whole,
            "ranges": [each.shape() for each in self.ranges],
            "lost_jobs": [{"id": text_of(job_id), "rowid": hole.rowid} for job_id, hole in self.lost.items()],
            "doubtful_jobs": [
                {"id": text_of(job_id), "rowid": hole.rowid, "why": list(hole.why)}
                for job_id, hole in self.doubtful.items()
            ],
            "sources": [
                {
                    "kind": taken.source.kind,
                    "name": taken.source.name,
                    "place": taken.source.place,
                    "taken_at": rfc3339(taken.source.at),
                    "jobs": taken.jobs,
                    "confirmed": taken.confirmed,
                    "behind": taken.behind,
                    "unvouched": taken.unvouched,
                }
                for taken in self.filled.taken
            ],
            "troubles": list(self.filled.troubles),
            "tables": [
                {"name": table.name, "rows": table.rows, "whole": table.is_whole} for table in self.others.tables
            ],
            "left_out": list(self.others.left_out),
            "ledger": self.others.ledger,
            "damaged_indexes": list(self.indexes),
            "healed_header": list(self.healed),
            "journal": self.journal,
            "notes": list(self.notes),
            "pages": self.pages,
            "copied_bytes": self.copied_bytes,
            "unreadable_bytes": self.unreadable_bytes,
            "seconds": round(self.seconds, 3),
        }


def _shown(value: object) -> object:
    return value if isinstance(value, (str, int, float)) else None
