"""One store's maintenance put together: its records, its holds, its tasks, and the runner they share."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import structlog

from hyperjobs.agent.options import destinations_of, ledger_options
from hyperjobs.agent.roster import make_task
from hyperjobs.config.usual import default_backups
from hyperjobs.maintenance.backup.catalogue import newest_verified, read_catalogue
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.runner import Runner
from hyperjobs.store.condition import Condition
from hyperjobs.store.events import Events
from hyperjobs.store.holds import Holds
from hyperjobs.store.ledger.drift import check_drift
from hyperjobs.store.runs import Outcome, Runs
from hyperjobs.store.state import StateFile
from hyperjobs.store.timekeeper import Timekeeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from hyperjobs.clock import Clock
    from hyperjobs.config import Config
    from hyperjobs.maintenance.backup.name import BackupName
    from hyperjobs.maintenance.runner import Finished
    from hyperjobs.maintenance.task import Task
    from hyperjobs.store.runs import Run


log = structlog.get_logger(__name__)


class Workshop:
    """What the schedule and the command line both work with.

    Attributes:
        config: what tasks are made by.
        store: path of the store.
        options: how the store's ledger is kept.
        drift_found: told of each comparison of the ledger with the table by how many jobs it was off.
    """

    def __init__(  # noqa: PLR0913 - what it works with, and whom it tells
        self,
        config: Config,
        store: Path,
        state: StateFile,
        *,
        clock: Clock,
        drift_found: Callable[[int], object] = lambda _jobs: None,
        begun: Callable[[Run], object] = lambda _run: None,
        ended: Callable[[Run], object] = lambda _run: None,
    ) -> None:
        """``begun`` and ``ended`` are told of each recorded run; they must neither wait nor raise."""
        self.config = config
        self.store = store
        self.state = state
        self.clock = clock
        self.options = ledger_options(config)
        self.drift_found = drift_found
        self.runs = Runs(state)
        self.events = Events(state)
        self.holds = Holds(state)
        self.condition = Condition(state)
        self.timekeeper = Timekeeper(state, clock=clock, max_jump=config.maintenance.prune.max_clock_jump)
        self._ended = ended
        self.runner = Runner(
            self.runs, self.holds, locks=state.path.with_suffix(""), clock=clock, observe=self.note, begun=begun
        )

    @property
    def backups(self) -> BackupDirectory:
        """The directory of backups."""
        path = self.config.maintenance.backup.directory
        # a place that nobody named is ours to make; of a path that somebody did, an unmounted disk is not filled in
        return BackupDirectory(path, make_parents=path == default_backups(os.environ))

    def newest_backup(self, backups: BackupDirectory) -> BackupName | None:
        """The store's newest verified backup in a directory."""
        entry = newest_verified(read_catalogue(backups.path, self.store))
        return entry.name if entry is not None else None

    def freeze(self, reason: str, message: str) -> None:
        """Stop what deletes or rewrites until a person has looked."""
        if self.holds.freeze(reason, message, self.clock.now()):
            log.error("store.frozen", reason=reason, error=message)
            self.events.add_freeze(reason, message, self.clock.now())

    def distrust(self, backup: BackupName, message: str) -> None:
        """Stop the rotation of backups until a person has looked."""
        if self.holds.distrust(str(backup), message, self.clock.now()):
            log.error("backup.distrusted", backup=str(backup), error=message)
            self.events.add_freeze("backup", message, self.clock.now())

    def check_drift(self, is_stopping: Callable[[], bool]) -> int:
        """Compare the ledger, if there is one, with the table, and put it right; by how many jobs it was off.

        Raises:
            StoreInterruptedError: a stop came.
            StoreError: it cannot be compared.
        """
        if self.config.store.ledger == "scan":
            return 0
        drift = check_drift(self.store, self.options, clock=self.clock, is_stopping=is_stopping)
        self.drift_found(drift)
        return drift

    def note(self, finished: Finished) -> None:
        """Remember what a run found for the metrics, of a check that could not be made nothing, and pass it on."""
        run = finished.run
        self._ended(run)
        if run.task == "backup":
            self._keep_facts(run.detail.get("destination_facts", ()))
        if run.outcome is not Outcome.OK:
            return
        if run.task == "integrity-quick":
            self.condition.set_anomalies(run.detail.get("anomalies", {}))
        elif run.task == "checkpoint":
            self.condition.set_checkpoint_blocked(bool(run.detail.get("is_blocked")))

    def _keep_facts(self, found: Sequence[Mapping[str, Any]]) -> None:
        """Remember what each second destination holds; of one that the run did not ask, what it held before."""
        facts = {each["name"]: each for each in (*self.condition.destinations, *found)}
        names = [settings.name for settings in destinations_of(self.config.maintenance)]
        self.condition.set_destinations([facts[name] for name in names if name in facts])

    def task(self, name: str, **changes: Any) -> Task:
        """A task as the configuration has it, but for what ``changes`` say."""
        return make_task(self, name, **changes)


@contextlib.contextmanager
def opened_workshop(config: Config, store: Path, *, clock: Clock) -> Iterator[Workshop]:
    """A workshop with a state file of its own, for the length of a command.

    Raises:
        StoreError: the state file cannot be opened.
    """
    state = StateFile(config.store.state_dir, store, clock=clock, may_replace=False)
    try:
        yield Workshop(config, store, state, clock=clock)
    finally:
        state.close()
