"""A systemd unit, read as systemd reads it, as far as the tests apply it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Unit:
    """The settings of a service and its drop-ins; an empty assignment forgets what stood before it."""

    def __init__(self, *files: Path) -> None:
        self._settings: dict[str, list[str]] = {}
        for file in files:
            for line in file.read_text(encoding="utf-8").splitlines():
                key, equals, value = line.partition("=")
                if not equals or line.startswith(("#", ";")):
                    continue
                values = self._settings.setdefault(key.strip(), [])
                values.append(value.strip()) if value.strip() else values.clear()

    def last(self, key: str, default: str = "") -> str:
        """The value of a setting that holds one."""
        return ([default, *self._settings.get(key, [])])[-1]

    def words(self, key: str) -> list[str]:
        """The words of a setting that holds a list."""
        return [word for value in self._settings.get(key, []) for word in value.split()]

    def has(self, key: str) -> bool:
        """Whether it is assigned at all, be it nothing."""
        return key in self._settings

    def system_calls(self) -> set[str]:
        """The system calls that ``SystemCallFilter=`` leaves, by name."""
        allowed: set[str] = set()
        for value in self._settings.get("SystemCallFilter", []):
            names = {name for word in value.removeprefix("~").split() for name in _expanded(word)}
            allowed = allowed - names if value.startswith("~") else allowed | names
        return allowed


def _expanded(word: str) -> set[str]:
    """A group of system calls, such as ``@system-service``, down to their names."""
    if not word.startswith("@"):
        return {word}
    command = ["systemd-analyze", "--no-pager", "syscall-filter", word]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    members = [line.strip() for line in listed[1:] if line.strip() and not line.strip().startswith("#")]
    return {name for member in members for name in _expanded(member)}
