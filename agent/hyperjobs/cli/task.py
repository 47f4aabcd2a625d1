"""Running a maintenance task by hand: the same runner as the schedule's, with its record and its log line."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.moment import write_instant
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.stop import Progress, Stop
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hyperjobs.agent.workshop import Workshop
    from hyperjobs.maintenance.task import Task
    from hyperjobs.store.runs import Run


def task_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--dry-run`` and ``--json``, and where the store is."""
    for decorate in (
        verbose_option,
        store_options,
        click.option("--json", "as_json", is_flag=True, help="Write the run's record as one line of JSON."),
        click.option("--dry-run", "is_dry", is_flag=True, help="Say what would be done, and change nothing."),
    ):
        command = decorate(command)
    return command


def run_task(
    context: click.Context,
    place: StorePlace,
    name: str,
    *,
    is_dry: bool,
    as_json: bool,
    **changes: Any,
) -> int:
    """Run one task of the store once, and say how it went; give the exit code.

    Args:
        context: of the command line.
        place: where the store is.
        name: of the task.
        is_dry: say what would be done.
        as_json: write the record instead of a sentence.
        changes: what the command line says beside the configuration, as the task's maker takes it.
    """
    progress = Progress()
    with workshop(context, place) as shop, Stop() as stop:
        task: Task = shop.task(name, **changes)
        try:
            finished = shop.runner.run(task, is_dry=is_dry, is_stopping=stop.is_set, wait=stop.wait, progress=progress)
        finally:
            progress.end()
        assert finished is not None  # noqa: S101 - a run without a slot is never the second one of it
        if as_json:
            emit_json(run_shape(finished.run))
        if stop.code and finished.error is not None:
            return stop.code
        if finished.error is not None:
            raise finished.error
        if not as_json:
            emit(printable(finished.run.summary))
    return 0


@contextlib.contextmanager
def workshop(context: click.Context, place: StorePlace) -> Iterator[Workshop]:
    """The store's tasks and their records, as the configuration has them, for the length of a command."""
    from hyperjobs.agent.workshop import opened_workshop  # noqa: PLC0415 - only where maintenance is
    from hyperjobs.config import load_config  # noqa: PLC0415 - pydantic only where a configuration is read
    from hyperjobs.logs import configure_logs  # noqa: PLC0415 - as above

    path = place.find()
    config = load_config(Path(place.config) if place.config else None, environ=os.environ)
    configure_logs("warning" if not setting_of(context).verbose else config.log.level, config.log.format)
    with opened_workshop(config, path, clock=setting_of(context).clock) as shop:
        yield shop


def run_shape(run: Run) -> dict[str, Any]:
    """A run as JSON."""
    return {
        "run": run.id,
        "task": run.task,
        "slot": run.slot,
        "started_at": write_instant(run.started_at),
        "ended_at": write_instant(run.ended_at),
        "outcome": run.outcome.value if run.outcome is not None else None,
        "reason": run.reason,
        "summary": run.summary,
        "detail": dict(run.detail),
        "host": run.host,
        "version": run.version,
    }
