"""What tests of prune and of its archives share."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import apsw

from hyperjobs.maintenance.prune.directory import LATEST, ArchiveDirectory
from hyperjobs.maintenance.prune.reading import archived_rows, manifest_of
from hyperjobs.maintenance.prune.task import PruneTask
from hyperjobs.maintenance.prune.undo import undo
from hyperjobs.maintenance.task import Report, Turn
from hyperjobs.store.cells import id_of
from hyperjobs.store.retention import Retention
from hyperjobs.testing import START, FakeClock
from support.ledgers import insert, make_store
from support.stores import BUSY_MS

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.maintenance.prune.manifest import ArchiveManifest

DAY = timedelta(days=1)
FINISHED = ("cancelled", "completed", "failed")
ALL_30D = Retention(dict.fromkeys(FINISHED, 30 * DAY))


class Pruned:
    """A store and the directory of its archives; the clock stands at ``START``."""

    def __init__(self, folder: Path) -> None:
        self.store = make_store(folder / "jobs.db")
        self.directory = ArchiveDirectory(folder / "pruned")
        self.clock = FakeClock()
        self._numbers = itertools.count()

    def add(self, count: int, status: str = "completed", *, days: float = 40, **values: Any) -> list[str]:
        """Save jobs that ended so many days ago, a second apart; their ids, the oldest first."""
        db = apsw.Connection(str(self.store))
        db.set_busy_timeout(10_000)
        ids = []
        with db:
            for place in range(count):
                ended = START - days * DAY + timedelta(seconds=place)
                ids.append(f"{status}-{next(self._numbers):05}")
                times = {"created": str(ended - timedelta(hours=2)), "started": str(ended - timedelta(hours=1))}
                insert(db, ids[-1], status, **{**times, "completed": str(ended), **values})
        db.close()
        return ids

    def sql(self, *statements: str) -> None:
        """Run statements as some other program would."""
        db = apsw.Connection(str(self.store))
        db.set_busy_timeout(BUSY_MS)
        for statement in statements:
            db.execute(statement).fetchall()
        db.close()

    def ids(self) -> set[str]:
        """What the store holds."""
        db = apsw.Connection(str(self.store))
        db.set_busy_timeout(BUSY_MS)
        try:
            return {row[0] for row in db.execute("SELECT id FROM jobs")}
        finally:
            db.close()

    def turn(self, **changes: Any) -> Turn:
        """A run at the clock's time."""
        return Turn(**{"now": self.clock.now(), "clock": self.clock, **changes})

    def task(self, retention: Retention = ALL_30D, **options: Any) -> PruneTask:
        """The task, with archives unless told and no limit on its share."""
        values = {"archive_directory": self.directory.path, "max_share": 1.0, **options}
        return PruneTask(self.store, retention=retention, **values)

    def prune(self, retention: Retention = ALL_30D, *, turn: Turn | None = None, **options: Any) -> Report:
        """Prune once."""
        return self.task(retention, **options).run(turn or self.turn())

    def undo(self, run: str = LATEST, **options: Any) -> tuple[int, int]:
        """Bring back; how many came and how many were there."""
        turn = options.pop("turn", None) or self.turn()
        done = undo(self.store, self.directory, run, turn, **options)
        return done.returned, done.there

    def manifest(self, run: str = LATEST) -> ArchiveManifest:
        """What the archive of a run says of itself."""
        found = manifest_of(self.directory, self.directory.find(run))
        assert found is not None
        return found

    def archived(self, run: str = LATEST) -> set[str]:
        """The ids that an archive would bring back."""
        name = self.directory.find(run)
        return {id_of(cells) for cells in archived_rows(self.directory.path / name.data, self.manifest(run))}
