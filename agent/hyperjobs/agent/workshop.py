"""One store's maintenance put together: its records, its holds, its tasks, and the runner they share."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from hyperjobs.agent.roster import make_task
from hyperjobs.maintenance.runner import Runner
from hyperjobs.store.condition import Condition
from hyperjobs.store.holds import Holds
from hyperjobs.store.runs import Runs
from hyperjobs.store.state import StateFile
from hyperjobs.store.timekeeper import Timekeeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.config import Config
    from hyperjobs.maintenance.task import Task


class Workshop:
    """What the schedule and the command line both work with.

    Attributes:
        config: what tasks are made by.
        store: path of the store.
        check_drift: compares the ledger with the table and repairs it; ``None`` without an agent.
    """

    def __init__(
        self,
        config: Config,
        store: Path,
        state: StateFile,
        *,
        clock: Clock,
        check_drift: Callable[[], int] | None = None,
    ) -> None:
        self.config = config
        self.store = store
        self.state = state
        self.clock = clock
        self.check_drift = check_drift
        self.runs = Runs(state)
        self.holds = Holds(state)
        self.condition = Condition(state)
        self.timekeeper = Timekeeper(state, clock=clock, max_jump=config.maintenance.prune.max_clock_jump)
        self.runner = Runner(self.runs, self.holds, locks=state.path.with_suffix(""), clock=clock)

    @property
    def archive_directory(self) -> Path:
        """Where prune puts jobs before it deletes them."""
        named = self.config.maintenance.prune.archive.directory
        return named if named is not None else self.config.store.state_dir / "archive"

    def task(self, name: str, **changes: Any) -> Task:
        """A task as the configuration has it, but for what ``changes`` say."""
        return make_task(self, name, **changes)


@contextlib.contextmanager
def opened_workshop(config: Config, store: Path, *, clock: Clock) -> Iterator[Workshop]:
    """A workshop with a state file of its own, for the length of a command.

    Raises:
        StoreError: the state file cannot be opened.
    """
    state = StateFile(config.store.state_dir, store, clock=clock)
    try:
        yield Workshop(config, store, state, clock=clock)
    finally:
        state.close()
