"""Where a demo lives: a directory of its own, one demo at a time, and addresses that are free."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from demo.children import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOGS: Final = "log"
"""By this folder in it a directory is known as a demo's."""


@contextmanager
def claimed(directory: Path, *, fresh: bool) -> Iterator[None]:
    """Have a directory to oneself for the length of a block.

    Args:
        directory: made where it is not.
        fresh: delete what another demo left in it.

    Raises:
        DemoError: a demo runs in it, or it is full of something else.
    """
    directory.mkdir(parents=True, exist_ok=True)
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"another demo runs in {directory}: end it, or give another --directory") from None
        if any(directory.iterdir()) and not (directory / LOGS).is_dir():
            raise DemoError(f"{directory} is not empty, and no demo's: give another --directory")
        if fresh:
            for path in directory.iterdir():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        yield
    finally:
        os.close(held)


def address(port: int, option: str) -> str:
    """The ``host:port`` to listen on; of port 0 one that is free.

    Raises:
        DemoError: somebody listens there; the message names the option that changes it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as exc:
            raise DemoError(f"port {port} cannot be had ({exc}): give another with {option}, or 0 for any") from exc
        return f"127.0.0.1:{probe.getsockname()[1]}"
