"""Running jobs whose progress stands still."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import apsw
import pytest

from hyperjobs.errors import StoreNotFoundError
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.stall import StallWatch
from hyperjobs.store.state import StateFile
from hyperjobs.testing import FakeClock
from support.ledgers import insert, make_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LIMIT = timedelta(minutes=30)


class Watch:
    """A store with its watch; the agent can be started again."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.path = make_store(folder / "jobs.db")
        self.db = apsw.Connection(str(self.path))
        self.state = StateFile(folder / "state", self.path, clock=self.clock)
        self.start()

    def start(self) -> None:
        self.watch = StallWatch(
            self.path, stalled_after=_LIMIT, options=LedgerOptions(), state=self.state, clock=self.clock
        )

    def after(self, by: timedelta) -> dict[str, int] | None:
        self.clock.advance(by)
        self.watch.sample()
        return self.watch.stalled


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    watch = Watch(tmp_path)
    insert(watch.db, "a", "running")
    insert(watch.db, "b", "pending")
    yield watch
    watch.db.close()
    watch.state.close()


def test_nothing_is_known_before_the_first_sample(watch: Watch) -> None:
    assert watch.watch.stalled is None


@pytest.mark.parametrize(
    ("after", "stalled"), [(_LIMIT - timedelta(seconds=1), 0), (_LIMIT, 1), (_LIMIT + timedelta(seconds=1), 1)]
)
def test_a_job_is_stalled_once_it_stood_for_the_limit(watch: Watch, after: timedelta, stalled: int) -> None:
    watch.after(timedelta(0))

    assert watch.after(after) == {"vsphere": stalled}


def test_progress_that_moves_starts_the_wait_again(watch: Watch) -> None:
    watch.after(timedelta(0))
    watch.db.execute("UPDATE jobs SET progress=5 WHERE id='a'")

    assert watch.after(_LIMIT) == {"vsphere": 0}
    assert watch.after(_LIMIT) == {"vsphere": 1}


def test_a_job_that_ended_is_forgotten(watch: Watch) -> None:
    watch.after(timedelta(0))
    watch.db.execute("UPDATE jobs SET status='completed' WHERE id='a'")
    watch.after(timedelta(0))
    watch.db.execute("UPDATE jobs SET status='running' WHERE id='a'")

    assert watch.after(_LIMIT) == {"vsphere": 0}


def test_a_restart_of_the_agent_forgets_no_wait(watch: Watch) -> None:
    watch.after(timedelta(0))
    watch.start()

    assert watch.after(_LIMIT) == {"vsphere": 1}


@pytest.mark.parametrize("progress", ["NULL", "'half'", "x'ff'"])
def test_progress_that_is_no_number_stands_still(watch: Watch, progress: str) -> None:
    watch.db.execute(f"UPDATE jobs SET progress={progress}")  # noqa: S608 - ours
    watch.after(timedelta(0))

    assert watch.after(_LIMIT) == {"vsphere": 1}


def test_what_was_known_stays_while_the_store_cannot_be_read(watch: Watch) -> None:
    watch.after(timedelta(0))
    known = watch.watch.stalled
    watch.path.rename(watch.path.with_name("away.db"))

    with pytest.raises(StoreNotFoundError):
        watch.after(_LIMIT)

    assert watch.watch.stalled == known


def test_an_id_that_cannot_be_decoded_is_watched(watch: Watch) -> None:
    watch.db.execute("UPDATE jobs SET id=CAST(x'6aff' AS TEXT) WHERE id='a'")
    watch.after(timedelta(0))

    assert watch.after(_LIMIT) == {"vsphere": 1}
