"""The channels of notifications: one model for all types, and what each of them needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)
from pydantic import model_validator as whole

from hyperjobs.config.care import read_label
from hyperjobs.config.problem import nearest
from hyperjobs.config.values import Boolean, Duration, FilePath, Unique, Whole, Words, choice, read_words
from hyperjobs.secret import HIDDEN, Secret

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_SECRET_HEADER = re.compile(r"auth|cookie|token|secret|key|pass|signature", re.IGNORECASE)
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_SLUG = re.compile(r"[a-z0-9_-]{1,100}")
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_RETRY: Final = 20


class ChannelType(StrEnum):
    """The ways to tell somebody."""

    WEBHOOK = "webhook"
    HEALTHCHECKS = "healthchecks"
    NTFY = "ntfy"
    SMTP = "smtp"
    APPRISE = "apprise"


class SmtpTls(StrEnum):
    """How mail is kept from others."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


def read_url(value: object) -> Secret:
    """An address, which is treated as a secret: for many receivers whoever knows it may write."""
    if isinstance(value, Secret):
        return value
    text = read_words(value)
    try:
        parts = urlsplit(text)
    except ValueError as exc:
        raise ValueError("is no URL") from exc
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must begin with https:// or http:// and name a host")
    if "@" in parts.netloc:
        raise ValueError("holds a user or password; keep them in a file, as header_files or url_file")
    return Secret(text)


def show_url(value: Secret) -> str:
    """Where it goes, without what may be secret about it."""
    parts = urlsplit(value.reveal())
    return f"{parts.scheme}://{parts.netloc}/{HIDDEN}"


