"""A disk that fails when it is told to: an SQLite VFS, and sweeps over every place where it can fail.

The VFS is the default one of its process, so that the code under test opens stores as it always does; therefore it is
installed in a process of its own, by :func:`sweep_in_child`. What that code does with files by itself fails too, by
:mod:`support.system_calls`.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from support import system_calls
from support.system_calls import EACCES, EIO, ENOSPC

if TYPE_CHECKING:
    from collections.abc import Mapping

_TESTS = Path(__file__).parents[1]
_BASE = "unix"


@dataclass(frozen=True)
class Kind:
    """One way of failing.

    Attributes:
        operation: that fails: write, sync, truncate, read, open; with ``file`` before it, by our own code.
        code: SQLite's, extended; the system's where our own code fails.
        is_torn: half of it is written first.
        is_short: half of it is done, and the system says so: no error, as it may do with any call.
    """

    operation: str
    code: int
    is_torn: bool = False
    is_short: bool = False


KINDS = {
    "write: disk full": Kind("write", apsw.SQLITE_FULL),
    "write: I/O error": Kind("write", apsw.SQLITE_IOERR_WRITE),
    "write: torn, then disk full": Kind("write", apsw.SQLITE_FULL, is_torn=True),
    "sync: I/O error": Kind("sync", apsw.SQLITE_IOERR_FSYNC),
    "truncate: I/O error": Kind("truncate", apsw.SQLITE_IOERR_TRUNCATE),
    "read: I/O error": Kind("read", apsw.SQLITE_IOERR_READ),
    "open: not permitted": Kind("open", apsw.SQLITE_CANTOPEN),
}
FILE_KINDS = {
    **KINDS,
    "file open: not permitted": Kind("file open", EACCES),
    "file write: disk full": Kind("file write", ENOSPC),
    "file write: I/O error": Kind("file write", EIO),
    "file write: torn, then disk full": Kind("file write", ENOSPC, is_torn=True),
    "file write: short": Kind("file write", 0, is_short=True),
    "file sync: I/O error": Kind("file sync", EIO),
    "file name: I/O error": Kind("file name", EIO),
    "file name: disk full": Kind("file name", ENOSPC),
    "file read: I/O error": Kind("file read", EIO),
    "file read: short": Kind("file read", 0, is_short=True),
}
"""What can happen to a task that also copies, syncs, names and removes files itself."""


class Faults(system_calls.Watch):
    """What fails next.

    Attributes:
        counts: operations seen between the last :meth:`arm` and its :meth:`disarm`.
        fired: how often one failed since then.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.fired = 0
        self._is_armed = False
        self._kind: Kind | None = None
        self._nth = 0
        self._is_sticky = False

    def arm(self, kind: Kind | None, nth: int = 0, *, is_sticky: bool = False) -> None:
        """Let the n-th operation of this kind fail, and all after it when it is sticky; ``None`` only counts."""
        self._is_armed = True
        self._kind, self._nth, self._is_sticky = kind, nth, is_sticky
        self.counts = dict.fromkeys(("write", "sync", "truncate", "read", "open", *system_calls.OPERATIONS), 0)
        self.fired = 0

    def disarm(self) -> int:
        """Let all go well again, and count no further; returns how often something failed."""
        self._is_armed = False
        return self.fired

    def look(self, operation: str) -> Kind | None:
        """What is to happen to this operation: ``None`` is what it should."""
        if not self._is_armed:
            return None
        self.counts[operation] += 1
        kind = self._kind
        if kind is None or kind.operation != operation:
            return None
        number = self.counts[operation]
        if number < self._nth or (number > self._nth and not self._is_sticky):
            return None
        self.fired += 1
        return kind


