"""``hyperjobs`` alone: how the store is, in ten lines, and what to do next."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from hyperjobs.cli.moment import show_age, show_instant
from hyperjobs.cli.place import StorePlace
from hyperjobs.cli.setting import setting_of
from hyperjobs.cli.show import show_bytes
from hyperjobs.cli.table import emit
from hyperjobs.cli.text import printable
from hyperjobs.errors import HyperjobsError, StoreNotFoundError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import click

    from hyperjobs.clock import Clock
    from hyperjobs.config import Config
    from hyperjobs.store.glance import Glance

_WIDTH = 9
_OLD_BACKUP = timedelta(days=2)
_MANY = 5
"""A share of fewer jobs says nothing, as in the alerts."""
_GOOD_RATE = 80.0
_HELP = "hyperjobs --help lists the commands"


@dataclass(slots=True)
class _Told:
    """What is said, and what to do about it, the most urgent first."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    advice: list[tuple[int, str]] = field(default_factory=list)

    def say(self, name: str, text: str) -> None:
        self.lines.append((name, text))

    def advise(self, urgency: int, text: str) -> None:
        """The lower the more urgent."""
        self.advice.append((urgency, text))


def glance(context: click.Context) -> int:
    """Say how the store is; the exit code."""
    place, now = StorePlace(), setting_of(context).clock.now()
    try:
        path = place.find().absolute()
    except StoreNotFoundError as exc:
        emit(printable(str(exc)))
        emit("a program that keeps its jobs by hypersdk's client makes one; 'hyperjobs list --store PATH' reads it")
        emit(f"{'help':<{_WIDTH}}{_HELP}")
        return exc.exit_code
    config = place.load()
    told = _Told()
    found, trouble = _look(path, now)
    _tell_store(told, path, found, trouble)
    agent = _agent(path, config)
    told.say("agent", f"{agent} looks after it" if agent else "none: no maintenance, no metrics")
    if not agent:
        told.advise(4, "start an agent: hyperjobs run --store PATH, or systemctl start hyperjobs")
    if found is not None:
        _tell_jobs(told, found, now)
    _tell_backup(told, path, config, now)
    if agent:
        _tell_next(told, config, now)
    # the last: root goes on as the agent's user from here, who might not be let read where Python lies
    _tell_state(told, path, config, found, setting_of(context).clock, has_agent=bool(agent))
    advice = [text for _, text in sorted(told.advice)]
    told.say("do", advice[0] if advice else "nothing: all is well")
    told.say("help", _HELP)
    for name, text in told.lines:
        emit(f"{name:<{_WIDTH}}{printable(text)}")
    return trouble.exit_code if trouble is not None else 0


def _look(path: Path, now: datetime) -> tuple[Glance | None, HyperjobsError | None]:
    from hyperjobs.store.connection import Connection  # noqa: PLC0415 - SQLite only where a store is read
    from hyperjobs.store.glance import read_glance  # noqa: PLC0415 - as above

    try:
        connection = Connection(path, read_only=True, busy_timeout_s=1.0)
        try:
            return read_glance(connection, now), None
        finally:
            connection.close()
    except HyperjobsError as exc:
        return None, exc


def _tell_store(told: _Told, path: Path, found: Glance | None, trouble: HyperjobsError | None) -> None:
    from hyperjobs.store.facts import read_file_facts  # noqa: PLC0415 - SQLite only where a store is read

    if trouble is not None or found is None:
        told.say("store", str(trouble))
        told.advise(
            0, "look at the store: 'hyperjobs list' says what is wrong; 'hyperjobs restore --dry-run' what can be"
        )
        return
    kind = "the daemon's own" if found.flavour == "daemon" else "with a ledger" if found.has_ledger else "no ledger"
    facts = read_file_facts(path)
    size = sum(facts.size_bytes.values())
    told.say(
        "store", f"{path} ({kind}), {show_bytes(size)}, {show_bytes(facts.filesystem_avail_bytes)} free on its disk"
    )
    if facts.filesystem_avail_bytes < 2 * size:
        told.advise(2, "free some space on the store's disk: a vacuum or a backup needs twice its size")