def _read_header_names(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("must be a mapping of header names")  # noqa: TRY004 - pydantic gathers ValueErrors
    for name in value:
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError("has a name that is no header's")
    return dict(value)


def _read_headers(value: object) -> dict[str, Any]:
    headers = _read_header_names(value)
    for name, text in headers.items():
        if _SECRET_HEADER.search(name):
            raise ValueError(f"{name}: sounds like a secret; name a file that holds it in header_files")
        if not read_words(text).isascii():
            raise ValueError(f"{name}: holds a character that is not ASCII")
    return headers


def _read_slugs(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError("must be a mapping of task to slug, such as {backup: nightly-backup}")
    for slug in value.values():
        if not isinstance(slug, str) or not _SLUG.fullmatch(slug):
            raise ValueError("has a slug that is not of a-z, 0-9, - and _")
    return dict(value)


def _like(pattern: re.Pattern[str], wanted: str) -> BeforeValidator:
    def read(value: object) -> str:
        text = read_words(value)
        if not pattern.fullmatch(text):
            raise ValueError(f"must be {wanted}")
        return text

    return BeforeValidator(read)


Url = Annotated[
    Secret,
    BeforeValidator(read_url),
    PlainSerializer(show_url, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "uri"}),
]
Mail = Annotated[str, _like(_MAIL, "a mail address such as ops@example.net")]
Variable = Annotated[str, _like(_VARIABLE, "the name of an environment variable")]

_COMMON: Final = frozenset({"name", "type", "enabled", "events", "tasks", "repeat", "details", "timeout", "retry"})
_HTTP: Final = frozenset({"url", "url_file", "url_env", "ca_file", "proxy"})
_OWN: Final[Mapping[ChannelType, frozenset[str]]] = {
    ChannelType.WEBHOOK: _HTTP | {"headers", "header_files"},
    ChannelType.HEALTHCHECKS: _HTTP | {"slugs"},
    ChannelType.NTFY: _HTTP | {"topic", "token_file", "token_env"},
    ChannelType.SMTP: frozenset(
        {"host", "port", "tls", "username", "password_file", "password_env", "sender", "to", "ca_file"}
    ),
    ChannelType.APPRISE: frozenset({"urls_file"}),
}


class Channel(BaseModel):
    """One channel; which options it has depends on its type."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: Annotated[str, BeforeValidator(read_label)]
    type: Annotated[ChannelType, choice(ChannelType)]
    enabled: Boolean = True
    events: Annotated[tuple[Words, ...], Unique, Field(min_length=1, max_length=50)] | None = None
    tasks: Annotated[tuple[Words, ...], Unique, Field(max_length=50)] = ()
    repeat: Duration | None = None
    details: Boolean = False
    timeout: Duration = Field(default=timedelta(seconds=10), json_schema_extra={"default": "10s"})
    retry: Annotated[Whole, AfterValidator(lambda value: _within(value, 0, _LONGEST_RETRY))] = 5
    url: Url | None = None
    url_file: FilePath | None = None
    url_env: Variable | None = None
    ca_file: FilePath | None = None
    proxy: Boolean = False
    headers: Annotated[dict[str, str], BeforeValidator(_read_headers)] = {}
    header_files: Annotated[dict[str, FilePath], BeforeValidator(_read_header_names)] = {}
    slugs: Annotated[dict[str, str], BeforeValidator(_read_slugs)] = {}
    topic: Annotated[str, _like(_TOPIC, "a topic of letters, digits, - and _")] | None = None
    token_file: FilePath | None = None
    token_env: Variable | None = None
    host: Words | None = None
    port: Annotated[Whole, AfterValidator(lambda value: _within(value, 1, 65_535))] | None = None
    tls: Annotated[SmtpTls, choice(SmtpTls)] = SmtpTls.STARTTLS
    username: Words | None = None
    password_file: FilePath | None = None
    password_env: Variable | None = None
    sender: Mail | None = None
    to: Annotated[tuple[Mail, ...], Unique, Field(max_length=50)] = ()
    urls_file: FilePath | None = None

    @model_serializer(mode="wrap")
    def _without_defaults(self, dump: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """What was written, for a person: most options are of other types, which would refuse to be read again."""
        values: dict[str, Any] = dump(self)
        return {
            name: value for name, value in values.items() if not info.mode_is_json() or name in self.model_fields_set
        }

    @whole(mode="after")
    def _fits_its_type(self) -> Channel:
        own = _OWN[self.type] | _COMMON
        if strange := sorted(self.model_fields_set - own):
            raise ValueError(f"{strange[0]}: is no option of type {self.type}; it has {', '.join(sorted(own))}")
        if not timedelta(seconds=1) <= self.timeout <= timedelta(minutes=1):
            raise ValueError("timeout: must be from 1s to 1m")
        _CHECKS[self.type](self)
        return self


def _within(value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ValueError(f"must be from {least} to {most}")
    return value


def _one_of(channel: Channel, *names: str, is_needed: bool = True) -> bool:
    """Whether one of the options is given; more than one is refused, and none where one is needed."""
    given = [name for name in names if getattr(channel, name) is not None]
    if len(given) > 1:
        raise ValueError(f"{given[1]}: stands beside {given[0]}; give one of them")
    if is_needed and not given:
        raise ValueError(f"{names[0]}: is missing; type {channel.type} needs {' or '.join(names)}")
    return bool(given)


def _check_http(channel: Channel) -> None:
    _one_of(channel, "url", "url_file", "url_env")
    if both := sorted({name.lower() for name in channel.headers} & {name.lower() for name in channel.header_files}):
        raise ValueError(f"headers: names {both[0]}, as header_files does")


def _check_healthchecks(channel: Channel) -> None:
    _check_http(channel)
    if channel.events is not None or channel.repeat is not None:
        raise ValueError("events: type healthchecks pings by itself for a start, a success and a failure")
    for task in channel.tasks if channel.slugs else ():
        if task not in channel.slugs:
            raise ValueError(f"slugs: has none for {task}; {nearest(task, channel.slugs)}")
    if not channel.slugs and len(channel.tasks) != 1:
        raise ValueError("tasks: one check is for one task; name one, or give each of them a slug in slugs")


def _check_ntfy(channel: Channel) -> None:
    _check_http(channel)
    _one_of(channel, "topic")
    _one_of(channel, "token_file", "token_env", is_needed=False)


def _check_smtp(channel: Channel) -> None:
    for name in ("host", "sender"):
        _one_of(channel, name)
    if not channel.to:
        raise ValueError("to: is missing; name at least one address")
    has_password = _one_of(channel, "password_file", "password_env", is_needed=False)
    if has_password != (channel.username is not None):
        raise ValueError("username: goes with password_file or password_env; give both or neither")
    if has_password and channel.tls is SmtpTls.NONE:
        raise ValueError("tls: none would send the password for all to read; write starttls or tls")


def _check_apprise(channel: Channel) -> None:
    _one_of(channel, "urls_file")


_CHECKS: Final = {
    ChannelType.WEBHOOK: _check_http,
    ChannelType.HEALTHCHECKS: _check_healthchecks,
    ChannelType.NTFY: _check_ntfy,
    ChannelType.SMTP: _check_smtp,
    ChannelType.APPRISE: _check_apprise,
}


def _unique_channels(channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    names = [channel.name for channel in channels]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"names {name} twice")
    return channels


unique_channels = AfterValidator(_unique_channels)
