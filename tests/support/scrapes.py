"""The agent's own scrape without its threads and sockets: turned by hand, its clock set by the test."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from hyperjobs.agent.care import Care
from hyperjobs.agent.lock import AgentLock
from hyperjobs.agent.workshop import Workshop
from hyperjobs.config import load_config
from hyperjobs.metrics.agent import AgentSource
from hyperjobs.metrics.catalogue import groups
from hyperjobs.notify.notifier import OUTCOMES
from hyperjobs.store.continuity import Continuity
from hyperjobs.store.reader import Troubles
from hyperjobs.store.state import StateFile
from hyperjobs.store.version import driver_version, sqlite_version
from hyperjobs.testing import FakeClock
from hyperjobs.web.app import App
from hyperjobs.web.hosts import HostRule
from hyperjobs.web.message import Request
from hyperjobs.web.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from hyperjobs.maintenance.runner import Finished
    from hyperjobs.web.shapes import Overview

FIXTURE = Path(__file__).parent.parent / "fixtures" / "hypersdk-go"

Sample = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and its labels in order of their names."""


def copy_fixture(directory: Path) -> Path:
    """A copy of the store that the real Go client wrote."""
    store = directory / "jobs.db"
    shutil.copyfile(FIXTURE / "jobs.db", store)
    return store


class HandTurned:
    """What the agent does for one store, done when told.

    Attributes:
        clock: stands still unless told.
        care: the real one; its loops are never started.
    """

    def __init__(self, store: Path, state_dir: Path, *, clock: FakeClock | None = None, **options: Any) -> None:
        """``options`` are configuration keys with ``__`` for the dot: ``metrics__stalled_after="10m"``."""
        self.clock = clock or FakeClock()
        overrides = {name.replace("__", "."): value for name, value in options.items()}
        overrides |= {"store.path": str(store), "store.state_dir": str(state_dir)}
        overrides.setdefault("maintenance.backup.directory", str(state_dir / "backups"))
        overrides.setdefault("maintenance.reserve", "0")
        config = load_config(None, environ={}, overrides=overrides, require_store=True)
        self.state = StateFile(state_dir, store, clock=self.clock)
        self.troubles = Troubles()
        self.lock = AgentLock(store, state_dir)
        self.lock.acquire()
        started_at = self.clock.now()
        self.workshop = Workshop(config, store, self.state, clock=self.clock)
        agent = AgentSource(
            version="1.2.3",
            sqlite=sqlite_version(),
            apsw=driver_version(),
            reloaded=lambda: (True, started_at),
            is_leader=lambda: self.lock.is_held,
            notifications=lambda: dict.fromkeys((("ops", outcome) for outcome in OUTCOMES), 0),
        )
        self.care = Care(
            config,
            store,
            state=self.state,
            continuity=Continuity(self.state),
            troubles=self.troubles,
            lock=self.lock,
            workshop=self.workshop,
            agent=agent,
            clock=self.clock,
        )
        self.app = App(
            collect=self.care.collect,
            is_ready=lambda: True,
            site=self.site(),
            groups=groups(),
            scraped=lambda: agent.scraped(self.clock.now()),
            clock=self.clock,
        )

    def site(self, *, listen: tuple[str, ...] = ("127.0.0.1",)) -> Site:
        """The status page and the API, as the agent puts them together."""
        web = self.workshop.config.web
        return Site(
            overview=self.overview,
            look=lambda: self.care.lists,
            has_jobs=lambda: web.jobs,
            hosts=HostRule(listen, names=lambda: web.hosts),
            clock=self.clock,
        )

    def overview(self, deadline_s: float | None = None) -> Overview:
        """What the status page shows."""
        until_s = self.clock.monotonic() + 60.0 if deadline_s is None else deadline_s
        return self.care.overviews.find(until_s, has_jobs=self.workshop.config.web.jobs, has_reload_failed=False)

    def turn(self) -> float:
        """One turn of the ledger; returns the seconds until it wants the next."""
        return self.care._turn(lambda: False)

    def run(self, task: str) -> Finished:
        """One run of a maintenance task, as a person would start it."""
        finished = self.workshop.runner.run(self.workshop.task(task))
        assert finished is not None
        return finished

    def body(self, accept: str = "") -> str:
        """What ``GET /metrics`` answers."""
        response = self.app(_request(accept, received_at=self.clock.monotonic()))
        assert response.status == 200, response.body
        return response.body.decode()

    def families(self) -> list[Metric]:
        """The families of the text form, as Prometheus would read them."""
        return list(parse_text(self.body()))

    def samples(self) -> dict[Sample, float]:
        """Every sample of the text form."""
        return samples_of(self.families())

    def stop(self) -> None:
        """Let everything go, as the agent's end does."""
        self.care.stop(1.0)
        self.state.close()
        self.lock.release()


@contextmanager
def hand_turned(
    store: Path, state_dir: Path, *, clock: FakeClock | None = None, **options: Any
) -> Iterator[HandTurned]:
    """A :class:`HandTurned` for the length of a block."""
    turned = HandTurned(store, state_dir, clock=clock, **options)
    try:
        yield turned
    finally:
        turned.stop()


OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def read_openmetrics(text: str) -> list[Metric]:
    """The families of an OpenMetrics exposition, by the strict parser."""
    return list(parse_openmetrics(text))


def samples_of(families: list[Metric]) -> dict[Sample, float]:
    """Sample name and labels → value; the same one twice is a failure."""
    found: dict[Sample, float] = {}
    for family in families:
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(samples: dict[Sample, float], name: str, **labels: str) -> float | None:
    """One sample's value; ``None`` when it is absent."""
    return samples.get((f"hyperjobs_{name}", tuple(sorted(labels.items()))))


def by(samples: dict[Sample, float], name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The values of one metric by these labels."""
    return {
        tuple(dict(pairs)[label] for label in labels): found
        for (sample, pairs), found in samples.items()
        if sample == f"hyperjobs_{name}"
    }


def _request(accept: str, *, received_at: float) -> Request:
    headers = {"accept": accept} if accept else {}
    return Request(method="GET", path="/metrics", query="", headers=headers, received_at=received_at)
