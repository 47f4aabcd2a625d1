"""What a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from hyperjobs.doctor.case import Case
from hyperjobs.doctor.finding import Finding

Look: TypeAlias = Callable[[Case], Iterable[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question with a name.

    Attributes:
        name: as ``--only`` takes it.
        question: what it asks, in a few words.
        look: gives what it finds: at least one finding; what it raises is a failure of its own.
        needs_file: it is skipped where there is no store, or none of that name.
        needs_store: it is skipped where the store cannot be opened.
        needs_hypersdk: it is skipped for the daemon's own store.
        limit_s: after so long it counts as one that hangs.
    """

    name: str
    question: str
    look: Look
    needs_file: bool = False
    needs_store: bool = False
    needs_hypersdk: bool = False
    limit_s: float = 5.0
