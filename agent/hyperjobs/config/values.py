"""The types of options: how each reads the text that stands in a file, a variable or a flag.

YAML hands over text only. Each type accepts what people mean by it, refuses what YAML 1.1 would have guessed, and
raises ``ValueError`` with words that read well after the option's name: ``store.busy_timeout: has no unit; …``.
Values that already have the type (a program that builds its own ``Config``) pass through.
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from hyperjobs.config.problem import nearest
from hyperjobs.duration import format_duration, parse_duration

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_MAX_PATH = 4_096
_MAX_PORT = 65_535
_DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(w|d|h|m|s|ms))+$"

Choice = TypeVar("Choice", bound=StrEnum)


class ListenAddress(NamedTuple):
    """A host (a name or an IP address, IPv6 without brackets) and a TCP port; port 0 is any free one."""

    host: str
    port: int


def _text(value: object, wanted: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        raise ValueError(f"has no value; write {wanted}")
    shape = "list" if isinstance(value, list | tuple) else "mapping" if isinstance(value, dict) else "wrong type"
    raise ValueError(f"is a {shape}; write {wanted}")


def read_boolean(value: object) -> bool:
    """``true`` or ``false``, and no other word."""
    if isinstance(value, bool):
        return value
    text = _text(value, "true or false")
    if text not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text == "true"


def read_whole(value: object) -> int:
    """A decimal whole number without leading zeros, underscores or exponents."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = _text(value, "a whole number")
    if not _WHOLE.fullmatch(text):
        raise ValueError("must be a whole number in plain digits")
    return int(text)


def read_number(value: object) -> float:
    """A finite decimal number in plain digits."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = _text(value, "a number")
    if not _NUMBER.fullmatch(text):
        raise ValueError("must be a number in plain digits")
    return float(text)


def read_duration(value: object) -> timedelta:
    """A duration with its unit, as ``hyperjobs.duration`` reads it."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return parse_duration(value)  # type: ignore[arg-type] # it names the missing unit
    return parse_duration(_text(value, "a duration such as 30s"))


def read_words(value: object) -> str:
    """Text of printable characters, neither empty nor framed by spaces."""
    text = _text(value, "text, in quotes if it is meant as a name")
    if not text:
        raise ValueError("is empty")
    if not text.isprintable():
        raise ValueError("holds a character that cannot be printed")
    if text != text.strip():
        raise ValueError("starts or ends with a space")
    return text


def read_path(value: object) -> Path:
    """A file path; no URL, no ``~``, no control character."""
    if isinstance(value, Path):
        value = str(value)
    text = read_words(_text(value, "a path"))
    if len(text.encode()) > _MAX_PATH:
        raise ValueError(f"is longer than {_MAX_PATH} bytes")
    if text.startswith("~"):
        raise ValueError("starts with ~, which is not expanded; write the whole path")
    if "://" in text or text.startswith(("file:", ":")):
        raise ValueError("must be the path of a file, not a URL or a special name")
    return Path(text)


def read_host_name(value: object) -> str:
    """A host name without a port, in lower case."""
    text = _text(value, "a host name such as jobs.example.com")
    if not _HOST.fullmatch(text):
        raise ValueError("is no host name; write it without a scheme, a port or a path")
    return text.lower()


def read_listen_address(value: object) -> str:
    """``host:port``, ``127.0.0.1:10985`` or ``[::1]:10985``."""
    split_listen_address(text := _text(value, 'an address such as "127.0.0.1:10985"'))
    return text


def split_listen_address(text: str) -> ListenAddress:
    """The two parts of ``host:port``.

    Raises:
        ValueError: the host is missing or no host name, or the port is no number up to 65535.
    """
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        raise ValueError('must be host:port, such as "127.0.0.1:10985" or "[::1]:10985"')
    if not host:
        raise ValueError(f'has no host; write "127.0.0.1:{port}", or "0.0.0.0:{port}" for every interface')
    if not _WHOLE.fullmatch(port) or not 0 <= int(port) <= _MAX_PORT:
        raise ValueError("must end in a port from 0 to 65535")
    return ListenAddress(_host(host), int(port))


def _host(host: str) -> str:
    import ipaddress  # noqa: PLC0415 - only for addresses, and not cheap

    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:].removesuffix("]") if host.endswith("]") else ""))
        except ValueError as exc:
            raise ValueError("has no IPv6 address between the brackets") from exc
    if re.fullmatch(r"[0-9.]+", host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as exc:
            raise ValueError("has no IPv4 address before the port") from exc
    if not _HOST.fullmatch(host):
        raise ValueError("has no host name or IP address before the port")
    return host


def unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values, none of which may occur twice."""
    seen: set[Any] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"names {value} twice")
        seen.add(value)
    return values


def increasing(values: tuple[float, ...]) -> tuple[float, ...]:
    """The numbers, each larger than the one before."""
    for before, after in pairwise(values):
        if after <= before:
            raise ValueError(f"must increase strictly; {after:g} comes after {before:g}")
    return values


def choice(enum: type[Choice]) -> BeforeValidator:
    """Reads one of the enum's words, in exactly their spelling."""

    def read(value: object) -> Choice:
        if isinstance(value, enum):
            return value
        words = [member.value for member in enum]
        text = _text(value, f"one of {', '.join(words)}")
        if text not in words:
            hint = nearest(text, words)
            raise ValueError(f"must be one of {', '.join(words)}" + (f"; {hint}" if "?" in hint else ""))
        return enum(text)

    return BeforeValidator(read)


def plain_number(value: float) -> float:
    """The number as written by people: whole ones without ``.0``."""
    return int(value) if float(value).is_integer() else value


Boolean = Annotated[bool, BeforeValidator(read_boolean)]
Whole = Annotated[int, BeforeValidator(read_whole)]
Seconds = Annotated[
    float,
    Field(gt=0, le=315_360_000),  # ten years
    BeforeValidator(read_number),
    PlainSerializer(plain_number, return_type=int | float, when_used="json"),
]
Words = Annotated[str, BeforeValidator(read_words)]
FilePath = Annotated[Path, BeforeValidator(read_path)]
Duration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN, "examples": ["30s", "1d2h30m"]}),
]
HostName = Annotated[str, BeforeValidator(read_host_name)]
Listen = Annotated[str, BeforeValidator(read_listen_address)]
Unique = AfterValidator(unique)
Increasing = AfterValidator(increasing)
