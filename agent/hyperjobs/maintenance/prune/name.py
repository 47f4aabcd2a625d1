"""How archives of pruned jobs are named: ``<stem>-<UTC yyyymmddThhmmssZ>-<seq>.jsonl.zst``, and the manifest beside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.maintenance.stamp import STAMP, parse_stamp, stamp

if TYPE_CHECKING:
    from datetime import datetime

DATA = ".jsonl.zst"
MANIFEST = ".manifest.json"
_NAME = re.compile(rf"(?P<stem>.+)-(?P<at>{STAMP})-(?P<seq>\d{{4,9}})", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class ArchiveName:
    """One archive's name; as text it is the id of its run. Names sort by their sequence number.

    Attributes:
        sequence: one more than the greatest in its directory.
        at: when its prune began, to the second.
        stem: the store's file name without its ``.db``.
    """

    sequence: int
    at: datetime
    stem: str

    def __str__(self) -> str:
        return f"{self.stem}-{stamp(self.at)}-{self.sequence:04}"

    @property
    def data(self) -> str:
        """The file name of its rows."""
        return f"{self}{DATA}"

    @property
    def manifest(self) -> str:
        """The file name of its manifest."""
        return f"{self}{MANIFEST}"

    @classmethod
    def parse(cls, name: str) -> ArchiveName | None:
        """A run's id, or the name of one of its files, read back; ``None`` when it is not one of ours."""
        run = name.removesuffix(DATA) if name.endswith(DATA) else name.removesuffix(MANIFEST)
        found = _NAME.fullmatch(run)
        at = None if found is None else parse_stamp(found["at"])
        if found is None or at is None:
            return None
        parsed = cls(int(found["seq"]), at, found["stem"])
        return parsed if str(parsed) == run else None
