"""Other programs that look after the same file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.store.connection import Connection


LITESTREAM: Final = "litestream"
"""What its process is called."""


def litestream_beside(connection: Connection, path: Path) -> bool:
    """Whether Litestream replicates the store, or did: its table is in it, or its directory beside it.

    It checkpoints by itself and holds a read transaction all along. A checkpoint that waits for readers (FULL, RESTART,
    TRUNCATE) would wait for its whole timeout, make the writers wait as well, and empty nothing.
    """
    if path.with_name(f".{path.name}-litestream").is_dir():
        return True
    return bool(connection.rows("SELECT 1 FROM sqlite_schema WHERE type='table' AND name='_litestream_seq'"))
