"""The options of unattended maintenance: when each task runs, and what it may do."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from hyperjobs.config.care import (
    Age,
    CatchUp,
    Cron,
    Destination,
    ProviderAges,
    Share,
    Size,
    Window,
    Zone,
    unique_names,
)
from hyperjobs.config.section import Section, option, section
from hyperjobs.config.values import Boolean, Duration, FilePath, Whole, Words, choice


class Compression(StrEnum):
    """How a backup is stored."""

    ZSTD = "zstd"
    GZIP = "gzip"
    NONE = "none"


class VacuumMode(StrEnum):
    """How space is given back."""

    AUTO = "auto"
    INCREMENTAL = "incremental"
    FULL = "full"
    NONE = "none"


class TaskSection(Section):
    """What every scheduled task can be told."""

    timezone: Zone | None = option(
        None,
        "The time zone of this task's schedule and window; null is `maintenance.timezone`.",
        unit="IANA name or null",
        reason="one zone for all tasks is easiest to think about",
    )
    jitter: Duration = option(
        timedelta(0),
        "The longest that a run is put off after its time, by a length that differs from run to run.",
        unit="duration",
        reason="one store has nobody to collide with; many on one disk have",
        ge=timedelta(0),
        le=timedelta(hours=12),
    )
    catch_up: CatchUp | None = option(
        None,
        "How old a missed run may be to be made up for; null is `maintenance.catch_up`.",
        unit="`interval`, duration or null",
        reason="one rule for all tasks is easiest to think about",
    )
    window: Window | None = option(
        None,
        "The hours in which this task may start; null is any.",
        unit='"HH:MM-HH:MM" or null',
        reason="tasks that writers do not notice may run at any hour",
    )


class Integrity(TaskSection):
    """Checks of the store and of the newest backup."""

    quick: Cron | None = option(
        "15 1 * * *",
        "When the live store is checked.",
        unit="cron expression or null",
        reason="before the night's backup, so that damage is known before anything is rotated",
    )
    full: Cron | None = option(
        "15 5 * * sun",
        "When the newest backup is checked in full.",
        unit="cron expression or null",
        reason="weekly, after the backup; it takes seconds and touches no writer",
    )


class Keep(Section):
    """Which verified backups are kept; one that any rule keeps stays."""

    last: Whole = option(3, "The newest so many.", unit="backups", reason="a few to go back by", ge=0, le=10_000)
    hourly: Whole = option(
        0, "The newest of each of so many hours.", unit="backups", reason="backups are daily", ge=0, le=100_000
    )
    daily: Whole = option(
        7, "The newest of each of so many days.", unit="backups", reason="a week in days", ge=0, le=100_000
    )
    weekly: Whole = option(
        4, "The newest of each of so many weeks.", unit="backups", reason="a month in weeks", ge=0, le=10_000
    )
    monthly: Whole = option(
        6, "The newest of each of so many months.", unit="backups", reason="half a year in months", ge=0, le=10_000
    )
    yearly: Whole = option(
        0, "The newest of each of so many years.", unit="backups", reason="yours to say", ge=0, le=1_000
    )


class Backup(TaskSection):
    """Dated copies, proven before they count."""

    schedule: Cron | None = option(
        "30 1 * * *",
        "When a backup is taken.",
        unit="cron expression or null",
        reason="in the quiet hours, after the quick check and before prune",
    )
    directory: FilePath = option(
        Path("/var/backups/hyperjobs"),
        "The directory of backups. For another user than root, outside of systemd, the default is `~/.local/state/hyperjobs/backups`.",
        unit="path",
        reason="where a system keeps its backups; put another disk there",
    )
    compress: Annotated[Compression, choice(Compression)] = option(
        Compression.ZSTD,
        "How backups are stored.",
        unit="zstd, gzip or none",
        reason="a fifth of the size for a second of work at a million jobs",
    )
    minimum: Whole = option(
        2,
        "The number of verified backups that rotation never goes below.",
        unit="backups",
        reason="one that turns out to be bad must not have been the last",
        ge=1,
        le=10_000,
    )
    host: Words | None = option(
        None,
        "What this machine is called in backups; null is its host name. Rotation deletes no backup of another.",
        unit="name or null",
        reason="two machines whose stores have one path may share a directory by mistake; name it where the host name"
        " changes at each start, as in a container",
    )
    keep: Keep = section(Keep)
    keep_replaced: Duration = option(
        timedelta(days=30),
        "How long what a restore replaced is kept beside the store; the nightly backup deletes older ones, never the newest.",
        unit="duration",
        reason="long enough to notice that the restore was a mistake",
        ge=timedelta(hours=1),
        le=timedelta(days=36500),
    )
    pause: Duration = option(
        timedelta(milliseconds=5),
        "The rest between two steps of a copy.",
        unit="duration",
        reason="leaves the disk to the writers",
        ge=timedelta(0),
        le=timedelta(seconds=10),
    )
    destinations: Annotated[
        tuple[Destination, ...],
        unique_names,
    ] = option(
        (),
        "Second places that each verified backup is copied to: a directory or an S3 bucket, each with a `name`.",
        unit="list of destinations",
        reason="where a second copy may go is yours to say",
        max_length=16,
    )


class Drill(TaskSection):
    """Proof that the newest backup restores."""

    schedule: Cron | None = option(
        "0 4 * * sun",
        "When the newest backup is restored to a scratch file and checked.",
        unit="cron expression or null",
        reason="weekly: a backup that was never restored is a hope",
    )


class Retention(Section):
    """How long finished jobs are kept after their end; what is not set is kept."""

    completed: Age = option(
        None,
        "How long after their end completed jobs are kept; null keeps them.",
        unit="duration, `never` or null",
        reason="deleting is yours to decide",
    )
    failed: Age = option(
        None,
        "How long after their end failed jobs are kept; null keeps them.",
        unit="duration, `never` or null",
        reason="deleting is yours to decide",
    )
    cancelled: Age = option(
        None,
        "How long after their end cancelled jobs are kept; null keeps them.",
        unit="duration, `never` or null",
        reason="deleting is yours to decide",
    )


class Archive(Section):
    """Where pruned jobs go before they are deleted, so that `hyperjobs prune undo` brings them back."""

    enabled: Boolean = option(
        True,  # noqa: FBT003 - a default, not an argument
        "Write pruned jobs to compressed JSON Lines first.",
        unit="true or false",
        reason="a retention that was set too short can be undone",
    )
    keep: Duration = option(
        timedelta(days=90),
        "How long archives are kept.",
        unit="duration",
        reason="long enough for somebody to miss a job",
        ge=timedelta(days=1),
        le=timedelta(days=36_500),
    )
    directory: FilePath | None = option(
        None,
        "The directory of archives; null is `archive` in `store.state_dir`.",
        unit="path or null",
        reason="beside the other state",
    )


class Prune(TaskSection):
    """Deleting finished jobs that are past their retention."""

    schedule: Cron | None = option(
        "30 2 * * *",
        "When jobs are pruned.",
        unit="cron expression or null",
        reason="after the night's backup, which still holds them",
    )
    retention: Retention = section(Retention)
    providers: ProviderAges = option(
        {},
        "Retention of single providers, as `{vsphere: {failed: 180d}}`; what it does not name is as for all.",
        unit="mapping of provider to status to duration or `never`",
        reason="one rule for all is easiest to think about",
    )
    keep_newest: Whole = option(
        0,
        "The newest so many finished jobs are kept whatever their age.",
        unit="jobs",
        reason="retention by age says it already",
        ge=0,
        le=1_000_000_000,
    )
    archive: Archive = section(Archive)
    max_share: Share = option(
        0.5,
        "The largest share of the store that one run may delete; the oldest go first, the rest the next night.",
        unit="percentage",
        reason="a retention that is a slip does not empty the store in one night",
    )
    max_clock_jump: Duration = option(
        timedelta(days=1),
        "Prune refuses when the clock went by more than this since it was last read while the agent ran.",
        unit="duration",
        reason="a clock that is a year ahead makes every job a year older",
        ge=timedelta(minutes=10),
        le=timedelta(days=3650),
    )


class Vacuum(TaskSection):
    """Giving free pages back to the file system."""

    schedule: Cron | None = option(
        "0 3 * * sun",
        "When it is looked whether space is to be given back.",
        unit="cron expression or null",
        reason="weekly, after prune",
    )
    mode: Annotated[VacuumMode, choice(VacuumMode)] = option(
        VacuumMode.AUTO,
        "How: `auto` takes the way that writers notice least.",
        unit="auto, incremental, full or none",
        reason="most stores need no more than small steps",
    )
    min_free: Share = option(
        0.2,
        "A full VACUUM, which stops writers, needs at least this share of the file to be free.",
        unit="percentage",
        reason="less is soon used again",
    )
    window: Window | None = option(
        "02:00-05:00",
        "The hours in which a full VACUUM may start; null is any. Small steps are not bound to it.",
        unit='"HH:MM-HH:MM" or null',
        reason="the hours in which a pause of a second or two is noticed least",
    )


class Checkpoint(Section):
    """Moving the -wal back into the store's file."""

    every: Duration = option(
        timedelta(minutes=5),
        "How often the -wal is looked at.",
        unit="duration",
        reason="often enough to notice a reader that blocks it",
        ge=timedelta(seconds=10),
        le=timedelta(days=1),
    )
    truncate: Window | None = option(
        "03:00-04:00",
        "The hours, in `maintenance.timezone`, in which the -wal is also cut back to nothing; null is never.",
        unit='"HH:MM-HH:MM" or null',
        reason="cutting it makes the next writer wait a moment",
    )


