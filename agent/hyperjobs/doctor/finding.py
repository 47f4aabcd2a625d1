"""What a check found, and what all findings together come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Level(StrEnum):
    """How bad it is; the words are stable."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


ORDER: Final = (Level.FAILED, Level.WARNING, Level.SKIPPED, Level.OK)
"""From the worst on, as people are told."""

FAILED, DAMAGED, LOCKED, NO_SPACE, REFUSED, NO_STORE = 1, 3, 4, 5, 6, 7
_PRECEDENCE: Final = (NO_STORE, DAMAGED, NO_SPACE, LOCKED, REFUSED, FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is so.

    Attributes:
        check: the name of the check that found it.
        message: one line.
        remedy: what to do, where there is something: mostly a command.
        code: of something that failed, the exit code it stands for.
        detail: the same for programs, JSON values by names.
        seconds: that the check took.
    """

    check: str = ""
    level: Level
    message: str
    remedy: str = ""
    code: int = 0
    detail: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


def ok(message: str, **detail: Any) -> Finding:
    """All is well."""
    return Finding(level=Level.OK, message=message, detail=detail)


def warning(message: str, remedy: str, **detail: Any) -> Finding:
    """It works, and should not stay so."""
    return Finding(level=Level.WARNING, message=message, remedy=remedy, detail=detail)


def failed(message: str, remedy: str, code: int = FAILED, **detail: Any) -> Finding:
    """It does not work."""
    return Finding(level=Level.FAILED, message=message, remedy=remedy, code=code, detail=detail)


def skipped(message: str, remedy: str = "", **detail: Any) -> Finding:
    """Nobody looked, and why."""
    return Finding(level=Level.SKIPPED, message=message, remedy=remedy, detail=detail)


def exit_code(findings: Iterable[Finding]) -> int:
    """What the command answers: the first of no store, damage, no space, locked, refused, other failure; else 0."""
    codes = {each.code or FAILED for each in findings if each.level is Level.FAILED}
    return next((code for code in _PRECEDENCE if code in codes), FAILED if codes else 0)
