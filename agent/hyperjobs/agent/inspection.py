"""Whether this machine is as a configuration takes it to be: files, directories, keys and room. Nothing is changed."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.agent.options import archive_directory, destinations_of
from hyperjobs.errors import HyperjobsError
from hyperjobs.maintenance.backup.create import database_bytes, room_needed
from hyperjobs.maintenance.backup.destination.opening import open_destination
from hyperjobs.size import mebibytes
from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import Flavour, recognise, require_job_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hyperjobs.config import Config

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_COPIES = 2
_BUSY_S = 1.0
"""A store that is locked for longer as a whole is a finding, and nothing to wait for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        option: that it is about.
        message: what is so, and what to do.
        is_wrong: it would keep something from working; else it is a warning.
        reason: ``no_space`` or ``to_be_made``, where that is what it is.
    """

    option: str
    message: str
    is_wrong: bool = True
    reason: str = ""


def inspect(config: Config) -> Iterator[Finding]:
    """Hold a configuration against this machine, as the user who asks; give what does not fit.

    The store is opened for reading; destinations are not asked, only what is needed to ask them.
    """
    size, found = _store(config)
    yield from found
    yield from _directory("store.state_dir", config.store.state_dir, makes_parents=True)
    care = config.maintenance
    if care.backup.schedule is not None:
        where = care.backup.directory
        yield from _directory("maintenance.backup.directory", where, makes_parents=False, is_private=True)
        yield from _room("maintenance.backup.directory", where, room_needed(size, str(care.backup.compress)))
    if care.prune.schedule is not None and care.prune.archive.enabled:
        where = archive_directory(config)
        yield from _directory("maintenance.prune.archive.directory", where, makes_parents=True, is_private=True)
    yield from _destinations(config)
    if config.store.path is not None and care.reserve:
        yield from _room("maintenance.reserve", config.store.path, care.reserve)


def _store(config: Config) -> tuple[int, list[Finding]]:
    """The size of the store in bytes, and what is wrong with it."""
    path = config.store.path
    if path is None:
        return 0, [Finding("store.path", "is not set")]
    if config.store.create and not path.exists():
        return 0, list(_directory("store.path", path.parent, makes_parents=True))
    try:
        connection = Connection(path, read_only=True, busy_timeout_s=_BUSY_S)
        try:
            recognition = recognise(connection)
            require_job_store(recognition, path)
            size = database_bytes(connection)
        finally:
            connection.close()
    except HyperjobsError as exc:
        return 0, [Finding("store.path", str(exc))]
    found = []
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        found.append(
            Finding("store.path", f"{path}: it, or its directory, cannot be written; it would only be scanned", False)  # noqa: FBT003 - a warning
        )
    if recognition.flavour is Flavour.DAEMON:
        found.append(Finding("store.path", f"{path}: is the daemon's own store; it is only read, never pruned", False))  # noqa: FBT003 - as above
    return size, found


def _directory(option: str, path: Path, *, makes_parents: bool, is_private: bool = False) -> Iterator[Finding]:
    try:
        status = path.stat()
    except FileNotFoundError:
        yield from _to_be_made(option, path, makes_parents=makes_parents)
        return
    except OSError as exc:
        yield Finding(option, f"{path}: cannot be looked at: {exc.strerror}; check its directories")
        return
    if not stat.S_ISDIR(status.st_mode):
        yield Finding(option, f"{path}: is no directory; name another, or move it away")
    elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(option, f"{path}: cannot be written by this user; chown it to who runs the agent")
    elif is_private and status.st_uid not in {os.geteuid(), 0}:
        yield Finding(option, f"{path}: belongs to user {status.st_uid}; chown it to who runs the agent")
    elif is_private and status.st_mode & _OTHERS_WRITE:
        yield Finding(option, f"{path}: others may write to it and could plant files; chmod 0700 it")
    elif is_private and status.st_mode & _OTHERS:
        yield Finding(option, f"{path}: others may look into it; chmod 0700 it", is_wrong=False)


def _to_be_made(option: str, path: Path, *, makes_parents: bool) -> Iterator[Finding]:
    """A directory that the agent makes when it needs it, if it can."""
    parent = _existing(path) if makes_parents else path.parent
    if not parent.is_dir():
        yield Finding(option, f"{path}: neither it nor {parent} is there; is its disk mounted?")
    elif not os.access(parent, os.W_OK | os.X_OK):
        yield Finding(option, f"{path}: is not there, and {parent} cannot be written; make it for who runs the agent")
    else:
        yield Finding(option, f"{path}: is not there yet; the agent makes it", is_wrong=False, reason="to_be_made")


def _destinations(config: Config) -> Iterator[Finding]:
    for settings in destinations_of(config.maintenance):
        option = f"maintenance.backup.destinations.{settings.name}"
        try:
            open_destination(settings)
        except HyperjobsError as exc:
            yield Finding(option, str(exc))
            continue
        if settings.directory is not None and not settings.directory.is_dir():
            yield Finding(option, f"{settings.directory}: is not there; make it, or is its disk not mounted?")
        elif settings.directory is not None:
            yield from _directory(option, settings.directory, makes_parents=False, is_private=True)
        for path in (settings.access_key_file, settings.secret_key_file):
            if path is not None and path.stat().st_mode & _OTHERS:
                yield Finding(option, f"{path}: others may read this key; chmod 0600 it", is_wrong=False)


def _room(option: str, path: Path, needed_bytes: int) -> Iterator[Finding]:
    """Whether the disk has room: for less than is needed it is wrong, for less than twice as much a warning."""
    try:
        system = os.statvfs(_existing(path))
    except OSError:
        return  # said of the directory itself
    free_bytes = system.f_bavail * system.f_frsize
    if free_bytes < _COPIES * needed_bytes:
        message = (
            f"{path}: {mebibytes(free_bytes)} are free on its disk, and {mebibytes(needed_bytes)} needed; make room"
        )
        yield Finding(option, message, is_wrong=free_bytes < needed_bytes, reason="no_space")


def _existing(path: Path) -> Path:
    """The path, or the nearest above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
