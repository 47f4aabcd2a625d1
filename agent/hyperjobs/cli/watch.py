"""``hyperjobs watch``: the running jobs as they go on."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.argument import Duration
from hyperjobs.cli.command import Command
from hyperjobs.cli.moment import show_age, show_seconds, write_instant
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.selection import Selection, View, filter_options, view_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.shape import job_shape
from hyperjobs.cli.show import show_bytes
from hyperjobs.cli.stop import Stop
from hyperjobs.cli.table import emit_json, new_console, status_text
from hyperjobs.cli.text import printable

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Group

    from hyperjobs.cli.shapes.jobs import WatchEvent, WatchShape
    from hyperjobs.clock import Clock
    from hyperjobs.store.models import Job
    from hyperjobs.store.watch import Running, Sight, Watch

_LEAST = timedelta(seconds=0.2)
_BAR = "PROGRESS"
_BAR_WIDTH = 20
_CUT = frozenset({"VM", _BAR, "ERROR"})
_LONGEST_ID = 24
"""As hypersdk makes them: ``migration-20260818-00000``."""
_FRAME_LINES = 6
"""Heading, two table headings, blank line, trouble, and how to leave."""


@click.command(
    "watch",
    cls=Command,
    examples=[
        ("Watch the running jobs, with a look every five seconds", "hyperjobs watch --interval 5s"),
        ("Every change as one line of JSON, for a program", "hyperjobs watch --json"),
    ],
)
@click.option(
    "--interval",
    type=Duration(least=_LEAST),
    default="2s",
    metavar="DURATION",
    help="Look so often; 2s when not given, 0.2s at least.",
)
@click.option(
    "--stalled-after",
    type=Duration(),
    default="30m",
    metavar="DURATION",
    help="Mark a job that stood for so long; 30m when not given.",
)
@filter_options()
@view_options
@store_options
@verbose_option
@click.pass_context
def watch_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    interval: timedelta,
    stalled_after: timedelta,
    place: StorePlace,
    selection: Selection,
    view: View,
) -> int:
    """Watch the running jobs: their progress, speed and time left, and those that end meanwhile.

    On a terminal it draws a screen, until q or Ctrl-C. In a pipe, or with --json, it writes a line of JSON for each
    change, until it is stopped.
    """
    from hyperjobs.store.state import state_stem  # noqa: PLC0415 - SQLite only where a store is read
    from hyperjobs.store.watch import Watch  # noqa: PLC0415 - as above

    path = place.find()
    clock = setting_of(context).clock
    state = place.load().store.state_dir / f"{state_stem(path)}.db"
    watch = Watch(path, selection.filter, clock=clock, state=state)
    ended = watch.newest_ended()  # a store that is not there is said now; one that goes later may come back
    shown = _Shown(clock, stalled_after.total_seconds(), str(path), ended)
    with Stop() as stop:
        if view.as_table:
            shown.draw(watch, interval.total_seconds(), stop)
        else:
            shown.write(watch, interval.total_seconds(), stop)
    return stop.code


class _Shown:
    """What is told of each look."""

    def __init__(self, clock: Clock, stalled_s: float, path: str, ended: list[Job]) -> None:
        self._clock = clock
        self._stalled_s = stalled_s
        self._path = path
        self._ended = ended

    def write(self, watch: Watch, interval_s: float, stop: Stop) -> None:
        """Write a line of JSON for each change."""
        trouble = ""
        stalled: set[str] = set()
        while not stop.is_set():
            sight = watch.look()
            now = self._clock.now()
            reason = sight.trouble.reason if sight.trouble is not None else ""
            if reason != trouble:
                message = str(sight.trouble) if sight.trouble is not None else ""
                self._emit(now, "unreadable" if reason else "readable", reason=reason, message=message)
                trouble = reason
            still = {each.job.id for each in sight.running if each.stood_s >= self._stalled_s}
            for each in sight.running:
                job_id = each.job.id
                if job_id in sight.started:
                    self._emit(now, "running", **self._pace(each))
                elif job_id in sight.moved:
                    self._emit(now, "progress", **self._pace(each))
                elif job_id in still - stalled:
                    self._emit(now, "stalled", **self._pace(each))
            stalled = still
            for job in sight.ended:
                self._emit(now, "ended", id=job.id, job=job_shape(job))
            for job_id in sight.gone:
                self._emit(now, "gone", id=job_id)
            sys.stdout.flush()
            stop.wait(interval_s)

    def draw(self, watch: Watch, interval_s: float, stop: Stop) -> None:
        """Draw a screen, until somebody leaves."""
        from rich.live import Live  # noqa: PLC0415 - only where a person looks

        from hyperjobs.cli.keys import Keys  # noqa: PLC0415 - as above

        console = new_console()
        with Live(console=console, screen=True, auto_refresh=False) as live, Keys() as keys:
            next_s = self._clock.monotonic()
            sight = None
            while not stop.is_set():
                if sight is None or self._clock.monotonic() >= next_s:
                    sight = watch.look()
                    self._ended = [*reversed(sight.ended), *self._ended]
                    next_s = self._clock.monotonic() + interval_s
                live.update(self._screen(sight, *console.size), refresh=True)
                if keys.wait(next_s - self._clock.monotonic()).lower().startswith("q"):
                    return

    def _emit(self, now: datetime, event: WatchEvent, **more: Any) -> None:
        shape: WatchShape = {
            "at": write_instant(now),
            "event": event,
            "id": None,
            "job": None,
            "percent_per_minute": None,
            "bytes_per_second": None,
            "seconds_left": None,
            "stalled": None,
            "reason": None,
            "message": None,
        }
        emit_json({**shape, **more})

    def _pace(self, each: Running) -> dict[str, Any]:
        return {
            "id": each.job.id,
            "job": job_shape(each.job),
            "percent_per_minute": None if each.percent_per_s is None else round(60 * each.percent_per_s, 3),
            "bytes_per_second": None if each.bytes_per_s is None else round(each.bytes_per_s),
            "seconds_left": None if each.left_s is None else round(each.left_s),
            "stalled": each.stood_s >= self._stalled_s,
        }

    def _screen(self, sight: Sight, width: int, height: int) -> Group:
        """All that is on the screen, no larger than the terminal."""
        from rich.console import Group  # noqa: PLC0415 - only where a person looks
        from rich.text import Text  # noqa: PLC0415 - as above

        now = self._clock.now()
        room = max(height - _FRAME_LINES, 2)
        below = min(len(self._ended), max(room // 3, 1))
        above = min(len(sight.running), room - below)
        below = min(len(self._ended), room - above)
        more = len(sight.running) - above
        heading = f"{len(sight.running)} running{f', {more} more than fit' if more else ''}  {self._path}"
        parts: list[Any] = [Text(printable(heading), style="bold", no_wrap=True, overflow="ellipsis")]
        if sight.trouble is not None:
            said = f"cannot be read, this is of before: {sight.trouble}"
            parts.append(Text(printable(said), style="bold red", no_wrap=True, overflow="ellipsis"))
        parts += [
            self._running_table(sight.running[:above], now, width),
            Text(""),
            self._ended_table(self._ended[:below], now, width),
        ]
        parts.append(Text("q ends", style="dim"))
        return Group(*parts)

    def _running_table(self, running: list[Running], now: datetime, width: int) -> Any:
        from rich.progress_bar import ProgressBar  # noqa: PLC0415 - only where a person looks

        table = _table("ID", "VM", _BAR, ">%", ">%/MIN", ">SPEED", ">LEFT", ">FOR", "")
        for each in running:
            job = each.job
            is_stalled = each.stood_s >= self._stalled_s
            table.add_row(
                printable(job.id),
                printable(job.vm_name),
                ProgressBar(total=100, completed=job.progress),
                f"{job.progress:.1f}",
                "-" if each.percent_per_s is None else f"{60 * each.percent_per_s:.1f}",
                "-" if each.bytes_per_s is None else f"{show_bytes(int(each.bytes_per_s))}/s",
                "unknown" if each.left_s is None else show_seconds(each.left_s),
                show_age(job.started_at, now=now),
                f"stalled for {show_seconds(each.stood_s)}" if is_stalled else "",
                style="yellow" if is_stalled else None,
            )
        _fit(table, width)
        return table

    def _ended_table(self, ended: list[Job], now: datetime, width: int) -> Any:
        table = _table("ENDED", "VM", "STATUS", ">AGO", "ERROR")
        for job in ended:
            table.add_row(
                printable(job.id),
                printable(job.vm_name),
                status_text(job.status),
                show_age(job.completed_at, now=now),
                printable(job.error),
            )
        _fit(table, width)
        return table


def _table(*titles: str) -> Any:
    from rich.table import Table  # noqa: PLC0415 - only where a person looks

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for title in titles:
        justify: Any = "right" if title.startswith(">") else "left"
        table.add_column(title.removeprefix(">"), justify=justify, no_wrap=True, overflow="ellipsis")
    return table


def _fit(table: Any, width: int) -> None:
    """Share out a terminal's columns: where there are too few, bars, names and errors are cut, and neither a number nor an id."""
    from rich.cells import cell_len  # noqa: PLC0415 - only where a person looks

    left = width
    for column in table.columns:
        texts = [str(text) for text in (column.header, *column.cells) if column.header != _BAR]
        column.width = max(map(cell_len, texts), default=_BAR_WIDTH)
        if column.header not in _CUT:
            column.width = min(column.width, _LONGEST_ID)
            left -= column.width
        left -= table.padding[1]
    for column in sorted((each for each in table.columns if each.header in _CUT), key=lambda each: each.header != _BAR):
        column.width = max(min(column.width, left // 3 if column.header == _BAR else left), 1)
        left -= column.width
