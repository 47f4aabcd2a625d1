"""A writer at a steady rate, in a process of its own, as the daemon would be: ``python -m bench.writers PATH RATE``.

Seven statements a job, each its own transaction at synchronous NORMAL, as hypersdk's client writes them. SIGTERM ends
it, and then it says how long its statements took.
"""

from __future__ import annotations

import json
import signal
import sys
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import apsw

from bench.child import environment
from bench.dataset import PROVIDERS, SAVE, dice
from bench.report import quantile
from support.processes import running

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

RATE = 500
"""Statements a second."""

Statement = tuple[str, tuple[Any, ...]]


class Waits:
    """How long the writer's statements took, in seconds; known once its block has ended."""

    statements = 0
    p50 = p99 = longest = 0.0


@contextmanager
def steady(store: Path, rate: int = RATE) -> Iterator[Waits]:
    """A writer at work for the length of a block."""
    waits = Waits()
    command = [sys.executable, "-m", "bench.writers", str(store), str(rate)]
    with running(command, env=environment()) as process:
        process.until(lambda: "ready" in process.output, "a writer that is ready")
        yield waits
        assert process.stop(timeout_s=30) == 0, process.output
    for name, value in json.loads(process.output.splitlines()[-1]).items():
        setattr(waits, name, value)


def life(job_id: str, chance: random.Random) -> list[Statement]:
    """The statements of one job's life."""
    created = datetime.now(UTC)
    provider, vm, user = chance.choice(PROVIDERS), f"vm-{chance.randrange(1000)}", f"user-{chance.randrange(50)}"

    def save(status: str, started: object, completed: object, progress: float, size: int) -> Statement:
        times = (created.isoformat(" "), started and str(started), completed and str(completed))
        rest = (progress, "", '{"format":"ova","compress":true}', user, size, size // 1000)
        return SAVE, (job_id, f"Export {vm}", vm, f"/vm/{vm}", provider, f"/exports/{vm}", status, *times, *rest)

    started = created + timedelta(seconds=1)
    progress = [("UPDATE jobs SET progress=? WHERE id=?", (percent, job_id)) for percent in (25.0, 50.0, 75.0)]
    return [
        save("pending", None, None, 0.0, 0),
        ("UPDATE jobs SET status=? WHERE id=?", ("running", job_id)),
        save("running", started, None, 0.0, 0),
        *progress,
        save("completed", started, started + timedelta(minutes=30), 100.0, 10**9),
    ]


def main() -> None:
    """Write until told to end."""
    path, rate = sys.argv[1], float(sys.argv[2])
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    db.set_busy_timeout(30_000)
    db.execute("PRAGMA synchronous=NORMAL").fetchall()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    chance = dice()
    took: list[float] = []
    due = time.perf_counter()
    while not stopping:
        for sql, values in life(uuid.uuid4().hex, chance):
            started = time.perf_counter()
            db.execute(sql, values).fetchall()
            ended = time.perf_counter()
            took.append(ended - started)
            # What came late is not made up for: a stall would else be followed by a burst.
            due = max(due + 1 / rate, ended)
            time.sleep(due - ended)
    db.close()
    answer = {"statements": len(took), "p50": quantile(took, 0.5), "p99": quantile(took, 0.99), "longest": max(took)}
    sys.stdout.write(f"{json.dumps(answer)}\n")


if __name__ == "__main__":
    main()
