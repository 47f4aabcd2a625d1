"""``hyperjobs cancel``, ``retry`` and ``set-status``."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import STATUS_WORDS, UnicodeText
from hyperjobs.cli.chosen import Chosen, chosen_options
from hyperjobs.cli.command import Command
from hyperjobs.cli.edited import Edit, Edited, Wish, edit_options, run_edit
from hyperjobs.errors import HyperjobsError
from hyperjobs.store.models import Job, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hyperjobs.agent.workshop import Workshop
    from hyperjobs.cli.place import StorePlace
    from hyperjobs.cli.stop import Stop
    from hyperjobs.store.sqlite import SQLiteJobStore


@click.command(
    "cancel",
    cls=Command,
    examples=[
        (
            "Cancel a job that nothing will take up any more",
            'hyperjobs cancel migration-20261124-00012 --reason "no such VM" --yes',
        ),
        ("See which jobs of a provider it would be", "hyperjobs cancel --where --provider vsphere --dry-run"),
    ],
)
@chosen_options(offer.job_ids("pending", "running"))
@edit_options
@click.pass_context
def cancel_command(context: click.Context, *, place: StorePlace, chosen: Chosen, wish: Wish) -> int:
    """Set jobs that are pending or running to cancelled.

    It is a word in the store: no process that works on such a job is stopped by it, and one that goes on may write its
    own status over it.
    """
    return run_edit(context, place, chosen, wish, _Move("cancel", JobStatus.CANCELLED))


@click.command(
    "retry",
    cls=Command,
    examples=[
        ("Try a failed job again", "hyperjobs retry migration-20261122-01506 --yes"),
        (
            "Try all again that failed by a timeout",
            "hyperjobs failed --text timeout --limit all | hyperjobs retry - --yes",
        ),
    ],
)
@chosen_options(offer.job_ids("failed", "cancelled"))
@edit_options
@click.pass_context
def retry_command(context: click.Context, *, place: StorePlace, chosen: Chosen, wish: Wish) -> int:
    """Set jobs that failed or were cancelled back to pending.

    The row is as that of a new job, with the time of creation it had. Whether anything takes it up is hypersdk's
    business.
    """
    return run_edit(context, place, chosen, wish, _Move("retry", JobStatus.PENDING))


@click.command(
    "set-status",
    cls=Command,
    examples=[
        (
            "Say that a running job has failed, and why",
            'hyperjobs set-status failed migration-20261124-00007 --error "host lost" --yes',
        ),
    ],
)
@click.argument("to", type=click.Choice(STATUS_WORDS, case_sensitive=False), metavar="STATUS")
@chosen_options(offer.ids_that_may_become)
@click.option(
    "--error",
    type=UnicodeText(),
    metavar="TEXT",
    help="With failed: what the job's error says then; without it the row keeps what it says.",
)
@edit_options
@click.pass_context
def set_status_command(  # noqa: PLR0913 - one for each option
    context: click.Context, *, to: str, error: str | None, place: StorePlace, chosen: Chosen, wish: Wish
) -> int:
    """Set jobs to another status that they may have next.

    Pending may become running or cancelled; running may become completed, failed or cancelled; failed and cancelled
    may become pending. Anything else takes --force and --reason.
    """
    status = JobStatus(to)
    if error is not None and status is not JobStatus.FAILED:
        raise click.UsageError("--error goes with failed")
    return run_edit(context, place, chosen, wish, _Move("set-status", status, error))


@dataclass(frozen=True, slots=True)
class _Move(Edit):
    """A move to one status."""

    task: str
    to: JobStatus
    error: str | None = None

    @property
    def sources(self) -> tuple[JobStatus, ...]:
        from hyperjobs.store.transition import sources_of  # noqa: PLC0415 - SQLite only where it is used

        return sources_of(self.to)

    @property
    def target(self) -> str:
        return str(self.to)

    @property
    def warning(self) -> str:
        return "a status does not stop the work itself" if self.to is JobStatus.CANCELLED else ""

    def refused(
        self, store: SQLiteJobStore, jobs: Sequence[Job], *, force: bool, keep_on: Callable[[], None]
    ) -> dict[str, HyperjobsError]:
        from hyperjobs.store.transition import require_move  # noqa: PLC0415 - SQLite only where it is used

        found: dict[str, HyperjobsError] = {}
        for job in jobs:
            keep_on()
            try:
                if job.status != self.to and not force:
                    require_move(job, self.to, store.path)
            except HyperjobsError as exc:
                found[job.id] = exc
        return found

    def run(self, shop: Workshop, path: Path, jobs: list[Job], wish: Wish, stop: Stop) -> Edited:
        from hyperjobs.store.sqlite import open_store  # noqa: PLC0415 - SQLite only where it is used

        done = Edited()
        with open_store(path, clock=shop.clock) as store:
            move = functools.partial(_move, store, edit=self, force=wish.force)
            with store.transaction() if wish.atomic else contextlib.nullcontext():
                for job in jobs:
                    if stop.is_set() and not wish.atomic:
                        break
                    try:
                        is_new = move(job)
                    except HyperjobsError as exc:
                        if wish.atomic:
                            raise
                        done.failed[job.id] = exc
                    else:
                        (done.changed if is_new else done.unchanged).append(job.id)
        return done


def _move(store: SQLiteJobStore, job: Job, *, edit: _Move, force: bool) -> bool:
    """Move one job; whether that was news."""
    store.transition(job.id, edit.to, expected=job, error=edit.error, force=force)
    return job.status != edit.to
