"""The types of the maintenance options, each reading the text that stands in the file; see ``values``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic import model_validator as whole

from hyperjobs.config.problem import nearest
from hyperjobs.config.values import Boolean, FilePath, Words, read_duration, read_words
from hyperjobs.cron.expression import parse_schedule
from hyperjobs.cron.window import parse_window
from hyperjobs.cron.zone import find_zone
from hyperjobs.duration import MAX_DURATION, format_duration
from hyperjobs.size import format_size, parse_size

_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)%")
_STATUSES = ("completed", "failed", "cancelled")
_LARGEST_BYTES = 1 << 40
_SHORTEST_AGE = timedelta(hours=1)
_LONGEST_NAME = 32
_NEVER = "never"
_INTERVAL = "interval"

NEVER = MAX_DURATION
"""The age that stands for ``never``: older than any job can be."""
INTERVAL = timedelta(-1)
"""The length that stands for ``interval``: the time between two runs, whatever the schedule makes of it."""


def read_zone(value: object) -> str:
    """The name of a time zone that this system knows."""
    text = read_words(value)
    find_zone(text)
    return text


def read_cron(value: object) -> str:
    """A cron expression that is due some time."""
    text = read_words(value)
    parse_schedule(text, "UTC")
    return text


def read_window(value: object) -> str:
    """Hours of a day: ``02:00-05:00``."""
    text = read_words(value)
    parse_window(text)
    return text


def read_catch_up(value: object) -> timedelta:
    """``interval`` or a duration."""
    return INTERVAL if value in (_INTERVAL, INTERVAL) else read_duration(value)


def show_catch_up(age: timedelta) -> str:
    """A catch-up as it is written."""
    return _INTERVAL if age == INTERVAL else format_duration(age)


def read_age(value: object) -> timedelta | None:
    """A retention: a duration from an hour up, ``never``, or nothing, which deletes nothing either."""
    if value is None:
        return None
    if value in (_NEVER, NEVER):
        return NEVER
    age = read_duration(value)
    if age < _SHORTEST_AGE:
        raise ValueError(
            "is less than an hour, which would delete jobs that have only just ended; write never to keep all"
        )
    return age


def show_age(age: timedelta | None) -> str | None:
    """A retention as it is written."""
    return _NEVER if age == NEVER else None if age is None else format_duration(age)


def read_provider_ages(value: object) -> dict[str, dict[str, timedelta | None]]:
    """Provider to status to retention."""
    found: dict[str, dict[str, timedelta | None]] = {}
    for provider, ages in _mapping(value, "{vsphere: {failed: 180d}}").items():
        found[provider] = {}
        for status, age in _mapping(ages, "{failed: 180d}", f"{provider}: ").items():
            if status not in _STATUSES:
                raise ValueError(f"{provider}.{status}: is no finished status; {nearest(status, _STATUSES)}")
            try:
                found[provider][status] = read_age(age)
            except ValueError as exc:
                raise ValueError(f"{provider}.{status}: {exc}") from exc
    return found


def show_provider_ages(value: Mapping[str, Mapping[str, timedelta | None]]) -> dict[str, dict[str, str | None]]:
    """Retentions of providers as they are written."""
    return {provider: {status: show_age(age) for status, age in ages.items()} for provider, ages in value.items()}


def read_share(value: object) -> float:
    """A percentage above 0 up to 100, as a fraction."""
    if isinstance(value, float) and 0 < value <= 1:
        return value
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a percentage, such as 50%")
    if not 0 < float(found[1]) <= 100:  # noqa: PLR2004 - per cent
        raise ValueError("must be more than 0% and at most 100%")
    return float(found[1]) / 100


def show_share(share: float) -> str:
    """A fraction as a percentage."""
    return f"{round(share * 100, 3):g}%"


def read_size(value: object) -> int:
    """Bytes, by their unit."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    size = parse_size(value if isinstance(value, str) else "")
    if size > _LARGEST_BYTES:
        raise ValueError("must be at most 1TiB")
    return size


def read_label(value: object) -> str:
    """A short name that can be a metric's label."""
    text = read_words(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", text) or len(text) > _LONGEST_NAME or text == "local":
        raise ValueError("must be a short name of a-z, 0-9, - and _, other than local")
    return text


class Destination(BaseModel):
    """A second place for backups: ``directory``, or ``bucket`` with what S3 needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, BeforeValidator(read_label)] = Field(
        description="A short name of its own, for `--from` and metrics."
    )
    directory: FilePath | None = Field(None, description="A directory, which has to be there.")
    bucket: Words | None = Field(None, description="A bucket of S3, in place of a directory.")
    prefix: str = Field("", description="What its objects' names begin with; a store needs one of its own.")
    endpoint: Words | None = Field(None, description="The server's address; without it Amazon's.")
    region: Words | None = Field(None, description="The bucket's region, where the server asks for one.")
    access_key_file: FilePath | None = Field(
        None, description="A file with the access key; without it the driver's own places."
    )
    secret_key_file: FilePath | None = Field(None, description="A file with the secret key.")
    ca_file: FilePath | None = Field(None, description="Certificates to trust in place of the system's.")
    path_style: Boolean | None = Field(
        None,
        description="Whether the bucket is named in the path, not in the host; without it, where there is an `endpoint`.",
    )

    @whole(mode="after")
    def _is_one_kind(self) -> Destination:
        if (self.directory is None) == (self.bucket is None):
            raise ValueError("needs a directory or a bucket, one of them")
        if (self.access_key_file is None) != (self.secret_key_file is None):
            raise ValueError("needs access_key_file and secret_key_file, both or neither")
        return self


def _unique_names(destinations: tuple[Destination, ...]) -> tuple[Destination, ...]:
    names = [destination.name for destination in destinations]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"names {name} twice")
    return destinations


def _mapping(value: object, wanted: str, where: str = "") -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}must be a mapping, such as {wanted}")  # noqa: TRY004 - pydantic gathers ValueErrors
    return value


Zone = Annotated[str, BeforeValidator(read_zone)]
Cron = Annotated[str, BeforeValidator(read_cron)]
Window = Annotated[str, BeforeValidator(read_window)]
CatchUp = Annotated[
    timedelta,
    BeforeValidator(read_catch_up),
    PlainSerializer(show_catch_up, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": [_INTERVAL, "12h"]}),
]
Age = Annotated[
    timedelta | None,
    BeforeValidator(read_age),
    PlainSerializer(show_age, return_type=str | None, when_used="json"),
    WithJsonSchema({"type": ["string", "null"], "examples": ["30d", _NEVER]}),
]
ProviderAges = Annotated[
    dict[str, dict[str, timedelta | None]],
    BeforeValidator(read_provider_ages),
    PlainSerializer(show_provider_ages, return_type=dict, when_used="json"),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "object"}}),
]
Share = Annotated[
    float,
    BeforeValidator(read_share),
    PlainSerializer(show_share, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3})?%$", "examples": ["50%"]}),
]
Size = Annotated[
    int,
    BeforeValidator(read_size),
    PlainSerializer(format_size, return_type=str, when_used="json"),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["64MiB"]}),
]
unique_names = AfterValidator(_unique_names)
