"""The processes of a demo: started one after the other, watched, and all ended, whatever happens."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

_STOP_S: Final = 5.0
_POLL_S: Final = 0.2
_TAIL: Final = 8


class DemoError(Exception):
    """The demo cannot go on; the message says what and why."""


def outside() -> dict[str, str]:
    """The environment without options for another agent than the demo's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HYPERJOBS_")}


class Children:
    """Processes that live as long as a block.

    Each is in a session of its own, so that Ctrl-C reaches the one who ends them in order; when that one is killed, the
    kernel ends them.

    Args:
        logs: the directory that gets what each of them says.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> None:
        """Start one.

        Raises:
            DemoError: the program cannot be started.
        """
        tied = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        try:
            with self.log(name).open("wb") as log:
                self._running[name] = subprocess.Popen(  # noqa: S603 - our own programs
                    [*tied, *map(str, command)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**outside(), "PYTHONUNBUFFERED": "1", **(env or {})},
                    start_new_session=True,
                )
        except OSError as exc:
            raise DemoError(f"{name} cannot be started: {exc}") from exc

    def run(self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> str:
        """Run one to its end; what it said.

        Raises:
            DemoError: it failed.
        """
        self.start(name, command, env=env)
        code = self._running[name].wait()
        del self._running[name]
        if code:
            raise DemoError(self._why(name, code))
        return self._said(name)

    def pid(self, name: str) -> int:
        """The process id of one that was started."""
        return self._running[name].pid

    def log(self, name: str) -> Path:
        """Where what it says goes."""
        return self._logs / f"{name}.log"

    def check(self) -> None:
        """Return while all of them run.

        Raises:
            DemoError: one ended; the message says which, how, and its last lines.
        """
        for name, child in self._running.items():
            if (code := child.poll()) is not None:
                raise DemoError(self._why(name, code))

    def until(self, condition: Callable[[], object], what: str, *, timeout_s: float = 60.0) -> None:
        """Wait until something holds, while all of them run.

        Raises:
            DemoError: one ended, or the time is over.
        """
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            self.check()
            if time.monotonic() > deadline_s:
                raise DemoError(f"{what} did not come within {timeout_s:g} s; see {self._logs}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """End them all, the last first; after five seconds by force."""
        deadline_s = time.monotonic() + _STOP_S
        for child in reversed(self._running.values()):
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(deadline_s - time.monotonic(), 0.1))
        for child in self._running.values():
            if child.poll() is None:
                child.kill()
                child.wait()
        self._running.clear()

    def _why(self, name: str, code: int) -> str:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        last = "\n".join(f"  {line}" for line in self._said(name).splitlines()[-_TAIL:])
        return f"{name} {how}; its last lines, of {self.log(name)}:\n{last}"

    def _said(self, name: str) -> str:
        return self.log(name).read_text(encoding="utf-8", errors="replace")
