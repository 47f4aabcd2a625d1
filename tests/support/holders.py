"""Other processes that hold a store's locks, or a transaction open, for as long as a test wants."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HOLDER = """
import apsw, sys
db = apsw.Connection(sys.argv[1])
db.set_busy_timeout(20_000)
for sql in sys.argv[2:]:
    db.execute(sql).fetchall()
print("held", flush=True)
sys.stdin.read()
if db.in_transaction:
    db.execute("ROLLBACK")
"""


@contextmanager
def held(store: Path, *statements: str) -> Iterator[int]:
    """Another process that ran these statements and stays where they left it; its pid. It rolls back at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, store, *statements], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process.pid
    finally:
        process.stdin.close()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def execute(store: Path, *statements: str) -> None:
    """Run statements in a process of their own, as another program does."""
    with held(store, *statements):
        pass
