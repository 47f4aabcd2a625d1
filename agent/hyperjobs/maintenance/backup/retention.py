"""Which backups stay, and why: restic's rules over what is verified. Pure: names in, decisions out.

For each rule the newest backup of each of the newest N periods stays. Periods are natural ones in UTC, weeks are
ISO weeks, and a period without a backup does not count as one. While a rule has not found N periods, the oldest backup
stays by it too, so that the history reaches as far back as it can. A backup stays when any rule, a pin or the minimum
says so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import ConfigError
from hyperjobs.maintenance.backup.name import BackupName

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

MINIMUM: Final = 2
"""One backup alone can go bad unnoticed until it is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How many backups each rule keeps."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0


DEFAULT_POLICY: Final = Policy(last=3, daily=7, weekly=4, monthly=6)


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one backup.

    Attributes:
        reasons: why it stays; without any it goes.
    """

    name: BackupName
    reasons: tuple[str, ...]

    @property
    def stays(self) -> bool:
        """Whether it is kept."""
        return bool(self.reasons)


def check_policy(policy: Policy, minimum: int) -> None:
    """Return when a policy can be followed.

    Raises:
        ConfigError: it keeps nothing, holds a negative number, or a minimum below one.
    """
    values = asdict(policy)
    for rule, count in values.items():
        if count < 0:
            raise ConfigError(f"retention: {rule} is {count}; give 0 or more")
    if not any(values.values()):
        raise ConfigError("retention: no rule keeps anything; set at least one of " + ", ".join(values))
    if minimum < 1:
        raise ConfigError(f"retention: minimum is {minimum}; at least one verified backup is always kept")


def decide(
    verified: Iterable[BackupName],
    policy: Policy,
    *,
    minimum: int = MINIMUM,
    now: datetime,
    pinned: Collection[BackupName] = (),
) -> list[Decision]:
    """Say of each backup whether it stays.

    Args:
        verified: the backups that count; others must not be given, for they would take the places of good ones.
        policy: by which rules.
        minimum: so many of the newest stay whatever the rules say.
        now: a backup dated later stays, and takes nobody's place: its date is not to be trusted.
        pinned: those that stay by a person's word.

    Returns:
        A decision on each, the newest first.

    Raises:
        ConfigError: see :func:`check_policy`.
    """
    check_policy(policy, minimum)
    ordered = sorted(verified, key=lambda name: (name.at, name.sequence), reverse=True)
    past = [name for name in ordered if name.at <= now]
    reasons: dict[BackupName, list[str]] = {name: [] for name in ordered}
    for name in ordered:
        if name.at > now:
            reasons[name].append("future")
        if name in pinned:
            reasons[name].append("pinned")
    for rule, period in _PERIODS.items():
        for name, reason in _kept_by(past, rule, getattr(policy, rule), period):
            reasons[name].append(reason)
    for name in past:  # the newest first
        if sum(bool(reasons[each]) for each in past) >= minimum:
            break
        if not reasons[name]:
            reasons[name].append("minimum")
    return [Decision(name, tuple(reasons[name])) for name in ordered]


def simulate(
    policy: Policy, *, minimum: int = MINIMUM, start: datetime, days: int, every: timedelta = timedelta(days=1)
) -> Iterator[tuple[datetime, list[Decision]]]:
    """Take a backup at each step and let retention loose on all of them; yield the moment and what it decided.

    Args:
        policy: by which rules.
        minimum: so many of the newest stay whatever the rules say.
        start: of the first backup.
        days: for so long.
        every: between two backups.
    """
    kept: list[BackupName] = []
    moment, sequence = start, 0
    while moment < start + timedelta(days=days):
        sequence += 1
        kept.append(BackupName(sequence, moment, "jobs"))
        decisions = decide(kept, policy, minimum=minimum, now=moment)
        yield moment, decisions
        kept = [decision.name for decision in decisions if decision.stays]
        moment += every


def _kept_by(
    past: list[BackupName], rule: str, count: int, period: Callable[[BackupName], object]
) -> Iterator[tuple[BackupName, str]]:
    """What one rule keeps of the backups, the newest first."""
    before: object = None
    for name in past:
        if count == 0:
            return
        this = period(name)
        if this != before:
            yield name, rule
        elif name is past[-1]:
            yield name, f"oldest {rule}"
        else:
            continue
        before, count = this, count - 1


def _utc(name: BackupName) -> datetime:
    return name.at.astimezone(UTC)


_PERIODS: Final[dict[str, Callable[[BackupName], object]]] = {
    "last": lambda name: name,
    "hourly": lambda name: f"{_utc(name):%Y%m%d%H}",
    "daily": lambda name: f"{_utc(name):%Y%m%d}",
    "weekly": lambda name: _utc(name).isocalendar()[:2],
    "monthly": lambda name: f"{_utc(name):%Y%m}",
    "yearly": lambda name: f"{_utc(name):%Y}",
}
