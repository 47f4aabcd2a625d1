"""The same lives of jobs through other libraries; each is imported only where it is measured.

They run in an environment of their own (requirements/peers.txt), so nothing here imports hyperjobs. Each is used as its
documentation shows for one row, with a statement a transaction, WAL and synchronous NORMAL.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PEERS = {"SQLAlchemy Core": "sqlalchemy_core", "peewee": "peewee", "sqlite-utils": "sqlite_utils"}
"""Its name → the function here."""

_PROGRESS = (25.0, 50.0, 75.0)

Row = dict[str, Any]


def _rate(lives: int, save: Callable[[Row], object], update: Callable[[str, str, Any], object]) -> float:
    """Lives a second; the conversions are those of the library."""
    chance = random.Random()  # noqa: S311 - no secret
    started = time.perf_counter()
    for _ in range(lives):
        job_id, created = uuid.UUID(int=chance.getrandbits(128)).hex, datetime.now(UTC)
        save(_row(job_id, "pending", created, None, None))
        update(job_id, "status", "running")
        save(_row(job_id, "running", created, created, None))
        for percent in _PROGRESS:
            update(job_id, "progress", percent)
        save(_row(job_id, "completed", created, created, created + timedelta(minutes=30)))
    return lives / (time.perf_counter() - started)


def _row(job_id: str, status: str, created: datetime, started: datetime | None, completed: datetime | None) -> Row:
    return {
        "id": job_id,
        "name": "Export vm-1",
        "vm_name": "vm-1",
        "vm_path": "/datacenter/vm/vm-1",
        "provider": "vsphere",
        "output_dir": "/exports/vm-1",
        "status": status,
        "created_at": _text(created),
        "started_at": _text(started),
        "completed_at": _text(completed),
        "progress": 100.0 if completed else 0.0,
        "error": "",
        "metadata": json.dumps({"format": "ova", "compress": True}),
        "user": "user-1",
        "total_size": 10**9 if completed else 0,
        "files_count": 3 if completed else 0,
    }


def _text(at: datetime | None) -> str | None:
    return at.isoformat(" ", "microseconds") if at else None


def sqlalchemy_core(path: str, lives: int) -> float:
    """SQLAlchemy Core: an engine, a transaction a statement."""
    import sqlalchemy as sa  # noqa: PLC0415

    engine = sa.create_engine(f"sqlite:///{path}")

    @sa.event.listens_for(engine, "connect")
    def _(connection: Any, _: object) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")

    jobs = sa.Table("jobs", sa.MetaData(), autoload_with=engine)
    # Reflected as DateTime, which would refuse the text the rows hold.
    for column in jobs.columns:
        if column.name.endswith("_at"):
            column.type = sa.String()

    def save(row: Row) -> None:
        with engine.begin() as connection:
            connection.execute(jobs.insert().prefix_with("OR REPLACE"), row)

    def update(job_id: str, column: str, value: Any) -> None:
        with engine.begin() as connection:
            connection.execute(jobs.update().where(jobs.c.id == job_id).values({column: value}))

    return _rate(lives, save, update)


def peewee(path: str, lives: int) -> float:
    """Peewee: a model, each query its own transaction."""
    import peewee as pw  # noqa: PLC0415

    class Job(pw.Model):
        id = pw.TextField(primary_key=True)
        progress = pw.FloatField()
        total_size = pw.IntegerField()
        files_count = pw.IntegerField()

        class Meta:
            database = pw.SqliteDatabase(path, pragmas={"synchronous": 1})
            table_name = "jobs"

    for name in _row("", "", datetime.now(UTC), None, None):
        if name not in Job._meta.fields:
            Job._meta.add_field(name, pw.TextField(null=True))

    def update(job_id: str, column: str, value: Any) -> None:
        Job.update({column: value}).where(Job.id == job_id).execute()

    return _rate(lives, lambda row: Job.replace(**row).execute(), update)


def sqlite_utils(path: str, lives: int) -> float:
    """sqlite-utils: a table's insert and update."""
    import sqlite_utils as su  # noqa: PLC0415

    db = su.Database(path)
    db.execute("PRAGMA synchronous=NORMAL")
    table = db["jobs"]

    def update(job_id: str, column: str, value: Any) -> None:
        table.update(job_id, {column: value})

    return _rate(lives, lambda row: table.insert(row, replace=True, pk="id"), update)
