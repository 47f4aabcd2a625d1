"""Making a destination of what the configuration says of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.errors import ConfigError
from hyperjobs.maintenance.backup.destination.access import Access
from hyperjobs.maintenance.backup.destination.directory import DirectoryDestination
from hyperjobs.maintenance.backup.destination.s3 import S3Destination

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.maintenance.backup.destination.protocol import Destination

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)
_LONGEST_SECRET_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationSettings:
    """One destination as it is written down: either ``directory``, or ``bucket`` and what belongs to it.

    Attributes:
        name: lower-case letters, digits, ``-`` and ``_``: it becomes a metric label and part of a file's name.
        directory: which must exist.
        bucket: which must exist; the rest is as for :class:`~hyperjobs.maintenance.backup.destination.access.Access`.
        access_key_file: holds the access key alone; with ``secret_key_file``. Without both the driver's own chain asks
            the environment, the profile and the machine's role.
        path_style: ``None`` for what fits: the bucket in the path where an ``endpoint`` is named, in the host's name at
            Amazon's own.
    """

    name: str
    directory: Path | None = None
    bucket: str | None = None
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    access_key_file: Path | None = None
    secret_key_file: Path | None = None
    ca_file: Path | None = None
    path_style: bool | None = None


def open_destination(settings: DestinationSettings) -> Destination:
    """The destination; nothing is asked of it yet, but files of keys are read.

    Raises:
        ConfigError: the settings do not fit together, a file of keys cannot be read, or the driver is missing.
    """
    name = settings.name
    if not _NAME.fullmatch(name):
        raise ConfigError(f"destination {name!r}: a name is 1 to 32 of a-z, 0-9, '-' and '_'")
    if (settings.directory is None) == (settings.bucket is None):
        raise ConfigError(f"destination {name}: give it a 'directory' or a 'bucket', and not both")
    if settings.directory is not None:
        if not settings.directory.is_absolute():
            raise ConfigError(f"destination {name}: {settings.directory}: give the whole path, from /")
        return DirectoryDestination(name, settings.directory)
    access = Access(
        bucket=settings.bucket or "",
        endpoint=settings.endpoint,
        region=settings.region,
        access_key=_secret(settings.access_key_file),
        secret_key=_secret(settings.secret_key_file),
        ca_file=settings.ca_file,
        path_style=settings.endpoint is not None if settings.path_style is None else settings.path_style,
    )
    return S3Destination(name, access, prefix=settings.prefix)


def _secret(path: Path | None) -> str | None:
    """What a file holds, without the white space around it; never part of a message."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST_SECRET_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}; it is to hold one key of a destination") from exc
    text = raw.decode("ascii", errors="replace").strip()
    if not text.isprintable() or not text.isascii() or not text or len(raw) > _LONGEST_SECRET_BYTES or " " in text:
        raise ConfigError(f"{path}: holds no key: it is to hold one word, and nothing else")
    return text
