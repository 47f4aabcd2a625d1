"""What every edit of jobs shares: who is asked what, what is said about each job, and the record of it."""

from __future__ import annotations

import functools
import os
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.ask import ask
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.recorded import Record
from hyperjobs.cli.setting import json_option, verbose_option
from hyperjobs.cli.stderr import complain_of, note
from hyperjobs.cli.stop import Stop
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.task import workshop
from hyperjobs.cli.text import printable
from hyperjobs.errors import HyperjobsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hyperjobs.agent.workshop import Workshop
    from hyperjobs.cli.chosen import Chosen
    from hyperjobs.cli.shapes.jobs import BecameWord, EditShape
    from hyperjobs.store.models import Job, JobStatus
    from hyperjobs.store.sqlite import SQLiteJobStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How an edit is to be made."""

    reason: str
    force: bool
    atomic: bool
    dry_run: bool
    yes: bool
    as_json: bool


@dataclass(slots=True)
class Edited:
    """What became of the jobs, by their ids.

    Attributes:
        unchanged: were so already.
        failed: why each of the others is as it was.
        undo: the command that takes it back; empty when there is none.
    """

    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: dict[str, HyperjobsError] = field(default_factory=dict)
    undo: str = ""


class Edit(ABC):
    """One kind of edit.

    Attributes:
        task: its command, and what it is called in ``hyperjobs runs``.
    """

    __slots__ = ()
    task: str

    @property
    @abstractmethod
    def sources(self) -> tuple[JobStatus, ...]:
        """The statuses that jobs can have for it."""

    @property
    @abstractmethod
    def target(self) -> str:
        """What a job is afterwards."""

    @property
    def warning(self) -> str:
        """Said with the question; may be empty."""
        return ""

    @abstractmethod
    def refused(
        self, store: SQLiteJobStore, jobs: Sequence[Job], *, force: bool, keep_on: Callable[[], None]
    ) -> dict[str, HyperjobsError]:
        """Why some of the jobs cannot be edited so, by their ids; ``keep_on`` is called between them, and may raise."""

    @abstractmethod
    def run(self, shop: Workshop, path: Path, jobs: list[Job], wish: Wish, stop: Stop) -> Edited:
        """Do it to jobs that can be."""


def edit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add how to edit, and where; the command gets it as one :class:`Wish` named ``wish``."""

    @click.option("--reason", type=UnicodeText(), default="", metavar="TEXT", help="Why; kept in 'runs'.")
    @click.option("--force", is_flag=True, help="Also where the rules forbid it; needs --reason.")
    @click.option(
        "--atomic",
        is_flag=True,
        help="All of them in one transaction, or none; writers wait for it, so not for many thousands.",
    )
    @click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
    @click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal to ask on.")
    @json_option("JSON Lines, one for each job.")
    @store_options
    @verbose_option
    @functools.wraps(command)
    def with_wish(  # noqa: PLR0913 - one for each option
        *args: Any,
        reason: str,
        force: bool,
        atomic: bool,
        dry_run: bool,
        yes: bool,
        as_json: bool,
        **options: Any,
    ) -> Any:
        if force and not reason.strip():
            raise click.UsageError("--force needs --reason: whoever finds the job so will want to know why")
        wish = Wish(reason=reason, force=force, atomic=atomic, dry_run=dry_run, yes=yes, as_json=as_json)
        return command(*args, wish=wish, **options)

    return with_wish


def run_edit(context: click.Context, place: StorePlace, chosen: Chosen, wish: Wish, edit: Edit) -> int:
    """Edit the chosen jobs, having asked, and record it; the exit code.

    Each job that could not be edited is said in a line of its own. Their exit code is that of the process, when it is
    the same for all of them, else 1.
    """
    # before root becomes the agent's user, who might not be let read where Python lies
    for module in ("hyperjobs.agent.options", "hyperjobs.maintenance.prune.delete", "hyperjobs.store.sqlite"):
        import_module(module)
    with workshop(context, place) as shop, Stop() as stop:
        path = Path(os.path.realpath(shop.store))
        shop.holds.require_unfrozen(path)
        jobs, failed = _look(path, chosen, edit, force=wish.force, keep_on=stop.keep_on)
        if failed and wish.atomic:
            _say(failed)
            return _code(failed)
        if wish.dry_run:
            _show(edit, jobs, Edited([job.id for job in jobs], [], failed), wish)
            return _code(failed)
        done = Edited()
        if jobs:
            if not wish.yes:
                ask(_question(edit, jobs, failed, path))
            done = _do(shop, path, jobs, wish, edit, stop)
        elif not failed:
            note("no job fits; nothing was changed")
        done.failed = failed | done.failed
        _show(edit, jobs, done, wish)
    return stop.code or _code(done.failed)


