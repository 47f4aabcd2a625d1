"""Running a maintenance task by hand: the same runner as the schedule's, with its record and its log line."""

from __future__ import annotations

import contextlib
import os
import pwd
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.ask import ask
from hyperjobs.cli.moment import write_instant
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.stop import Progress, Stop
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hyperjobs.agent.workshop import Workshop
    from hyperjobs.cli.shapes.maintenance import RunShape
    from hyperjobs.maintenance.runner import Finished
    from hyperjobs.maintenance.task import Task
    from hyperjobs.store.runs import Run

_SKIPPED = "skipped"


def task_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--dry-run`` and ``--json``, and where the store is."""
    for decorate in (
        verbose_option,
        store_options,
        json_option("Write the run's record as one line of JSON."),
        click.option("--dry-run", "is_dry", is_flag=True, help="Say what would be done, and change nothing."),
    ):
        command = decorate(command)
    return command


def run_task(  # noqa: PLR0913 - one for each option
    context: click.Context,
    place: StorePlace,
    name: str,
    *,
    is_dry: bool,
    as_json: bool,
    question: str = "",
    prepare: Callable[[Workshop], object] = lambda _shop: None,
    **changes: Any,
) -> int:
    """Run one task of the store once, and say how it went; give the exit code.

    Args:
        context: of the command line.
        place: where the store is.
        name: of the task.
        is_dry: say what would be done.
        as_json: write the record instead of a sentence.
        question: asked, with what would be done, before anything is; empty is not to ask.
        prepare: called when it is settled that the task runs for real, and before it does.
        changes: what the command line says beside the configuration, as the task's maker takes it.
    """
    finished, code = finish_task(context, place, name, is_dry=is_dry, question=question, prepare=prepare, **changes)
    if as_json:
        emit_json(run_shape(finished.run))
    if finished.error is not None:
        if code:
            return code
        raise finished.error
    if not as_json:
        emit(printable(finished.run.summary))
    return 0


def finish_task(  # noqa: PLR0913 - as run_task
    context: click.Context,
    place: StorePlace,
    name: str,
    *,
    is_dry: bool,
    question: str = "",
    prepare: Callable[[Workshop], object] = lambda _shop: None,
    **changes: Any,
) -> tuple[Finished, int]:
    """Run one task, as :func:`run_task` does, and say nothing.

    Returns:
        The run, and the exit code of the signal that ended it, else 0.
    """
    with workshop(context, place) as shop, Stop() as stop:
        task: Task = shop.task(name, **changes)
        if question and not is_dry:
            foreseen = run_once(shop, task, stop, is_dry=True)
            if foreseen.error is None and foreseen.run.outcome != _SKIPPED:
                ask(f"{printable(foreseen.run.summary)}; {question} [y/N] ")
        if not is_dry:
            prepare(shop)
        finished = run_once(shop, task, stop, is_dry=is_dry)
    return finished, stop.code


def run_once(shop: Workshop, task: Task, stop: Stop, *, is_dry: bool = False) -> Finished:
    """Run one task until it is done, or a stop comes, with its progress on the terminal."""
    progress = Progress(shop.clock)
    try:
        finished = shop.runner.run(task, is_dry=is_dry, is_stopping=stop.is_set, wait=stop.wait, progress=progress)
    finally:
        progress.end()
    assert finished is not None  # noqa: S101 - a run without a slot is never the second one of it
    return finished


@contextlib.contextmanager
def workshop(context: click.Context, place: StorePlace) -> Iterator[Workshop]:
    """The store's tasks and their records, as the configuration has them, for the length of a command."""
    from hyperjobs.agent.workshop import opened_workshop  # noqa: PLC0415 - only where maintenance is
    from hyperjobs.logs import configure_logs  # noqa: PLC0415 - as above

    path = place.find()
    config = place.load()
    become_owner_of(config.store.state_dir)
    # a person is told by the command itself
    configure_logs(config.log.level if setting_of(context).verbose else "critical", config.log.format)
    with opened_workshop(config, path, clock=setting_of(context).clock) as shop:
        yield shop


def become_owner_of(state_dir: Path) -> None:
    """As root, go on as the user that the agent runs as, who is the one that owns its state.

    What root would make there, or in the directories of backups and archives, the agent could not write to.
    """
    if os.geteuid() != 0 or not state_dir.is_dir():
        return
    datetime.strptime("2026", "%Y")  # noqa: DTZ007 - loads what that user might not be let read
    owner = state_dir.stat()
    if owner.st_uid == 0:
        return
    try:
        os.initgroups(pwd.getpwuid(owner.st_uid).pw_name, owner.st_gid)
    except KeyError:  # a user that only the file system knows
        os.setgroups([owner.st_gid])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)


def run_shape(run: Run) -> RunShape:
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
        "kind": "run",
        "by": "",
    }
