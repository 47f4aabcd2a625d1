"""How long finished jobs are kept: an age for each status, and others for single providers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hyperjobs.duration import MAX_DURATION, format_duration
from hyperjobs.errors import ConfigError
from hyperjobs.store.models import FINISHED

if TYPE_CHECKING:
    from datetime import datetime

Ages = Mapping[str, timedelta | None]
_WORDS: Final = tuple(sorted(str(status) for status in FINISHED))


@dataclass(frozen=True, slots=True)
class Retention:
    """Ages from which finished jobs go; ``None``, like a status that is not named, is never.

    Attributes:
        ages: status → age.
        providers: provider → status → age; a status that is not named there goes by ``ages``.

    Raises:
        ConfigError: an age of nothing or of more than a hundred years, or a status that is not a finished one; the
            message names it.
    """

    ages: Ages = field(default_factory=dict)
    providers: Mapping[str, Ages] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check("retention", self.ages)
        for provider, ages in self.providers.items():
            _check(f"providers.{provider}", ages)

    @property
    def is_set(self) -> bool:
        """Whether any job can ever go by it."""
        return any(age is not None for ages in (self.ages, *self.providers.values()) for age in ages.values())

    def cutoffs(self, now: datetime) -> Cutoffs:
        """What the ages come to at one moment."""

        def before(age: timedelta | None) -> datetime | None:
            return None if age is None else now - age

        general = {status: before(self.ages.get(status)) for status in _WORDS}
        return Cutoffs(
            general,
            {
                provider: {status: before(ages[status]) if status in ages else general[status] for status in _WORDS}
                for provider, ages in self.providers.items()
            },
        )


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """The instants before which finished jobs must have ended to go.

    Attributes:
        general: each finished status → instant, ``None`` is never.
        providers: provider → the same, complete, in place of the general ones.
    """

    general: Mapping[str, datetime | None]
    providers: Mapping[str, Mapping[str, datetime | None]] = field(default_factory=dict)

    @classmethod
    def before(cls, cutoff: datetime) -> Cutoffs:
        """The same instant for every finished job."""
        return cls(dict.fromkeys(_WORDS, cutoff))

    @property
    def statuses(self) -> list[str]:
        """Those of which any job can go."""
        return [status for status in _WORDS if any(cutoffs[status] is not None for cutoffs in self._all())]

    @property
    def newest(self) -> datetime | None:
        """What ended after it stays, whatever it is; ``None`` when everything stays."""
        return max((at for cutoffs in self._all() for at in cutoffs.values() if at is not None), default=None)

    def shape(self) -> dict[str, object]:
        """The same as JSON values."""

        def shape(cutoffs: Mapping[str, datetime | None]) -> dict[str, str | None]:
            return {status: None if at is None else at.isoformat() for status, at in cutoffs.items()}

        return {**shape(self.general), "providers": {name: shape(found) for name, found in self.providers.items()}}

    def _all(self) -> list[Mapping[str, datetime | None]]:
        return [self.general, *self.providers.values()]


def _check(key: str, ages: object) -> None:
    if not isinstance(ages, Mapping):
        raise ConfigError(f"prune {key}={ages!r}: give an age for each status, such as completed: 30d")
    for status, age in ages.items():
        if status not in _WORDS:
            raise ConfigError(f"prune {key}.{status}: only finished jobs are pruned: {', '.join(_WORDS)}")
        if age is None:
            continue
        if not isinstance(age, timedelta):
            raise ConfigError(f"prune {key}.{status}={age!r}: give a duration such as 30d, or never")
        if age <= timedelta(0):
            raise ConfigError(
                f"prune {key}.{status}={format_duration(age)}: would delete every job as it ends; give 1d or more, or never"
            )
        if age > MAX_DURATION:
            raise ConfigError(f"prune {key}.{status}: more than {format_duration(MAX_DURATION)}; write never instead")
