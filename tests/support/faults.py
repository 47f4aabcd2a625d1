"""A disk that fails when it is told to: an SQLite VFS, and sweeps over every place where it can fail.

The VFS is the default one of its process, so that the code under test opens stores as it always does; therefore it is
installed in a process of its own, by :func:`sweep_in_child`.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    from collections.abc import Callable

_TESTS = Path(__file__).parents[1]
_BASE = "unix"


@dataclass(frozen=True)
class Kind:
    """One way of failing.

    Attributes:
        operation: that fails: write, sync, truncate, read.
        code: SQLite's, extended.
        is_torn: half of it is written first.
    """

    operation: str
    code: int
    is_torn: bool = False


KINDS = {
    "write: disk full": Kind("write", apsw.SQLITE_FULL),
    "write: I/O error": Kind("write", apsw.SQLITE_IOERR_WRITE),
    "write: torn, then disk full": Kind("write", apsw.SQLITE_FULL, is_torn=True),
    "sync: I/O error": Kind("sync", apsw.SQLITE_IOERR_FSYNC),
    "truncate: I/O error": Kind("truncate", apsw.SQLITE_IOERR_TRUNCATE),
    "read: I/O error": Kind("read", apsw.SQLITE_IOERR_READ),
}


class Faults:
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
        self.counts = dict.fromkeys(("write", "sync", "truncate", "read"), 0)
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


def sweep(scenario: Callable[[Faults, Kind | None, int, bool], tuple[str | None, str]], *, most: int) -> list[Point]:
    """Run a scenario once for each of about ``most`` places, spread evenly over every kind.

    Args:
        scenario: prepares a store, arms the faults, works, disarms them and looks; returns the name of the error, and
            what is wrong.
        most: about so many points.
    """
    faults = install()
    scenario(faults, None, 0, False)  # noqa: FBT003 - not sticky
    counts = dict(faults.counts)
    chosen = []
    for name, kind in KINDS.items():
        places = [(name, nth, is_sticky) for nth in range(1, counts[kind.operation] + 1) for is_sticky in (False, True)]
        step = max(1, len(places) * len(KINDS) // most)
        # an even step would only ever take those that happen once
        chosen += places[:: step if step == 1 or step % 2 else step + 1]
    points = []
    for name, nth, is_sticky in chosen:
        error, wrong = scenario(faults, KINDS[name], nth, is_sticky)
        points.append(Point(name, nth, is_sticky, faults.fired, error, wrong))
    return points


def sweep_in_child(scenario: str, *, directory: Path, most: int) -> list[Point]:
    """Run :func:`sweep` in a process of its own.

    Args:
        scenario: ``module:function`` below ``tests/``; called with ``directory``, it returns the scenario.
        directory: an empty one.
        most: as for ``sweep``.
    """
    path = os.pathsep.join([str(_TESTS), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "support.faults", scenario, str(directory), str(most)],
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
    points = importlib.import_module("support.faults").sweep(scenario, most=int(sys.argv[3]))
    sys.stdout.write("\n" + json.dumps([vars(point) for point in points]) + "\n")


if __name__ == "__main__":
    main()
