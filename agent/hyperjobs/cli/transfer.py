"""``hyperjobs export``, ``import`` and ``copy``: what they share."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.setting import setting_of
from hyperjobs.cli.stop import Progress, Stop
from hyperjobs.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hyperjobs.cli.place import StorePlace
    from hyperjobs.clock import Clock
    from hyperjobs.maintenance.task import Turn
    from hyperjobs.maintenance.transfer.importing import Imported

_RATE_AFTER_S = 1.0


class Rate:
    """The progress of a transfer on a terminal: how many jobs, how fast, and how long it will take yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._show = Progress()
        self._began_s = clock.monotonic()
        self._shown_s = float("-inf")

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show it, at most five times a second; ``total`` is 0 when nobody knows."""
        now_s = self._clock.monotonic()
        if now_s - self._shown_s < 0.2:  # noqa: PLR2004 - seconds
            return
        self._shown_s = now_s
        took_s = now_s - self._began_s
        line = f"{done:,} {what}"
        if took_s >= _RATE_AFTER_S and done:
            line += f", {done / took_s:,.0f}/s"
            if total > done:
                line += f", {_minutes((total - done) * took_s / done)} left"
        self._show(line, min(done, total), total)

    def end(self) -> None:
        """Take it away."""
        self._show.end()


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


@contextlib.contextmanager
def stoppable(
    context: click.Context, *, is_dry: bool = False, heeds_signals: bool = True
) -> Iterator[tuple[Turn, Stop]]:
    """A turn that Ctrl-C and SIGTERM end, with its progress on the terminal."""
    clock = setting_of(context).clock
    progress = Rate(clock)
    stop = Stop()
    with stop if heeds_signals else contextlib.nullcontext():
        try:
            yield stop.turn(clock, progress, is_dry=is_dry), stop
        finally:
            progress.end()


def policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what becomes of jobs that are there, and how it is said."""
    for decorate in (
        click.option("--json", "as_json", is_flag=True, help="Say what was done as one line of JSON."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing."),
        click.option(
            "--policy",
            type=click.Choice(["skip", "newer", "replace"]),
            default="skip",
            help="What becomes of a job whose id is there: it stays, it stays unless ours is newer, it is replaced.",
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
