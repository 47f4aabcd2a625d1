"""Every option there is: its default, bounds, unit and meaning.

The example file, the table in the documentation, the JSON Schema and the checks are all made from these models. Only
what works can be configured: an option appears here together with the code that heeds it.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import AfterValidator, PrivateAttr

from hyperjobs.config.care import Size  # noqa: TC001 - pydantic reads annotations when it makes the models
from hyperjobs.config.maintenance import Maintenance
from hyperjobs.config.notify import Channel, unique_channels
from hyperjobs.config.section import Section, option, section
from hyperjobs.config.values import (
    Boolean,
    Duration,
    FilePath,
    HostName,
    Increasing,
    Listen,
    ListenAddress,
    Seconds,
    Unique,
    Whole,
    Words,
    choice,
    split_listen_address,
)
from hyperjobs.duration import format_duration
from hyperjobs.size import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

OptionPath: TypeAlias = tuple[str, ...]
"""An option's name from the top: ``("store", "path")``."""


def _bounded(length: timedelta) -> timedelta:
    if not _SHORTEST_SCRAPE <= length <= _LONGEST_SCRAPE:
        raise ValueError("must be from 1s to 7d")
    return length


_SHORTEST_SCRAPE, _LONGEST_SCRAPE = timedelta(seconds=1), timedelta(days=7)
ScrapeInterval: TypeAlias = Annotated[Duration, AfterValidator(_bounded)]


class Ledger(StrEnum):
    """How numbers are kept."""

    TRIGGERS = "triggers"
    SCAN = "scan"


class NetworkFilesystem(StrEnum):
    """What is done with a store on a network file system."""

    REFUSE = "refuse"
    ALLOW = "allow"


