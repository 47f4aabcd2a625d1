"""``hyperjobs prune``: the run itself, and what comes back of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.lazy import LazyGroup
from hyperjobs.cli.task import run_task, task_options

if TYPE_CHECKING:
    from hyperjobs.cli.place import StorePlace


@click.group(
    "prune",
    cls=LazyGroup,
    examples=[
        ("What would be deleted", "hyperjobs prune --dry-run"),
        ("Prune now", "hyperjobs prune --yes"),
        ("Bring the jobs of the last prune back", "hyperjobs prune undo latest --yes"),
    ],
    invoke_without_command=True,
    places={
        "list": ("hyperjobs.cli.archive:archives_command", "List the archives of pruned jobs, newest first."),
        "undo": ("hyperjobs.cli.archive:undo_command", "Bring the jobs of one prune back into the store."),
    },
)
@click.option("--trust-clock", is_flag=True, help="The clock is right, though it jumped: prune by it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@task_options
@click.pass_context
def prune_group(  # noqa: PLR0913 - one for each option
    context: click.Context, *, trust_clock: bool, yes: bool, is_dry: bool, as_json: bool, place: StorePlace
) -> int:
    """Delete finished jobs that are past their retention, the oldest first, having archived them.

    How long jobs are kept is maintenance.prune.retention of the configuration; without it nothing is deleted, and the
    command says what common retentions would delete. 'prune undo' brings a run's jobs back.
    """
    if context.invoked_subcommand is not None:
        return 0
    changes: dict[str, Any] = {"last_seen": lambda: None} if trust_clock else {}
    question = "" if yes else "delete them?"
    return run_task(
        context,
        place,
        "prune",
        is_dry=is_dry,
        as_json=as_json,
        question=question,
        # for good: the schedule's runs go by the same clock
        prepare=lambda shop: shop.timekeeper.trust() if trust_clock else None,
        **changes,
    )