class Optimize(TaskSection):
    """Keeping the statistics that SQLite plans queries by."""

    schedule: Cron | None = option(
        "50 2 * * *",
        "When they are looked at.",
        unit="cron expression or null",
        reason="after prune, which changes how many rows there are",
    )


class Maintenance(Section):
    """Unattended care of the store: what runs when. A schedule of null switches a task off."""

    timezone: Zone = option(
        "UTC",
        "The time zone of schedules and windows.",
        unit="IANA name, such as Europe/Berlin",
        reason="it has no summer time",
    )
    catch_up: CatchUp = option(
        "interval",
        "How old a missed run may be to be made up for: `interval`, the time between two runs, or a duration.",
        unit="`interval`, or duration from 0s",
        reason="a machine that was off at night still gets its backup in the morning",
    )
    reserve: Size = option(
        128 * 1024 * 1024,
        "Space set aside beside the store, given up when its disk is full so that it can still be put right; 0 is none.",
        unit="size from 0 to 1TiB, such as 64MiB",
        reason="a -wal as large as it is let grow, and as much growth of the store",
    )
    keep_fixes: Duration = option(
        timedelta(days=365),
        "How long the rows that `hyperjobs doctor --fix` mended are kept as they were; the next fix deletes older ones,"
        " never the newest.",
        unit="duration",
        reason="long enough for `--undo`; the backup before a fix is kept by its own rules",
        ge=timedelta(days=1),
        le=timedelta(days=36500),
    )
    reload_max_deletes: Share = option(
        0.25,
        "The largest share of jobs, of archives, or of verified backups in one place, that a reload may newly let go; a"
        " configuration that would delete more needs `hyperjobs config ack` or a restart. The value in force counts, not the new one.",
        unit="percentage",
        reason="a slip in a retention is found before it has deleted anything",
    )
    integrity: Integrity = section(Integrity)
    backup: Backup = section(Backup)
    drill: Drill = section(Drill)
    prune: Prune = section(Prune)
    vacuum: Vacuum = section(Vacuum)
    checkpoint: Checkpoint = section(Checkpoint)
    optimize: Optimize = section(Optimize)
