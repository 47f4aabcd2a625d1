"""What the fleet does, event by event, and which statements that makes; by the same dice the same every time."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from demo.cast import PROVIDERS, STRANGERS, USERS, error_text, machine, metadata
from demo.rhythm import jobs_an_hour
from demo.writer import ZONE, Row, save, set_progress, set_status

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator

    from demo.cast import Provider
    from demo.rhythm import Incident
    from demo.writer import Statement

_STRANGE: Final = 1 / 250
_CANCELLED: Final = 0.04
_WITHDRAWN: Final = 0.008
_LONG: Final = 0.03
_STALLS: Final = 0.02
_STILL: Final = 5
_STALL_S: Final = (2_400, 9_000)
_RETRIED: Final = 0.5
_MOST_ATTEMPTS: Final = 3
_SET_BACK: Final = 1 / 1000
"""Jobs on a host whose clock is set back meanwhile: they end before they began."""
_DELETED: Final = 1 / 300
_LEAST_REPORT_S: Final = 1.0
_DAY_S: Final = 86_400.0
_NS: Final = 1_000_000_000


@dataclass(slots=True, kw_only=True)
class Export:
    """A job and what becomes of it; seconds are epoch seconds, or as the clock counts them.

    Attributes:
        duration_s: from start to end, a stall included.
        stall_at: the share of the way at which it stands still for ``stall_s``.
        goes_to: how much of the way it gets (0 to 1).
    """

    row: Row
    provider: Provider
    attempt: int = 1
    outcome: str = "completed"
    error: str = ""
    duration_s: float = 0.0
    stall_at: float = 1.0
    stall_s: float = 0.0
    goes_to: float = 1.0
    start_s: float = 0.0

    def progress(self, at_s: float) -> float:
        """The percentage done at a time, to two digits."""
        moving_s = max(self.duration_s - self.stall_s, 1e-6)
        went_s = at_s - self.start_s
        before_s = self.stall_at * moving_s
        if went_s > before_s:
            went_s = max(before_s, went_s - self.stall_s)
        return round(min(max(went_s / moving_s, 0.0), 0.99) * self.goes_to * 100, 2)


@dataclass(slots=True)
class _Lane:
    """One provider's exports: those that run, and those that wait."""

    waiting: deque[Export] = field(default_factory=deque)
    running: dict[str, Export] = field(default_factory=dict)


