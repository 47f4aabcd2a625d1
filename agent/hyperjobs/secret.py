"""A value that must not be shown: it has no text of its own, and what it hides is asked for by name."""

from __future__ import annotations

import hmac
import os
import stat
from typing import TYPE_CHECKING, Final, NoReturn

from hyperjobs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HIDDEN: Final = "***"
MAX_BYTES: Final = 4096


class Secret:
    """One password, key or token.

    However it is printed, formatted or logged, ``***`` comes out; it cannot be pickled, and it is compared in a time
    that does not tell how much of a guess was right.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """What is hidden; for the call that needs it, and for nothing that prints."""
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be stored")


def read_secret(path: Path, meaning: str) -> Secret:
    """What a file holds, without the white space around it; never part of a message.

    Args:
        path: a regular file with one line of printable text.
        meaning: what it is, for the message: ``"the password of mail"``.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    return _checked(_read(path, meaning), f"{path}", meaning)


def read_lines(path: Path, meaning: str) -> tuple[Secret, ...]:
    """The lines of a file that are neither empty nor comments (``#``), each a secret.

    Raises:
        ConfigError: it cannot be read, or holds none.
    """
    lines = [line.strip() for line in _read(path, meaning).decode("utf-8", "replace").splitlines()]
    found = tuple(_checked(line.encode(), str(path), meaning) for line in lines if line and not line.startswith("#"))
    if not found:
        raise ConfigError(f"{path}: is empty; it is to hold {meaning}")
    return found


def secret_of(environ: Mapping[str, str], name: str, meaning: str) -> Secret:
    """What an environment variable holds.

    Raises:
        ConfigError: it is not set, empty, or no line of text.
    """
    if name not in environ:
        raise ConfigError(f"{name}: there is no such variable in the environment; it is to hold {meaning}")
    return _checked(environ[name].encode("utf-8", "surrogateescape"), name, meaning)


def _read(path: Path, meaning: str) -> bytes:
    """The file's bytes; never waits on a FIFO or a device."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ConfigError(f"{path}: is no regular file; it is to hold {meaning}")
            data = os.read(handle, MAX_BYTES + 1)
        finally:
            os.close(handle)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise ConfigError(f"{path}: cannot be read: {reason}; it is to hold {meaning}") from exc
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_BYTES} bytes; it is to hold {meaning} and nothing else")
    return data


def _checked(data: bytes, place: str, meaning: str) -> Secret:
    text = data.decode("utf-8", "replace").strip()
    if not text:
        raise ConfigError(f"{place}: is empty; it is to hold {meaning}")
    if not text.isprintable() or "\N{REPLACEMENT CHARACTER}" in text:
        raise ConfigError(
            f"{place}: holds more than one line, or what is no text; it is to hold {meaning} and nothing else"
        )
    return Secret(text)
