"""How backups are named: ``<stem>-<UTC yyyymmddThhmmssZ>-<seq>.db[.gz]``, and the manifest beside each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

SUFFIXES = {"none": "", "gzip": ".gz"}
_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(?P<stem>.+)-(?P<at>\d{8}T\d{6}Z)-(?P<seq>\d{4,9})\.db(?P<suffix>\.gz)?", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class BackupName:
    """One backup's name; names sort by their sequence number, which no clock can turn back.

    Attributes:
        sequence: one more than the greatest in its directory.
        at: when its copy began, to the second.
        stem: the store's file name without its ``.db``.
        compression: ``none`` or ``gzip``.
    """

    sequence: int
    at: datetime
    stem: str
    compression: str = "none"

    def __str__(self) -> str:
        stamp = self.at.astimezone(UTC).strftime(_TIME)
        return f"{self.stem}-{stamp}-{self.sequence:04}.db{SUFFIXES[self.compression]}"

    @property
    def manifest(self) -> str:
        """The file name of its manifest."""
        return f"{self}.json"

    @classmethod
    def parse(cls, name: str) -> BackupName | None:
        """The name read back; ``None`` when it is not one of ours."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        try:
            at = datetime.strptime(found["at"], _TIME).replace(tzinfo=UTC)
        except ValueError:
            return None
        compression = "gzip" if found["suffix"] else "none"
        parsed = cls(int(found["seq"]), at, found["stem"], compression)
        return parsed if str(parsed) == name else None