def install() -> Faults:  # noqa: C901 - SQLite's methods, each a line or two
    """Make the failing disk the default of this process, for good."""
    faults = Faults()

    class File(apsw.VFSFile):
        def __init__(self, name: Any, flags: list[int]) -> None:
            super().__init__(_BASE, name, flags)

        def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
            kind = faults.look("write")
            if kind is not None:
                if kind.is_torn:
                    super().xWrite(data[: len(data) // 2], offset)
                raise apsw.exception_for(kind.code)
            super().xWrite(data, offset)

        def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - as above
            _fail(faults.look("read"))
            return super().xRead(amount, offset)

        def xSync(self, flags: int) -> None:  # noqa: N802 - as above
            _fail(faults.look("sync"))
            super().xSync(flags)

        def xTruncate(self, newsize: int) -> None:  # noqa: N802 - as above
            _fail(faults.look("truncate"))
            super().xTruncate(newsize)

    class Disk(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("hyperjobs-faults", base=_BASE, makedefault=True)

        def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - as above
            _fail(faults.look("open"))
            return File(name, flags)

        def excepthook(self, *_: object) -> None:
            """Errors of the disk are what the test is about; they need no traceback each."""

    # kept with what it serves: SQLite has only a pointer to it
    faults.disk = Disk()  # type: ignore[attr-defined]
    return faults


def _fail(kind: Kind | None) -> None:
    if kind is not None:
        raise apsw.exception_for(kind.code)


@dataclass(frozen=True)
class Point:
    """One place and way of failing, and what came of it.

    Attributes:
        fired: how often the disk failed.
        error: the name of what was raised; ``None`` when all went well.
        wrong: what is not as it must be afterwards; empty when all is.
    """

    kind: str
    nth: int
    is_sticky: bool
    fired: int
    error: str | None
    wrong: str


Scenario = Callable[[Faults, Kind | None, int, bool], tuple[str | None, str]]


def sweep(scenario: Scenario, *, most: int, kinds: Mapping[str, Kind] = KINDS, root: Path | None = None) -> list[Point]:
    """Run a scenario once for each of about ``most`` places, spread evenly over every kind.

    Args:
        scenario: prepares a store, arms the faults, works, disarms them and looks; returns the name of the error, and
            what is wrong.
        most: about so many points.
        kinds: the ways of failing.
        root: where what our own code does with files fails too; ``None`` is nowhere.
    """
    faults = install()
    if root is not None:
        system_calls.install(root, faults)
    scenario(faults, None, 0, False)  # noqa: FBT003 - not sticky
    counts = dict(faults.counts)
    chosen = []
    for name, kind in kinds.items():
        places = [(name, nth, is_sticky) for nth in range(1, counts[kind.operation] + 1) for is_sticky in (False, True)]
        step = max(1, len(places) * len(kinds) // most)
        # an even step would only ever take those that happen once
        chosen += places[:: step if step == 1 or step % 2 else step + 1]
    points = []
    for name, nth, is_sticky in chosen:
        error, wrong = scenario(faults, kinds[name], nth, is_sticky)
        points.append(Point(name, nth, is_sticky, faults.fired, error, wrong))
    return points


def sweep_in_child(scenario: str, *, directory: Path, most: int, of_files: bool = False) -> list[Point]:
    """Run :func:`sweep` in a process of its own.

    Args:
        scenario: ``module:function`` below ``tests/``; called with ``directory``, it returns the scenario.
        directory: an empty one.
        most: as for ``sweep``.
        of_files: whether what our own code does with files fails too, everywhere below ``directory``.
    """
    path = os.pathsep.join([str(_TESTS), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "support.faults", scenario, str(directory), str(most), "files" if of_files else ""],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [Point(**point) for point in json.loads(done.stdout.splitlines()[-1])]


def main() -> None:
    """Answer one call of :func:`sweep_in_child`."""
    module, _, name = sys.argv[1].partition(":")
    scenario = getattr(importlib.import_module(module), name)(Path(sys.argv[2]))
    # by its own name, or this module would be there twice
    own = importlib.import_module("support.faults")
    options = {"kinds": own.FILE_KINDS, "root": Path(sys.argv[2])} if sys.argv[4] else {}
    points = own.sweep(scenario, most=int(sys.argv[3]), **options)
    sys.stdout.write("\n" + json.dumps([vars(point) for point in points]) + "\n")


if __name__ == "__main__":
    main()
