"""``hyperjobs install`` and ``uninstall``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperjobs.cli.ask import ask
from hyperjobs.cli.command import Command
from hyperjobs.cli.opened import opened
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable
from hyperjobs.errors import AgentRunningError

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.cli.shapes.agent import InstallShape, UninstallShape
    from hyperjobs.config import Config


@click.command(
    "install",
    cls=Command,
    examples=[
        ("Add the ledger to a store before its agent starts", "hyperjobs install --store jobs.db"),
    ],
)
@click.option(
    "--rebuild",
    is_flag=True,
    help="Build it anew, with the configured duration buckets; its counts restart. Refused while an agent runs.",
)
@json_option("One line of JSON.")
@store_options
@verbose_option
@click.pass_context
def install_command(context: click.Context, *, rebuild: bool, as_json: bool, place: StorePlace) -> None:
    """Add the ledger to a store.

    The agent does this by itself when it starts; its tables and triggers are additions that the store's writers do not
    see. An agent must run afterwards, or the log of the ledger grows by some 460 bytes a job.
    """
    from hyperjobs.store.ledger.install import install  # noqa: PLC0415 - SQLite only where a store is opened

    config = place.load()
    bounds = tuple(map(float, config.metrics.duration_buckets))
    with opened(place) as connection:
        if rebuild:
            _refuse_while_an_agent_runs(connection.path, config)
        done = install(connection, now=setting_of(context).clock.now(), bounds=bounds, rebuild=rebuild)
        path = str(connection.path)
    if as_json:
        shape: InstallShape = {"store": path, "changed": done.changed}
        emit_json(shape)
        return
    state = "in place; run an agent to keep it" if done.changed else "in place already"
    emit(f"{printable(path)}: the ledger is {state}")


@click.command(
    "uninstall",
    cls=Command,
    examples=[
        ("What would be dropped", "hyperjobs uninstall --dry-run"),
        ("Take hyperjobs out of a store", "hyperjobs uninstall --yes"),
    ],
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would be dropped.")
@json_option("One line of JSON.")
@store_options
@verbose_option
@click.pass_context
def uninstall_command(context: click.Context, *, yes: bool, dry_run: bool, as_json: bool, place: StorePlace) -> None:
    """Take the ledger out of a store again.

    Its tables and triggers are dropped, and with them the counts and histories kept since it was installed. Jobs are
    not touched.
    """
    from hyperjobs.maintenance.reserve import Reserve  # noqa: PLC0415 - as below
    from hyperjobs.store.ledger.install import uninstall  # noqa: PLC0415 - SQLite only where a store is opened
    from hyperjobs.store.ledger.schema import ours  # noqa: PLC0415 - as above

    with opened(place, read_only=dry_run) as connection:
        path = printable(str(connection.path))
        found = sorted(connection.read(ours))
        if found and not dry_run:
            _refuse_while_an_agent_runs(connection.path, place.load())
            if not yes:
                ask(f"{path}: drop the ledger, with its counts and histories? Jobs stay. [y/N] ")
            uninstall(connection)
            Reserve(connection.path, clock=setting_of(context).clock).release()
        shape: UninstallShape = {"store": str(connection.path), "dry_run": dry_run, "dropped": found}
    if as_json:
        emit_json(shape)
    elif not found:
        emit(f"{path}: there is no ledger")
    else:
        emit(f"{path}: would drop {', '.join(found)}" if dry_run else f"{path}: the ledger is gone")


def _refuse_while_an_agent_runs(path: Path, config: Config) -> None:
    """Raise AgentRunningError, naming the process, when an agent looks after the store."""
    from hyperjobs.agent.lock import agent_holding  # noqa: PLC0415 - the agent's parts, only for this question

    holder = agent_holding(path, config.store.state_dir)
    if holder is not None:
        raise AgentRunningError(f"{path}: an agent looks after it ({holder}); stop that one first")
