"""The file that a fix leaves: each row as it was and as it became, synced before it is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import ArchiveDamagedError, ArchiveNotFoundError, StorePermissionError
from hyperjobs.maintenance.backup.directory import sync_directory
from hyperjobs.maintenance.prune.directory import LATEST, ArchiveDirectory
from hyperjobs.maintenance.prune.frame import FrameWriter, read_frames
from hyperjobs.maintenance.prune.line import job_line, note_line, parse_line
from hyperjobs.store.mending import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from hyperjobs.maintenance.prune.name import ArchiveName

FORMAT: Final = 1
_MAGIC: Final = b"\x28\xb5\x2f\xfd"
"""A frame of zstd begins so."""


class Images:
    """The images of one fix, as they are written.

    Args:
        directory: where they lie; locked.
        name: of the run.
        source_sha256: of the store's path.
    """

    def __init__(self, directory: ArchiveDirectory, name: ArchiveName, source_sha256: str) -> None:
        self._writer = FrameWriter(directory.path / name.data)
        head = {"format": FORMAT, "what": "fix", "run": str(name), "source_sha256": source_sha256}
        self._writer.append(note_line(head))
        sync_directory(directory.path)

    def keep(self, changes: Sequence[Change]) -> None:
        """Make these last; when this returns they may be made."""
        self._writer.append(b"".join(job_line(change.before) + job_line(change.after) for change in changes))

    def close(self) -> None:
        """Let the file go."""
        self._writer.close()


def find_images(directory: ArchiveDirectory, run: str) -> ArchiveName:
    """The images of this run, or of the latest.

    Raises:
        ArchiveNotFoundError: there are none.
    """
    names = directory.names()
    found = names[-1:] if run == LATEST else [name for name in names if run in {str(name), name.data}]
    if not found:
        what = "no fix was made here" if run == LATEST else f"no fix {run!r} was made here"
        raise ArchiveNotFoundError(f"{directory.path}: {what}; 'hyperjobs runs fix' lists them")
    return found[0]


def remove_expired(directory: ArchiveDirectory, source_sha256: str, *, now: datetime, keep: timedelta) -> list[str]:
    """Remove the images of this store that are older than ``keep``, but never the newest; their names.

    Those of other stores stay, and those that do not say whose they are.

    Args:
        directory: where they lie; locked.
        source_sha256: of the store's path.
        now: the wall clock.
        keep: how old they may become.

    Raises:
        StorePermissionError: one cannot be removed.
    """
    own = [name for name in directory.names() if _is_of(directory.path / name.data, source_sha256)]
    gone = [name for name in own[:-1] if now - name.at > keep]
    for name in gone:
        path = directory.path / name.data
        try:
            path.unlink(missing_ok=True)
        except OSError as exc:
            raise StorePermissionError(
                f"{path}: its time is over and it cannot be removed: {exc.strerror}; remove it by hand"
            ) from exc
    if gone:
        sync_directory(directory.path)
    return [str(name) for name in gone]


def _is_of(path: Path, source_sha256: str) -> bool:
    try:
        return read_head(path).get("source_sha256") == source_sha256
    except (ArchiveDamagedError, OSError):
        return False


def read_head(path: Path) -> dict[str, Any]:
    """What the images say of themselves.

    Raises:
        ArchiveDamagedError: they say nothing that can be read.
    """
    with path.open("rb") as file:
        first = next(read_frames(file), None)
    head = parse_line(first.data.splitlines()[0]) if first is not None else None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ArchiveDamagedError(f"{path}: it does not say what it is; nothing was put back")
    return head


def read_images(path: Path) -> Iterator[list[Change]]:
    """The changes of each batch, in the order in which they were made.

    Raises:
        ArchiveDamagedError: there is more behind what cannot be read; a torn end alone is of a killed fix, which had
            not made those changes yet.
    """
    end = 0
    with path.open("rb") as file:
        for frame in read_frames(file):
            lines = [parse_line(line) for line in frame.data.splitlines()]
            if end:
                cells = [line for line in lines if isinstance(line, tuple)]
                yield [Change(0, before, after) for before, after in zip(cells[::2], cells[1::2], strict=True)]
            end = frame.end
        file.seek(end + 1)
        if _MAGIC in file.read():
            raise ArchiveDamagedError(f"{path}: damaged after byte {end}; nothing was put back from there on")
