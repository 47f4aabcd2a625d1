"""The pieces that files, directories and patterns come to, each once and in an order that nobody's typing alters."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import (
    ArchiveDamagedError,
    InvalidJobError,
    StoreNotFoundError,
    StorePermissionError,
    StoreRefusedError,
)
from hyperjobs.maintenance.backup.catalogue import Entry, read_catalogue
from hyperjobs.maintenance.rebuild.source import Kind, Source, State, kind_of
from hyperjobs.store.source import source_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable

_ROTATED: Final = re.compile(r"(.+)\.\d{1,18}", re.ASCII | re.DOTALL)
_MAGIC: Final = re.compile(r"[*?\[]")


def find_sources(
    named: Iterable[str | Path], configured: Iterable[Path] = (), *, store: Path | None = None
) -> list[Source]:
    """Look at every piece.

    Of a directory the files in it are meant, not those in directories below. Of the backups of one store the newest
    that is whole counts, wherever they are, for what it lacks had been deleted by then.

    Args:
        named: files, directories and patterns; each must be there.
        configured: the same, but what is not there is only noted.
        store: whose backups are meant, where there are those of several.

    Returns:
        All of them, by path; the backups at the end, the newest first.

    Raises:
        StoreNotFoundError: there is no such file.
        InvalidJobError: a file that was named is none of the pieces known here.
        StoreRefusedError: there are backups of several stores, and nobody said which is meant.
    """
    found: dict[str, Source] = {}

    def add(sources: Iterable[Source | None]) -> None:
        for source in sources:
            if source is not None:
                found.setdefault(os.path.realpath(source.path), source)

    for word in named:
        for path in _expanded(word):
            add(_in_directory(path) if path.is_dir() else [_named(path)])
    for path in configured:
        if not path.exists() and not _rotated_of(path):
            add([Source(path, state=State.MISSING)])
        else:
            add(_in_directory(path) if path.is_dir() else [_looked_at(path)])
    backups = [source for source in found.values() if source.kind is Kind.BACKUP]
    others = [source for source in found.values() if source.kind is not Kind.BACKUP]
    return [*sorted(others, key=lambda source: str(source.path)), *_chosen(backups, store)]


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
    except (ArchiveDamagedError, StorePermissionError) as exc:
        return _damaged(path, exc)
    if kind is Kind.AUDIT and (rotated_name := _ROTATED.fullmatch(path.name)) is not None:
        path = path.with_name(rotated_name[1])  # the log is all its files
    return None if kind is None else Source(path, kind)


def _looked_at(path: Path) -> Source | None:
    """The piece that a file of a directory is."""
    try:
        return _named(path)
    except InvalidJobError:
        return Source(path, state=State.UNKNOWN)
    except StoreNotFoundError as exc:  # it went meanwhile
        return _damaged(path, exc)


def _damaged(path: Path, exc: Exception) -> Source:
    source = Source(path)
    source.damaged(str(exc).removeprefix(f"{path}: "))
    return source


def _in_directory(path: Path) -> list[Source | None]:
    try:
        names = [entry.name for entry in os.scandir(path) if entry.is_file() and not entry.name.startswith(".")]
    except OSError as exc:
        raise StorePermissionError(f"{path}: cannot be read: {exc.strerror}") from exc
    return [_looked_at(path / name) for name in sorted(names)]


def _chosen(backups: list[Source], store: Path | None) -> list[Source]:
    """The backups, newest first, those marked that are not needed or do not count."""
    catalogues = {folder: read_catalogue(folder, None) for folder in {source.path.parent for source in backups}}
    entries = {folder / str(entry.name): entry for folder, found in catalogues.items() for entry in found}
    ordered = sorted(
        ((source, entries[source.path]) for source in backups if source.path in entries),
        key=lambda pair: (pair[1].name.at, pair[1].name.sequence, str(pair[0].path)),
        reverse=True,
    )
    known = {entry.name.stem: _store_of(entry) for _, entry in ordered if entry.manifest is not None}
    wanted = source_sha256(store) if store is not None else None
    for source, entry in ordered:
        source.group = _store_of(entry) or known.get(entry.name.stem, "")
        if wanted is not None and entry.manifest is not None and source.group != wanted:
            source.state = State.OTHER
    used = [(source, entry) for source, entry in ordered if source.state is not State.OTHER]
    if len({source.group for source, _ in used if source.group}) > 1:
        folders = ", ".join(sorted({str(source.path.parent) for source, _ in used}))
        raise StoreRefusedError(
            f"{folders}: there are backups of several stores; name the store that is meant with --store, or leave the others' out",
            reason="several_stores",
        )
    if store is not None and ordered and not used:
        ordered[0][0].note(f"there are {len(ordered):,} backups of other stores, and none of {store}")
    is_found = False
    for source, entry in used:
        if is_found:
            source.state = State.OLDER
        elif entry.is_verified:
            is_found = True
        else:
            source.damaged(f"{entry.state}: {entry.found or 'nothing says what it should hold'}")
    return [source for source, _ in ordered]


def _store_of(entry: Entry) -> str:
    return entry.manifest.source_sha256 if entry.manifest is not None else ""