class Level(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class Store(Section):
    """The job store and what is kept about it."""

    path: FilePath | None = option(
        None,
        "The SQLite file in which hypersdk keeps its jobs. `hyperjobs run` needs it.",
        unit="path",
        reason="there is none, since guessing which store to look after would be dangerous",
        needs_restart=True,
    )
    create: Boolean = option(
        False,  # noqa: FBT003 - a default, not an argument
        "Create the store when there is no file.",
        unit="true or false",
        reason="a missing store is usually a wrong path or a disk that is not mounted",
        needs_restart=True,
    )
    busy_timeout: Duration = option(
        timedelta(seconds=5),
        "How long to wait for another process that holds the store's lock.",
        unit="duration",
        reason="hypersdk itself waits as long",
        ge=timedelta(milliseconds=10),
        le=timedelta(minutes=10),
    )
    ledger: Annotated[Ledger, choice(Ledger)] = option(
        Ledger.TRIGGERS,
        "How numbers are kept: `triggers` records each change in the store itself, `scan` only reads it.",
        unit="triggers or scan",
        reason="triggers count every change exactly at any size; scan adds nothing to the store",
        needs_restart=True,
    )
    scan_interval: Duration = option(
        timedelta(seconds=60),
        "The shortest time between two scans, where the store is scanned.",
        unit="duration",
        reason="a scan reads the whole store",
        ge=timedelta(seconds=1),
        le=timedelta(days=1),
    )
    fold_interval: Duration = option(
        timedelta(milliseconds=500),
        "How often recorded changes are folded into totals.",
        unit="duration",
        reason="often enough that a scrape finds little left to add up",
        ge=timedelta(milliseconds=10),
        le=timedelta(seconds=10),
    )
    history: Duration = option(
        timedelta(days=90),
        "How long the status changes of each job are kept.",
        unit="duration",
        reason="long enough to look back over a quarter",
        ge=timedelta(hours=1),
        le=timedelta(days=3650),
    )
    network_filesystem: Annotated[NetworkFilesystem, choice(NetworkFilesystem)] = option(
        NetworkFilesystem.REFUSE,
        "Whether the store may lie on a network file system (NFS, SMB, 9p, sshfs and the like).",
        unit="refuse or allow",
        reason="hosts that share one there overwrite each other's rows; allow it only where one host alone uses it",
    )
    state_dir: FilePath = option(
        Path("/var/lib/hyperjobs"),
        "The directory for what must outlive the store, such as counter offsets."
        " Under systemd the default is the unit's StateDirectory, for another user than root `~/.local/state/hyperjobs`.",
        unit="path",
        reason="the place for a service's own state",
        needs_restart=True,
    )


class Web(Section):
    """The HTTP server for metrics, health, the status page and the API."""

    listen: Annotated[tuple[Listen, ...], Unique] = option(
        ("127.0.0.1:10985",),
        "The addresses to listen on. Port 0 takes any free port.",
        unit="list of host:port",
        reason="only this machine: opening it to the network is for you to decide",
        min_length=1,
        max_length=16,
        needs_restart=True,
    )
    config_file: FilePath | None = option(
        None,
        "The web configuration file for TLS and basic authentication, in the format of Prometheus's exporters."
        " See docs/security.md.",
        unit="path or null",
        reason="on this machine alone there is nobody to keep out",
        needs_restart=True,
    )
    expect_scrape_every: ScrapeInterval | None = option(
        None,
        "How often Prometheus scrapes; after three intervals without, `agent.not_scraped` is notified. Null expects none.",
        unit="duration from 1s to 7d, or null",
        reason="whether something scrapes it is yours to say",
    )
    reload: Boolean = option(
        False,  # noqa: FBT003 - a default, not an argument
        "Let `POST /-/reload` read the configuration again, as SIGHUP does.",
        unit="true or false",
        reason="whoever reaches the port could use it",
        needs_restart=True,
    )
    jobs: Boolean = option(
        True,  # noqa: FBT003 - a default, not an argument
        "Show ids, names, VMs, users and error texts of jobs on the status page and in the API;"
        " `false` leaves the counts.",
        unit="true or false",
        reason="they are what helps at three in the morning, and by default only this machine can ask",
    )
    hosts: Annotated[tuple[HostName, ...], Unique] = option(
        (),
        "The names that the status page and the API may be asked for by, beside addresses, `localhost` and this"
        " machine's own name. Empty allows any name where `listen` has an address that other machines reach.",
        unit="list of host names",
        reason="a web page can give its own name an address of this machine, and so read what only this machine may",
        max_length=64,
    )

    @property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """``listen``, each taken apart into host and port."""
        return tuple(split_listen_address(text) for text in self.listen)


class Log(Section):
    """The log, written to standard error."""

    level: Annotated[Level, choice(Level)] = option(
        Level.INFO,
        "The least serious lines to write.",
        unit="debug, info, warning or error",
        reason="one line for each thing that happened, none for a scrape",
    )
    format: Annotated[LogFormat, choice(LogFormat)] = option(
        LogFormat.AUTO,
        "How lines look; `auto` is `console` on a terminal and `json` elsewhere.",
        unit="auto, console or json",
        reason="right for people and for log collectors",
    )


class Metrics(Section):
    """What is exported and how it is grouped."""

    max_providers: Whole = option(
        50,
        "How many providers get series of their own; the rest are counted as `other`.",
        unit="providers",
        reason="anyone who submits jobs can invent provider names, and each has dozens of series",
        ge=1,
        le=1000,
    )
    providers: Annotated[tuple[Words, ...], Unique] = option(
        (),
        "The only providers that get series of their own; empty admits them in order of first sight.",
        unit="list of names",
        reason="which providers there are is yours to say",
        max_length=1000,
    )
    stalled_after: Duration = option(
        timedelta(minutes=30),
        "A running job without progress for this long counts as stalled.",
        unit="duration",
        reason="longer than the slowest step between two progress reports",
        ge=timedelta(minutes=1),
        le=timedelta(days=30),
    )
    duration_buckets: Annotated[tuple[Seconds, ...], Increasing] = option(
        (60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800),
        "The upper bounds of the job duration histogram, in increasing order."
        " They are fixed once the ledger is installed; `hyperjobs install --rebuild` changes them.",
        unit="list of seconds",
        reason="from a minute to a week, which is how long exports and migrations take",
        min_length=1,
        max_length=50,
    )


class Audit(Section):
    """The audit log: every change of a job's status, in a file in which no line can be altered unseen."""

    path: FilePath | None = option(
        None,
        "The file to append to, for its owner alone; its directory must be there. Without it there is no audit log.",
        unit="path or null",
        reason="where it may lie, and who may read it, is for you to decide",
    )
    rotate: Size = option(
        64 << 20,
        "The size from which on another file is begun; the chain of lines goes on in it.",
        unit="size",
        reason="a third of a million changes, which every tool still opens",
        ge=64 << 10,
        le=1 << 40,
    )
    keep: Whole = option(
        10,
        "How many files before the one that grows are kept.",
        unit="files",
        reason="with the default size some three million changes",
        ge=1,
        le=10_000,
    )
    fsync: Boolean = option(
        True,  # noqa: FBT003 - a default, not an argument
        "Sync the lines to the disk before a change counts as written.",
        unit="true or false",
        reason="a log that a power cut can shorten proves little",
    )
    key_file: FilePath | None = option(
        None,
        "A file with a key of 16 bytes or more, for a code (HMAC-SHA-256) in each line.",
        unit="path or null",
        reason="a key is for you to make; without one who may write the file can make the whole chain anew",
    )


class Config(Section):
    """The whole configuration."""

    store: Store = section(Store)
    web: Web = section(Web)
    log: Log = section(Log)
    metrics: Metrics = section(Metrics)
    maintenance: Maintenance = section(Maintenance)
    notifications: Annotated[tuple[Channel, ...], unique_channels] = option(
        (),
        "The channels that tell people when something fails or works again, each with a `name` and a `type`;"
        " see docs/notifications.md.",
        unit="list of channels",
        reason="whom to tell is yours to say",
        max_length=16,
    )
    audit: Audit = section(Audit)

    _source: Path | None = PrivateAttr(default=None)

    @property
    def source(self) -> Path | None:
        """The file this was read from; ``None`` when there was none."""
        return self._source


def section_of(field: FieldInfo) -> type[Section] | None:
    """The model of a field that is a section; ``None`` for an option."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


@cache
def options() -> Mapping[OptionPath, FieldInfo]:
    """Each option's field by its path, in the order of the models."""
    return MappingProxyType(dict(_fields(Config, ())))


@cache
def fixed_options() -> tuple[OptionPath, ...]:
    """The options that a reload cannot change, in the order of the models."""
    return tuple(path for path, field in options().items() if needs_restart(field))


def needs_restart(field: FieldInfo) -> bool:
    """Whether a reload cannot change this option."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("needs_restart"))


def _fields(model: type[Section], prefix: OptionPath) -> Iterator[tuple[OptionPath, FieldInfo]]:
    for name, field in model.model_fields.items():
        path = (*prefix, name)
        if deeper := section_of(field):
            yield from _fields(deeper, path)
        else:
            yield path, field


def bounds(field: FieldInfo) -> str:
    """What a single value may be, in words: ``from 10ms to 10m``; empty when anything of the type goes."""
    limits = [_limit(field, "ge"), _limit(field, "le")]
    return "" if None in limits else f"from {limits[0]} to {limits[1]}"


def _limit(field: FieldInfo, name: str) -> str | None:
    limit = next((getattr(part, name) for part in field.metadata if hasattr(part, name)), None)
    if isinstance(limit, timedelta):
        return format_duration(limit)
    extra = field.json_schema_extra
    if isinstance(limit, int) and isinstance(extra, dict) and extra.get("unit") == "size":
        return format_size(limit)
    return None if limit is None else str(limit)
