"""``hyperjobs runs``: what maintenance did."""

from __future__ import annotations

import click

from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import verbose_option
from hyperjobs.cli.table import emit_json, emit_values
from hyperjobs.cli.task import run_shape, workshop


@click.command("runs")
@click.argument("task", type=UnicodeText(), required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, help="At most so many; 20.")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines.")
@store_options
@verbose_option
@click.pass_context
def runs_command(context: click.Context, *, task: str | None, limit: int, as_json: bool, place: StorePlace) -> None:
    """List the newest runs of maintenance, or of one task, newest first."""
    with workshop(context, place) as shop:
        for run in shop.runs.latest(task, limit):
            if as_json:
                emit_json(run_shape(run))
            else:
                outcome = run.outcome.value if run.outcome is not None else "running"
                emit_values((f"{run.started_at:%Y-%m-%dT%H:%M:%SZ}", run.task, outcome, run.reason, run.summary))