def _do(shop: Workshop, path: Path, jobs: list[Job], wish: Wish, edit: Edit, stop: Stop) -> Edited:  # noqa: PLR0913, PLR0917 - what an edit is made of
    record = Record(shop, edit, jobs, wish)
    record.announce()
    try:
        done = edit.run(shop, path, jobs, wish, stop)
    except HyperjobsError:
        record.fail(path)
        raise
    record.conclude(done, is_whole=not stop.code)
    return done


def _look(
    path: Path, chosen: Chosen, edit: Edit, *, force: bool, keep_on: Callable[[], None]
) -> tuple[list[Job], dict[str, HyperjobsError]]:
    """The jobs that can be edited, as they are now, and why the others cannot."""
    from hyperjobs.store.connection import Connection  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.store.flavour import recognise, require_hypersdk  # noqa: PLC0415 - as above
    from hyperjobs.store.pruning import refuse_triggers  # noqa: PLC0415 - as above
    from hyperjobs.store.sqlite import open_store  # noqa: PLC0415 - as above

    connection = Connection(path, read_only=True)
    try:
        recognition = recognise(connection)
    finally:
        connection.close()
    require_hypersdk(recognition, path, edit.task)
    refuse_triggers(recognition, path, edit.task)
    with open_store(path, read_only=True) as store:
        found, failed = chosen.find(store, edit.sources, keep_on)
        failed |= edit.refused(store, found, force=force, keep_on=keep_on)
    return [job for job in found if job.id not in failed], failed


def _question(edit: Edit, jobs: Sequence[Job], failed: Mapping[str, HyperjobsError], path: Path) -> str:
    counts = Counter(str(job.status) for job in jobs)
    if len(jobs) == 1:
        what = f"{jobs[0].id} ({jobs[0].status}, {jobs[0].vm_name})"
    else:
        what = f"{len(jobs):,} jobs ({', '.join(f'{count:,} {status}' for status, count in sorted(counts.items()))})"
    warning = f"; {edit.warning}" if edit.warning else ""
    rest = f"; {len(failed):,} others cannot be" if failed else ""
    return f"{edit.task} {printable(what)} of {printable(str(path))}, to be {edit.target}{rest}{warning}? [y/N] "


def _show(edit: Edit, jobs: Sequence[Job], done: Edited, wish: Wish) -> None:
    """Say what became, or would become, of each job."""
    old = {job.id: str(job.status) for job in jobs}
    unchanged, known = set(done.unchanged), {*done.changed, *done.unchanged}
    for job in jobs:
        if job.id not in known:
            continue
        is_same = job.id in unchanged or (wish.dry_run and old[job.id] == edit.target)
        outcome: BecameWord = "unchanged" if is_same else "changed"
        if wish.as_json:
            emit_json(_outcome(job.id, old[job.id], edit.target, outcome, is_dry=wish.dry_run))
        elif outcome == "unchanged":
            emit(f"{printable(job.id)}: is {printable(old[job.id])} already")
        else:
            would = "would be " if wish.dry_run else ""
            emit(f"{printable(job.id)}: {printable(old[job.id])} -> {would}{edit.target}")
    if wish.as_json:
        for job_id, exc in done.failed.items():
            shape = _outcome(job_id, old.get(job_id), edit.target, "failed", is_dry=wish.dry_run)
            emit_json({**shape, "reason": exc.reason, "message": str(exc)})
    elif done.undo:
        emit(f"to take it back: {printable(done.undo)}")
    _say(done.failed)


def _outcome(job_id: str, old: str | None, new: str, outcome: BecameWord, *, is_dry: bool) -> EditShape:
    return {
        "id": job_id,
        "from": old,
        "to": new,
        "outcome": outcome,
        "dry_run": is_dry,
        "reason": "",
        "message": "",
    }


def _say(failed: Mapping[str, HyperjobsError]) -> None:
    for exc in failed.values():
        complain_of(exc)


def _code(failed: Mapping[str, HyperjobsError]) -> int:
    codes = {exc.exit_code for exc in failed.values()}
    return 0 if not codes else codes.pop() if len(codes) == 1 else 1
