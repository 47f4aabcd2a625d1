"""The pieces that files, directories and patterns come to, each once and in an order that nobody's typing alters."""

from __future__ import annotations

import glob
import os
import re
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hyperjobs.errors import (
    ArchiveDamagedError,
    InvalidJobError,
    StoreNotFoundError,
    StorePermissionError,
    StoreRefusedError,
)
from hyperjobs.maintenance.backup.catalogue import Entry, read_catalogue, source_sha256
from hyperjobs.maintenance.rebuild.source import Kind, Source, State, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ROTATED: Final = re.compile(r"(.+)\.\d{1,18}", re.ASCII | re.DOTALL)
_MAGIC: Final = re.compile(r"[*?\[]")


def find_sources(
    named: Iterable[str | Path], configured: Iterable[Path] = (), *, store: Path | None = None
) -> list[Source]:
    """Look at every piece.

    Of a directory the files in it are meant, not those in directories below. Of the backups of one store in a directory
    the newest that is whole counts, for what it lacks had been deleted by then; one that is named itself always does.

    Args:
        named: files, directories and patterns; each must be there.
        configured: the same, but what is not there is only noted.
        store: whose backups are meant in a directory that several stores share.

    Returns:
        All of them, by path; of a group of backups the newest first.

    Raises:
        StoreNotFoundError: there is no such file.
        InvalidJobError: a file that was named is none of the pieces known here.
        StoreRefusedError: a directory has backups of several stores, and nobody said which.
    """
    found: dict[Path, Source] = {}

    def add(source: Source | None) -> None:
        if source is None:
            return
        key = Path(os.path.realpath(source.path))
        before = found.get(key)
        if before is None or before.state is not State.READ or source.group is None:
            found[key] = source

    for word in named:
        for path in _expanded(word):
            for source in _in_directory(path, store) if path.is_dir() else [_named(path)]:
                add(source)
    for path in configured:
        if not path.exists() and not _rotated_of(path):
            add(Source(path, state=State.MISSING))
            continue
        for source in _in_directory(path, store) if path.is_dir() else [_looked_at(path)]:
            add(source)
    return _ordered(found.values())


def _expanded(word: str | Path) -> list[Path]:
    path = Path(os.path.expanduser(word))  # noqa: PTH111 - Path.expanduser raises where there is no home
    if path.exists() or not _MAGIC.search(str(path)):
        return [path]
    matches = [Path(match) for match in glob.glob(str(path))]  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not matches:
        raise StoreNotFoundError(f"{path}: nothing matches this pattern")
    return matches


def _rotated_of(path: Path) -> list[Path]:
    """Files of an audit log of which the one that grows is gone."""
    return [file for file in path.parent.glob(f"{glob.escape(path.name)}.*") if _ROTATED.fullmatch(file.name)]


def _named(path: Path) -> Source | None:
    """The piece that a person named; what cannot be used is raised but for damage, which is told with that of others."""
    if not path.exists() and (rotated := _rotated_of(path)):
        path = rotated[0]
    try:
        kind = kind_of(path)
    except ArchiveDamagedError as exc:
        source = Source(path)
        source.damaged(str(exc).removeprefix(f"{path}: "))
        return source
    return None if kind is None else _made(path, kind)


def _looked_at(path: Path) -> Source | None:
    """The piece that a file of a directory is."""
    try:
        return _named(path)
    except InvalidJobError:
        return Source(path, state=State.UNKNOWN)
    except (StoreNotFoundError, StorePermissionError) as exc:
        source = Source(path)
        source.damaged(str(exc).removeprefix(f"{path}: "))
        return source


def _made(path: Path, kind: Kind) -> Source:
    rotated = _ROTATED.fullmatch(path.name)
    if kind is Kind.AUDIT and rotated is not None:
        path = path.with_name(rotated[1])  # the log is all its files
    return Source(path, kind)


def _in_directory(path: Path, store: Path | None) -> Iterator[Source]:
    try:
        names = sorted(entry.name for entry in os.scandir(path) if entry.is_file() and not entry.name.startswith("."))
    except OSError as exc:
        raise StorePermissionError(f"{path}: cannot be read: {exc.strerror}") from exc
    catalogue = {str(entry.name): entry for entry in read_catalogue(path, None)}
    own = others = 0
    for name in names:
        source = _looked_at(path / name)
        if source is None:
            continue
        entry = catalogue.get(name)
        if entry is not None and source.kind is Kind.BACKUP:
            if store is not None and not _is_of(entry, store):
                others += 1
                continue
            own += 1
            source.group = (str(path), *_group_of(entry, catalogue.values()), -entry.name.sequence)
            if not entry.is_verified:
                source.damaged(f"{entry.state}: {entry.found or 'nothing says what it should hold'}")
        yield source
    if others:
        none = f", and none of {store}; name the one that is meant, if one is" if not own else ""
        yield Source(path, state=State.OTHER, message=f"{others:,} backups of other stores{none}")


def _is_of(entry: Entry, store: Path) -> bool:
    return entry.manifest is None or entry.manifest.source_sha256 == source_sha256(store)


def _group_of(entry: Entry, others: Iterable[Entry]) -> tuple[str, str]:
    """Which store a backup is of; one whose manifest cannot be read is of the store that has its name here."""
    if entry.manifest is not None:
        return entry.name.stem, entry.manifest.source_sha256
    known = (other for other in others if other.manifest is not None and other.name.stem == entry.name.stem)
    return entry.name.stem, next((other.manifest.source_sha256 for other in known if other.manifest), "")


def _ordered(sources: Iterable[Source]) -> list[Source]:
    """By path, and the backups of one group the newest first; those after the first that counts are left out."""
    ordered = sorted(sources, key=lambda source: (source.group is not None, source.group or (), str(source.path)))
    stores: dict[str, set[Any]] = {}
    for group, members in groupby(ordered, key=lambda source: source.group and source.group[:-1]):
        if group is None:
            continue
        stores.setdefault(group[0], set()).add(group[1:])
        is_found = False
        for source in members:
            if is_found:
                source.state = State.OLDER
            is_found = is_found or source.state is State.READ
    several = next((directory for directory, found in stores.items() if len(found) > 1), None)
    if several is not None:
        raise StoreRefusedError(
            f"{several}: holds backups of several stores; name the backup that is meant, or the store with --store",
            reason="several_stores",
        )
    return ordered
