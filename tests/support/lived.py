"""A store that has been lived in: jobs came, changed and went, so that pages are free and rowids have gaps."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import apsw

from support.ledgers import HYPERSDK_SCHEMA
from support.stores import BUSY_MS

if TYPE_CHECKING:
    from pathlib import Path

STATUSES = ("pending", "running", "completed", "failed", "cancelled")


def job(number: int, chance: random.Random, **values: Any) -> tuple[Any, ...]:
    """A job as hypersdk writes it; some hold a long error, and so lie on several pages."""
    status = chance.choice(STATUSES)
    row = {
        "id": f"{chance.getrandbits(64):016x}" if number % 2 else f"job-{number:08}",
        "name": f"Export {number}",
        "vm_name": f"vm-{number % 97}",
        "vm_path": "/dc/vm/x",
        "provider": ("vsphere", "aws", "azure")[number % 3],
        "output_dir": "/exports",
        "status": status,
        "created_at": f"2026-01-{1 + number // 60 % 28:02} 10:{number % 60:02}:00.{number % 1000:03}000+00:00",
        "started_at": f"2026-02-01 10:{number % 60:02}:00+00:00" if status != "pending" else None,
        "completed_at": "2026-02-01 11:00:00+00:00" if status == "completed" else None,
        "progress": chance.choice([0.0, 33.25, 100.0]),
        "error": f"failed at step {number}: " + "lost connection " * (400 if number % 61 == 0 else number % 12),
        "metadata": f'{{"attempt":{number}}}' if number % 4 else "null",
        "user": f"user-{number % 7}",
        "total_size": number * 1_000_003,
        "files_count": number % 250,
        **values,
    }
    return tuple(row.values())


def lived_in(path: Path, jobs: int = 1200, *, auto_vacuum: bool = False, seed: int = 1) -> Path:
    """Make one, in one file, without a -wal."""
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_MS)
    db.execute(f"PRAGMA auto_vacuum={'INCREMENTAL' if auto_vacuum else 'NONE'}").fetchall()
    db.execute(HYPERSDK_SCHEMA).fetchall()
    marks = ",".join("?" * 16)
    with db:
        db.executemany(f"INSERT INTO jobs VALUES({marks})", [job(number, chance) for number in range(jobs)])
    with db:
        db.execute("DELETE FROM jobs WHERE rowid BETWEEN ? AND ?", (jobs // 5, jobs // 4))
        db.execute("DELETE FROM jobs WHERE rowid%11=3 AND status IN ('completed','failed')")
    with db:
        db.execute(
            "UPDATE jobs SET status='completed',progress=100,completed_at='2026-02-02 10:00:00+00:00' WHERE rowid%5=1"
        )
        db.executemany(
            f"INSERT OR REPLACE INTO jobs VALUES({marks})",
            [job(number, chance, id=f"job-{number:08}") for number in range(0, jobs, 40)],
        )
    db.close()
    return path


def rows_of(path: Path) -> dict[int, tuple[Any, ...]]:
    """Every row by its rowid."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {row[0]: row[1:] for row in db.execute("SELECT rowid,* FROM jobs")}
    finally:
        db.close()
