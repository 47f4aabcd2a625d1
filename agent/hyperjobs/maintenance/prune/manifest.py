"""What an archive of pruned jobs says of itself, in a JSON file beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from hyperjobs.errors import ArchiveDamagedError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
_LONGEST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveManifest:
    """One archive, as it was when its prune ended.

    Attributes:
        run: the archive's name.
        state: ``complete``; ``interrupted`` when its prune was stopped or failed; ``recovered`` when it was killed, and
            a later one wrote this.
        bytes: of the file that count; a killed prune can leave more behind them, which are no whole frame.
        sha256: of those bytes.
        jobs: in it that were deleted, as far as is known.
        by: status → provider → jobs in it.
        oldest: end of the one that ended first, ISO 8601 in UTC; with ``newest`` ``None`` when that is not known.
        cutoffs: by which they were due.
        left: ids of jobs in the last frame that were not deleted after all.
        source_sha256: of the real path of the store.
    """

    run: str
    state: str
    bytes: int
    sha256: str
    jobs: int
    by: dict[str, dict[str, int]]
    oldest: str | None
    newest: str | None
    cutoffs: dict[str, Any]
    left: list[Any] = field(default_factory=list)
    started_at: str
    ended_at: str
    source_sha256: str
    sqlite_version: str
    hyperjobs_version: str
    format: int = FORMAT

    def text(self) -> str:
        """The manifest as it is written."""
        return json.dumps(asdict(self), indent=1) + "\n"


def read_manifest(path: Path) -> ArchiveManifest | None:
    """Read a manifest back; ``None`` when there is none.

    Raises:
        ArchiveDamagedError: it is no manifest of a format known here.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST_BYTES + 1)
        found = json.loads(raw) if len(raw) <= _LONGEST_BYTES else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as exc:
        raise ArchiveDamagedError(f"{path}: the manifest cannot be read: {exc}") from exc
    if not isinstance(found, dict) or not _fits(found):
        raise ArchiveDamagedError(f"{path}: this is no manifest of pruned jobs that this version knows")
    return ArchiveManifest(**found)


def _fits(found: dict[str, Any]) -> bool:
    """Whether every field is there, and of its type, and there is no other."""
    kinds: dict[str, Any] = {"int": int, "str": str, "str | None": (str, type(None)), "list[Any]": list}
    expected = {known.name: kinds.get(str(known.type), dict) for known in fields(ArchiveManifest)}
    return (
        found.keys() == expected.keys()
        and all(isinstance(found[name], kind) and not isinstance(found[name], bool) for name, kind in expected.items())
        and found["format"] == FORMAT
    )
