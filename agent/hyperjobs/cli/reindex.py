"""``hyperjobs reindex``."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.ask import ask
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable
from hyperjobs.errors import StoreInterruptedError

if TYPE_CHECKING:
    from hyperjobs.maintenance.task import Report, Turn


@click.command("reindex")
@click.argument("indexes", nargs=-1, type=UnicodeText(), metavar="[INDEX]...")
@click.option("--dry-run", is_flag=True, help="Only say how long each would take.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also when writers would wait for longer than they do.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
@store_options
@verbose_option
@click.pass_context
def reindex_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    indexes: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    force: bool,
    as_json: bool,
    place: StorePlace,
) -> int:
    """Build the indexes of a store anew, all of them or those named.

    For an index that has lost entries, as an integrity check would say. Writers wait while one is built.
    """
    from hyperjobs.maintenance.reindex import ReindexTask  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.task import Turn  # noqa: PLC0415 - as above

    store = place.find()
    clock = setting_of(context).clock
    stopping = threading.Event()
    codes: list[int] = []

    def heard(number: int, _frame: object) -> None:
        codes.append(128 + number)
        stopping.set()

    def turn(*, is_dry: bool) -> Turn:
        return Turn(now=clock.now(), clock=clock, is_stopping=stopping.is_set, wait=stopping.wait, is_dry=is_dry)

    task = ReindexTask(store, names=indexes, is_forced=force)
    if dry_run or not yes:
        plan = task.run(turn(is_dry=True))
        if dry_run:
            _say(plan, as_json=as_json)
            return 0
        ask(f"{printable(str(store))}: {plan.summary}; build them? [y/N] ")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, heard)
    try:
        _say(task.run(turn(is_dry=False)), as_json=as_json)
    except StoreInterruptedError:
        if codes:
            return codes[0]
        raise
    return 0


def _say(report: Report, *, as_json: bool) -> None:
    if as_json:
        emit_json({"summary": report.summary, **report.detail})
        return
    for index in report.detail["indexes"]:
        took = f"{index['seconds']:.2f} s" if "seconds" in index else f"about {index['predicted_seconds']:.2f} s"
        emit(f"{printable(index['name'])}: {index['size_bytes'] / 2**20:,.1f} MiB, {took}")
    emit(report.summary)