class Fleet:
    """People who ask, and exports that run.

    Args:
        chance: the dice.
        began_s: when it begins, epoch seconds.
        incidents: the bad times, in the order of their ends.
        speed: so many times shorter is everything, and the day too; times are written as the clock shows them.
        report_every_s: about how often a running export reports progress; ``None`` is never.
        day: how old the fleet is at the beginning, in days.
    """

    def __init__(  # noqa: PLR0913 - all but three have a default
        self,
        chance: random.Random,
        began_s: float,
        incidents: Iterable[Incident],
        *,
        speed: float = 1.0,
        report_every_s: float | None = 8.0,
        day: float = 0.0,
    ) -> None:
        self._chance = chance
        self._began_s = began_s
        self._incidents = iter(incidents)
        self._incident = next(self._incidents, None)
        self._speed = speed
        self._report_every_s = report_every_s
        self._day = day
        self._lanes = {provider.name: _Lane() for provider in PROVIDERS}
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[float], Iterable[Statement]]]] = []
        self._at(began_s + chance.uniform(1, 20) / speed, self._ask)

    def until(self, now_s: float) -> Iterator[Statement]:
        """What is written up to a time, in order."""
        yield from (statement for _, statement in self.timed(now_s))

    def timed(self, now_s: float) -> Iterator[tuple[float, Statement]]:
        """The same, each with its time."""
        while self._events and self._events[0][0] <= now_s:
            at_s, _, happens = heapq.heappop(self._events)
            for statement in happens(at_s):
                yield at_s, statement

    @property
    def next_s(self) -> float:
        """When something happens next."""
        return self._events[0][0] if self._events else self._began_s

    def reports(self, now_s: float) -> Iterator[Statement]:
        """A report of progress of each export that runs."""
        for lane in self._lanes.values():
            for export in lane.running.values():
                export.row.progress = export.progress(now_s)
                yield set_progress(export.row)

    def adopt(self, rows: Iterable[Row]) -> None:
        """Go on with jobs that another run of the daemon left unfinished; every fifth that runs stands still now."""
        found = list(rows)
        still = {row.id for row in [row for row in found if row.started_ns is not None][::_STILL]}
        for row in found:
            provider = next((each for each in PROVIDERS if each.name == row.provider), PROVIDERS[-1])
            export = self._plan(row, provider, self._began_s)
            if row.started_ns is None:
                self._lanes[provider.name].waiting.append(export)
                continue
            done, moving_s = min(row.progress / 100, 0.95), export.duration_s - export.stall_s
            export.stall_s = self._chance.uniform(*_STALL_S) / self._speed if row.id in still else 0.0
            export.stall_at, export.goes_to = done, 1.0
            export.start_s, export.duration_s = self._began_s - moving_s * done, moving_s + export.stall_s
            self._run(export, self._began_s)
        for name in self._lanes:
            self._at(self._began_s, partial(self._dispatch, name))

    def _at(self, at_s: float, happens: Callable[[float], Iterable[Statement]]) -> None:
        heapq.heappush(self._events, (at_s, next(self._order), happens))

    def _ask(self, at_s: float) -> Iterator[Statement]:
        """Somebody asks for an export, and the next one is awaited."""
        provider = self._chance.choices(PROVIDERS, [each.share for each in PROVIDERS])[0]
        fleet_s = self._began_s + (at_s - self._began_s) * self._speed
        day = self._day + (fleet_s - self._began_s) / _DAY_S
        # in their first days the known ones are seen first, and get a label each
        is_strange = self._chance.random() < _STRANGE and day > 1
        name = self._chance.choice(STRANGERS) if is_strange else provider.name
        vm = machine(self._chance, provider)
        yield from self._submit(at_s, provider, name, vm, self._chance.choice(USERS), metadata(self._chance))
        local = datetime.fromtimestamp(fleet_s, ZONE)
        hourly = jobs_an_hour(local, day) * self._speed
        self._at(at_s + self._chance.expovariate(hourly / 3600), self._ask)

    def _submit(  # noqa: PLR0913, PLR0917 - what a job is made of
        self, at_s: float, provider: Provider, name: str, vm: str, user: str, carried: dict[str, Any] | None
    ) -> Iterator[Statement]:
        row = Row(
            id=f"export-{datetime.fromtimestamp(at_s, ZONE):%Y%m%d}-{self._chance.getrandbits(40):010x}",
            vm=vm,
            folder=provider.folder,
            provider=name,
            user=user,
            metadata=carried,
            created_ns=int(at_s * _NS),
        )
        yield save(row)
        self._lanes[provider.name].waiting.append(self._plan(row, provider, at_s))
        delay_s = self._chance.uniform(5, 60) / self._speed
        self._at(at_s + delay_s, partial(self._dispatch, provider.name))

    def _plan(self, row: Row, provider: Provider, at_s: float) -> Export:
        """Throw the dice for one export."""
        chance = self._chance
        export = Export(row=row, provider=provider, attempt=int((row.metadata or {}).get("attempt", 1)))
        long = chance.uniform(6, 16) if chance.random() < _LONG else 1.0
        moving_s = provider.median_s * chance.lognormvariate(0, 0.7) * long
        row.size = int(moving_s * provider.mib_per_second * chance.uniform(0.7, 1.3)) << 20
        row.files = chance.randrange(2, 14)
        incident = self._trouble(at_s, provider)
        if chance.random() < (incident.fails if incident else provider.fails):
            kind = provider.errors[incident.error] if incident else chance.choice(provider.errors)
            export.outcome, export.error = "failed", error_text(chance, kind, row.vm)
            export.goes_to = chance.uniform(0.01, 0.1) if incident else chance.uniform(0.05, 0.95)
        elif chance.random() < _CANCELLED:
            export.outcome, export.goes_to = "cancelled", chance.uniform(0.02, 0.9)
        if chance.random() < _STALLS:
            export.stall_s, export.stall_at = chance.uniform(*_STALL_S) / self._speed, chance.uniform(0.1, 0.9)
        export.duration_s = moving_s * export.goes_to / self._speed + export.stall_s
        return export

    def _trouble(self, at_s: float, provider: Provider) -> Incident | None:
        while self._incident is not None and self._incident.end_s <= at_s:
            self._incident = next(self._incidents, None)
        found = self._incident
        return found if found and found.start_s <= at_s and provider.name in found.providers else None

    def _dispatch(self, name: str, at_s: float) -> Iterator[Statement]:
        """Start what waits, as far as there are slots."""
        lane = self._lanes[name]
        while lane.waiting and len(lane.running) < lane.waiting[0].provider.slots:
            export = lane.waiting.popleft()
            if self._chance.random() < _WITHDRAWN:
                export.row.status = "cancelled"
                yield set_status(export.row)
                continue
            export.start_s = at_s
            export.row.status, export.row.started_ns = "running", int(at_s * _NS)
            yield set_status(export.row)
            yield save(_unmeasured(export.row))
            self._run(export, at_s)

    def _run(self, export: Export, at_s: float) -> None:
        self._lanes[export.provider.name].running[export.row.id] = export
        self._at(export.start_s + export.duration_s, partial(self._end, export))
        if self._report_every_s is not None:
            every_s = max(_LEAST_REPORT_S, self._report_every_s * self._chance.uniform(0.4, 1.6))
            self._at(at_s + every_s, partial(self._report, export, every_s))

    def _report(self, export: Export, every_s: float, at_s: float) -> Iterator[Statement]:
        if export.row.status != "running":
            return
        export.row.progress = export.progress(at_s)
        yield set_progress(export.row)
        self._at(at_s + every_s, partial(self._report, export, every_s))

    def _end(self, export: Export, at_s: float) -> Iterator[Statement]:
        row, chance = export.row, self._chance
        row.progress = 100.0 if export.outcome == "completed" else export.progress(at_s)
        row.status, row.error = export.outcome, export.error
        del self._lanes[export.provider.name].running[row.id]
        if row.status == "cancelled" and chance.random() < 1 / 2:
            yield set_status(row)  # from its command line: nothing says when
        else:
            set_back_s = chance.uniform(60, 900) + export.duration_s if chance.random() < _SET_BACK else 0.0
            row.completed_ns = int((at_s - set_back_s) * _NS)
            yield save(row if row.status == "completed" else _unmeasured(row))
        if chance.random() < _DELETED:
            yield "DELETE FROM jobs WHERE id = ?", (row.id,)
        if row.status == "failed" and export.attempt < _MOST_ATTEMPTS and chance.random() < _RETRIED:
            self._at(at_s + chance.uniform(60, 900) / self._speed, partial(self._retry, export))
        yield from self._dispatch(export.provider.name, at_s)

    def _retry(self, export: Export, at_s: float) -> Iterator[Statement]:
        row = export.row
        carried = {**(row.metadata or {}), "attempt": export.attempt + 1, "retry_of": row.id}
        yield from self._submit(at_s, export.provider, row.provider, row.vm, row.user, carried)


def _unmeasured(row: Row) -> Row:
    """The row with nothing transferred: sizes are known at a good end only."""
    return replace(row, size=0, files=0)