def _tell_jobs(told: _Told, found: Glance, now: datetime) -> None:
    total = sum(found.jobs.values())
    counts = [f"{count:,} {status}" for status, count in found.jobs.items() if count]
    told.say("jobs", f"{total:,}{': ' if counts else ''}{', '.join(counts)}")
    if found.flavour == "daemon":
        return
    parts = []
    for name, stats in found.success.items():
        ended, rate = stats.completed + stats.failed, stats.success_rate
        parts.append(f"none ended in {name}" if rate is None else f"{rate:.1f}% of {ended:,} in {name}")
        if name == "24h" and rate is not None and ended >= _MANY and rate < _GOOD_RATE:
            told.advise(5, "see why jobs fail: hyperjobs top failures --since 24h")
    told.say("success", ", ".join(parts) or "unknown without a ledger: hyperjobs stats --since 7d counts it")
    waits = f"the oldest pending waits {show_age(found.oldest_pending_at, now=now)}"
    runs = f", the longest for {show_age(found.oldest_running_at, now=now)}"
    told.say(
        "running",
        f"{len(found.running):,}{runs if found.oldest_running_at else ''}"
        f"{f'; {waits}' if found.oldest_pending_at else '; none is pending'}",
    )


def _agent(path: Path, config: Config) -> str | None:
    from hyperjobs.agent.lock import agent_holding  # noqa: PLC0415 - SQLite only where a store is read

    return agent_holding(path, config.store.state_dir)


def _tell_state(  # noqa: PLR0913 - what it is told by, each by name
    told: _Told, path: Path, config: Config, found: Glance | None, clock: Clock, *, has_agent: bool
) -> None:
    """What the state file knows, when there is one that we may read; nothing is made where there is none."""
    from hyperjobs.cli.task import become_owner_of  # noqa: PLC0415 - only where there is a state
    from hyperjobs.store.holds import Holds  # noqa: PLC0415 - SQLite only where a store is read
    from hyperjobs.store.state import StateFile, state_stem  # noqa: PLC0415 - as above

    now = clock.now()
    file = config.store.state_dir / f"{state_stem(path)}.db"
    if not file.exists():
        return
    become_owner_of(config.store.state_dir)
    if not os.access(file, os.W_OK):
        told.say("holds", f"unknown: {file} is not for this user")
        return
    try:
        state = StateFile(config.store.state_dir, path, clock=clock, may_replace=False)
    except HyperjobsError as exc:
        told.say("holds", f"unknown: {exc}")
        return
    try:
        holds, stood = Holds(state), state.progress()
        frozen, paused = holds.frozen(), holds.paused(now)
    finally:
        state.close()
    if found is not None and has_agent:
        after_s = config.metrics.stalled_after.total_seconds()
        stalled = [job for job in found.running if job in stood and now.timestamp() - stood[job][1] >= after_s]
        if stalled:
            told.say("stalled", f"{len(stalled):,} of the running jobs have stood still for long")
            told.advise(6, "see which jobs stand still: hyperjobs watch")
    for held in frozen:
        told.say("frozen", f"for {show_age(held.since, now=now)}: {held.reason}: {held.message}")
        told.advise(1, "find out what froze the store, then: hyperjobs unfreeze --reason TEXT")
    if paused is not None:
        told.say("paused", f"until {show_instant(paused.until, utc=False)}: {paused.reason}")


def _tell_backup(told: _Told, path: Path, config: Config, now: datetime) -> None:
    from hyperjobs.maintenance.backup.catalogue import newest_verified, read_catalogue  # noqa: PLC0415 - as above

    directory = config.maintenance.backup.directory
    try:
        newest = newest_verified(read_catalogue(directory, path))
    except HyperjobsError as exc:
        told.say("backup", f"unknown: {exc}")
        return
    if newest is None:
        told.say("backup", f"no verified one in {directory}")
        told.advise(3, "take a backup: hyperjobs backup create")
        return
    told.say(
        "backup", f"the newest verified is {show_age(newest.name.at, now=now)} old: {directory / str(newest.name)}"
    )
    if now - newest.name.at > _OLD_BACKUP:
        told.advise(3, "take a backup: hyperjobs backup create; hyperjobs runs backup says why there was none")


def _tell_next(told: _Told, config: Config, now: datetime) -> None:
    from hyperjobs.agent.timetable import entries  # noqa: PLC0415 - only where there is an agent
    from hyperjobs.maintenance.plan import upcoming  # noqa: PLC0415 - as above

    for planned in upcoming([entry for entry in entries(config) if not entry.is_light], now, 1)[:1]:
        at = show_instant(planned.starts, utc=False)
        told.say("next", f"{planned.entry.task} at {at}, {show_age(planned.starts, now=now)}")
