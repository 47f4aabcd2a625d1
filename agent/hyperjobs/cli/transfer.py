"""``hyperjobs export``, ``import`` and ``copy``: what they share."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.setting import json_option, setting_of
from hyperjobs.cli.stop import Progress, Stop
from hyperjobs.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hyperjobs.cli.place import StorePlace
    from hyperjobs.maintenance.task import Turn
    from hyperjobs.maintenance.transfer.importing import Imported


@contextlib.contextmanager
def stoppable(
    context: click.Context, *, is_dry: bool = False, heeds_signals: bool = True
) -> Iterator[tuple[Turn, Stop]]:
    """A turn that Ctrl-C and SIGTERM end, with its progress on the terminal."""
    clock = setting_of(context).clock
    progress = Progress(clock)
    stop = Stop()
    with stop if heeds_signals else contextlib.nullcontext():
        try:
            yield stop.turn(clock, progress, is_dry=is_dry), stop
        finally:
            progress.end()


def policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what becomes of jobs that are there, and how it is said."""
    for decorate in (
        json_option("Say what was done as one line of JSON."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing."),
        click.option(
            "--policy",
            type=click.Choice(["skip", "newer", "replace"]),
            default="skip",
            help="What becomes of a job whose id is there: skip, the default, it stays; newer, it stays unless ours is newer; "
            "replace, it is replaced.",
        ),
    ):
        command = decorate(command)
    return functools.wraps(command)(command)


def said(what: str, done: Imported, *, dry_run: bool) -> str:
    """What an import or a copy did, as a sentence."""
    jobs = done.jobs
    words = [
        f"{jobs.inserted:,} inserted",
        f"{jobs.replaced:,} replaced",
        f"{jobs.skipped:,} skipped",
        f"{jobs.same:,} the same already",
    ]
    rejected = f"; {done.rejected.total():,} rows are no jobs" if done.rejected else ""
    return f"{printable(what)}: {done.rows:,} rows, {'would be ' if dry_run else ''}{', '.join(words)}{rejected}"


def refuse_frozen(context: click.Context, place: StorePlace) -> None:
    """Return when nobody doubts the store.

    Raises:
        MaintenanceHeldError: it is frozen.
    """
    from hyperjobs.agent.workshop import opened_workshop  # noqa: PLC0415 - maintenance only where it is done
    from hyperjobs.store.state import state_stem  # noqa: PLC0415 - as above

    config, store = place.load(), place.find()
    if not (config.store.state_dir / f"{state_stem(store)}.db").exists():
        return  # without a state nobody can have frozen it, and none is made for a look
    with opened_workshop(config, store, clock=setting_of(context).clock) as shop:
        shop.holds.require_unfrozen(store)
