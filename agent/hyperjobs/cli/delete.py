"""``hyperjobs delete``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from hyperjobs.cli import offer
from hyperjobs.cli.chosen import Chosen, chosen_options
from hyperjobs.cli.command import Command
from hyperjobs.cli.edited import Edit, Edited, Wish, edit_options, run_edit
from hyperjobs.errors import HyperjobsError
from hyperjobs.store.models import FINISHED, Job, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hyperjobs.agent.workshop import Workshop
    from hyperjobs.cli.place import StorePlace
    from hyperjobs.cli.stop import Stop
    from hyperjobs.store.sqlite import SQLiteJobStore


@click.command(
    "delete",
    cls=Command,
    examples=[
        ("Delete one finished job, archived first", "hyperjobs delete migration-20260801-00003 --yes"),
        (
            "See which cancelled jobs from before 90 days it would be",
            "hyperjobs delete --where --status cancelled --until 90d --dry-run",
        ),
    ],
)
@chosen_options(offer.job_ids("completed", "failed", "cancelled"))
@edit_options
@click.pass_context
def delete_command(context: click.Context, *, place: StorePlace, chosen: Chosen, wish: Wish) -> int:
    """Delete finished jobs, having archived them.

    They go into an archive as those of a prune do, so 'prune undo' brings them back as long as that is kept. A pinned
    job stays; one that is pending or running is cancelled first, or takes --force and --reason.
    """
    return run_edit(context, place, chosen, wish, _Delete())


@dataclass(frozen=True, slots=True)
class _Delete(Edit):
    """Into an archive, and away."""

    task: str = "delete"

    @property
    def sources(self) -> tuple[JobStatus, ...]:
        return tuple(status for status in JobStatus if status in FINISHED)

    @property
    def target(self) -> str:
        return "deleted"

    @property
    def warning(self) -> str:
        return "they are archived first"

    def refused(
        self, store: SQLiteJobStore, jobs: Sequence[Job], *, force: bool, keep_on: Callable[[], None]
    ) -> dict[str, HyperjobsError]:
        from hyperjobs.store.connection import Connection  # noqa: PLC0415 - SQLite only where it is used
        from hyperjobs.store.deleting import require_deletable  # noqa: PLC0415 - as above

        found: dict[str, HyperjobsError] = {}
        connection = Connection(store.path, read_only=True)
        try:
            for job in jobs:
                keep_on()
                try:
                    require_deletable(connection, job, force=force)
                except HyperjobsError as exc:
                    found[job.id] = exc
        finally:
            connection.close()
        return found

    def run(self, shop: Workshop, path: Path, jobs: list[Job], wish: Wish, stop: Stop) -> Edited:
        from hyperjobs.agent.options import archive_directory  # noqa: PLC0415 - pydantic only where it is read
        from hyperjobs.maintenance.prune.delete import delete_jobs  # noqa: PLC0415 - SQLite only where it is used
        from hyperjobs.maintenance.prune.directory import ArchiveDirectory  # noqa: PLC0415 - as above

        done = delete_jobs(
            path,
            ArchiveDirectory(archive_directory(shop.config)),
            jobs,
            clock=shop.clock,
            force=wish.force,
            is_atomic=wish.atomic,
            is_stopping=stop.is_set,
        )
        undo = f"hyperjobs prune undo {done.run}" if done.run else ""
        return Edited(changed=done.deleted, failed=done.failed, undo=undo)
