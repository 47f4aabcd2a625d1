"""What the system says of a process that has the store open."""

from __future__ import annotations

import os
import pwd
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from hyperjobs.duration import format_duration
from hyperjobs.store.holder import command_of

_STATE, _START = 0, 19
"""Places in /proc/PID/stat behind the name: proc(5) counts them from 3."""
_STOPPED: Final = frozenset("tT")


@dataclass(frozen=True, slots=True)
class Process:
    """One process.

    Attributes:
        command: its program, with the script that an interpreter runs.
        user: whose it is.
        age_s: since it was started; ``None`` when the system does not tell.
        is_stopped: a SIGSTOP or a debugger holds it.
    """

    pid: int
    command: str
    user: str
    age_s: float | None
    is_stopped: bool

    def text(self) -> str:
        """As a person names it: ``pid 12 (hypervisord, user root, started 3h ago)``."""
        parts = [self.command or "already gone"]
        if self.user:
            parts.append(f"user {self.user}")
        if self.age_s is not None:
            parts.append(f"started {shown(self.age_s)} ago")
        if self.is_stopped:
            parts.append("stopped")
        return f"pid {self.pid} ({', '.join(parts)})"


def process_of(pid: int) -> Process:
    """What is known of a process; of one that is gone, its id."""
    fields = _fields(pid)
    age_s = None
    if len(fields) > _START:
        started_s = int(fields[_START]) / os.sysconf("SC_CLK_TCK")
        age_s = max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started_s)
    return Process(pid, _command(pid), _user(pid), age_s, bool(fields) and fields[_STATE] in _STOPPED)


def shown(seconds: float) -> str:
    """A span of time, coarse: ``3h``, ``2d``."""
    steps = (86_400, 3_600, 60, 1)
    step = next((each for each in steps if seconds >= 2 * each), 1)
    return format_duration(timedelta(seconds=int(seconds // step) * step))


def _fields(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _command(pid: int) -> str:
    """The program, and the script of an interpreter; options are left out, for one may be a secret."""
    name = command_of(pid)
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return name
    script = words[1] if len(words) > 1 and words[1].startswith("/") else ""
    return f"{name} {script}" if script else name


def _user(pid: int) -> str:
    try:
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
