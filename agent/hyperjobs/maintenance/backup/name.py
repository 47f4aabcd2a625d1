"""How backups are named: ``<stem>-<UTC yyyymmddThhmmssZ>-<seq>.db[.zst|.gz]``, and the manifest beside each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.maintenance.stamp import STAMP, parse_stamp, stamp

if TYPE_CHECKING:
    from datetime import datetime

SUFFIXES = {"none": "", "gzip": ".gz", "zstd": ".zst"}
_COMPRESSIONS = {suffix: compression for compression, suffix in SUFFIXES.items()}
PACKED = {suffix: compression for suffix, compression in _COMPRESSIONS.items() if suffix}
"""Suffix of a compressed file → how it is compressed."""
MANIFEST, PINNED, FAILED = ".json", ".pinned", ".failed"
BESIDE = (MANIFEST, PINNED, FAILED)
"""What may lie beside a backup, its name before it."""
MAX_SEQUENCE = 999_999_999
_NAME = re.compile(rf"(?P<stem>.+)-(?P<at>{STAMP})-(?P<seq>\d{{4,9}})\.db(?P<suffix>\.gz|\.zst|)", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class BackupName:
    """One backup's name; names sort by their sequence number, which no clock can turn back.

    Attributes:
        sequence: one more than the greatest in its directory.
        at: when its copy began, to the second.
        stem: the store's file name without its ``.db``.
        compression: ``zstd``, ``gzip`` or ``none``.
    """

    sequence: int
    at: datetime
    stem: str
    compression: str = "none"

    def __str__(self) -> str:
        return f"{self.stem}-{stamp(self.at)}-{self.sequence:04}.db{SUFFIXES[self.compression]}"

    @property
    def manifest(self) -> str:
        """The file name of its manifest."""
        return f"{self}{MANIFEST}"

    @classmethod
    def parse(cls, name: str) -> BackupName | None:
        """The name read back; ``None`` when it is not one of ours."""
        found = _NAME.fullmatch(name)
        at = None if found is None else parse_stamp(found["at"])
        if found is None or at is None:
            return None
        parsed = cls(int(found["seq"]), at, found["stem"], _COMPRESSIONS[found["suffix"]])
        return parsed if str(parsed) == name else None
