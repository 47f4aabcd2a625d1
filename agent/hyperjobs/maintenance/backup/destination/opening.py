"""Making a destination of what the configuration says of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.errors import ConfigError
from hyperjobs.maintenance.backup.destination.access import Access
from hyperjobs.maintenance.backup.destination.directory import DirectoryDestination
from hyperjobs.maintenance.backup.destination.s3 import S3Destination
from hyperjobs.secret import read_secret

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.maintenance.backup.destination.protocol import Destination
    from hyperjobs.secret import Secret

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)


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
        access_key=_key(settings.access_key_file),
        secret_key=_key(settings.secret_key_file),
        ca_file=settings.ca_file,
        path_style=settings.endpoint is not None if settings.path_style is None else settings.path_style,
    )
    return S3Destination(name, access, prefix=settings.prefix)


def _key(path: Path | None) -> Secret | None:
    """One of the two keys; boto3 would refuse what is not ASCII with the key in its message."""
    if path is None:
        return None
    secret = read_secret(path, "one key of a destination")
    if not secret.reveal().isascii() or " " in secret.reveal():
        raise ConfigError(f"{path}: holds no key: it is to hold one word, and nothing else")
    return secret
