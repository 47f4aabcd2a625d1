"""Stores of a given size, made once and copied for each measurement.

Five providers, fifty users, a thousand machines, a year of jobs, 85 of 100 completed; ids are random, as they are in
life, so that an insert touches pages all over the file.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from importlib import resources
from typing import TYPE_CHECKING, Any

import apsw

from bench.child import call

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROVIDERS = ("vsphere", "aws", "azure", "gcp", "hyperv")
_PROVIDER_SHARES = (50, 20, 15, 10, 5)
_OUTCOMES = ("completed", "failed", "cancelled")
_OUTCOME_SHARES = (85, 10, 5)
_YEAR_S = 365 * 86_400
_PER_COMMIT = 50_000
SAVE = f"INSERT OR REPLACE INTO jobs VALUES({','.join('?' * 16)})"

Row = tuple[Any, ...]


def ledger_version() -> str:
    """What tells a ledger made by this code from one that its agent would have to make anew."""
    files = resources.files("hyperjobs.store.ledger")
    sql = "".join(files.joinpath(name).read_text() for name in ("tables.sql", "triggers.sql"))
    return hashlib.sha256(sql.encode()).hexdigest()[:8]


class Directory:
    """Where stores are kept while the benchmarks run: about 0.5 kB a job."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def template(
        self, jobs: int, *, unfinished: int = 100, ledger: bool = False, zones: tuple[int, ...] = (0,)
    ) -> Path:
        """A store to be copied, not written.

        Args:
            jobs: how many.
            unfinished: the newest so many are pending or running, half and half.
            ledger: adopted by an agent that has folded everything.
            zones: hours east of UTC of its writers; the times are written so.
        """
        name = f"{jobs}-{unfinished}-{'_'.join(map(str, zones))}"
        path = self.path / f"{name}{f'-ledger-{ledger_version()}' if ledger else ''}.db"
        if path.exists():
            return path
        making = path.with_suffix(".making")
        for old in self.path.glob(making.name + "*"):
            old.unlink()
        if ledger:
            shutil.copyfile(self.template(jobs, unfinished=unfinished, zones=zones), making)
            call("bench.keeping:adopt", path=making, state=making.with_suffix(".state"))
        else:
            call("bench.dataset:make", path=making, jobs=jobs, unfinished=unfinished, zones=zones)
        return making.rename(path)

    @contextmanager
    def copy(self, template: Path | None = None) -> Iterator[Path]:
        """A copy to write to, for the length of a block, in a folder of its own; without a template an empty place."""
        folder = self.path / f"run-{time.monotonic_ns()}"
        folder.mkdir()
        try:
            path = folder / "jobs.db"
            if template is not None:
                shutil.copyfile(template, path)
            yield path
        finally:
            shutil.rmtree(folder)


def make(path: str, jobs: int, unfinished: int, zones: list[int]) -> None:
    """Write a store as hypersdk lays it out, in WAL mode."""
    db = apsw.Connection(path)
    db.execute("PRAGMA journal_mode=WAL").fetchall()
    db.execute("PRAGMA synchronous=OFF").fetchall()
    db.execute(resources.files("hyperjobs.store").joinpath("schema.sql").read_text()).fetchall()
    pending = list(rows(jobs, unfinished=unfinished, zones=zones))
    for start in range(0, jobs, _PER_COMMIT):
        with db:
            db.executemany(SAVE, pending[start : start + _PER_COMMIT])
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    db.close()


def rows(jobs: int, *, unfinished: int, zones: list[int], seed: int = 1) -> Iterator[Row]:
    """Rows of ``jobs``, oldest first."""
    chance = dice(seed)
    offsets = [timezone(timedelta(hours=hours)) for hours in zones]
    metadata = json.dumps({"format": "ova", "compress": True})
    began_s = time.time() - _YEAR_S
    for number in range(jobs):
        zone = offsets[number % len(offsets)]
        created_s = began_s + _YEAR_S * number / jobs
        started_s = created_s + chance.random() * 60
        completed_s = started_s + chance.expovariate(1 / 1800)
        vm = f"vm-{chance.randrange(1000)}"
        status = chance.choices(_OUTCOMES, _OUTCOME_SHARES)[0]
        if number >= jobs - unfinished:
            status = "pending" if number % 2 else "running"
        is_finished = status in _OUTCOMES
        is_completed = status == "completed"
        yield (
            f"{chance.getrandbits(128):032x}",
            f"Export {vm}",
            vm,
            f"/datacenter/vm/{vm}",
            chance.choices(PROVIDERS, _PROVIDER_SHARES)[0],
            f"/exports/{vm}",
            status,
            _text(created_s, zone),
            None if status == "pending" else _text(started_s, zone),
            _text(completed_s, zone) if is_finished else None,
            100.0 if is_completed else 40.0,
            "transfer failed: timeout" if status == "failed" else "",
            metadata,
            f"user-{chance.randrange(50)}",
            chance.randrange(10**11) if is_completed else 0,
            chance.randrange(1, 20) if is_completed else 0,
        )


def dice(seed: int | None = None) -> random.Random:
    """Chance, the same each time for the same seed."""
    return random.Random(seed)  # noqa: S311 - no secret


def _text(at_s: float, zone: timezone) -> str:
    return datetime.fromtimestamp(at_s, zone).isoformat(" ", "microseconds")
