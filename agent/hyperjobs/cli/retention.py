"""``hyperjobs retention simulate``."""

from __future__ import annotations

from datetime import timedelta

import click

from hyperjobs.cli.backup_setting import settings
from hyperjobs.cli.keep_option import Keep, keep_options
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.table import emit_json, emit_values

_MOST_DAYS = 4000


@click.group("retention")
def retention_group() -> None:
    """See what a policy of retention keeps."""


@retention_group.command("simulate")
@click.option("--days", type=click.IntRange(1, _MOST_DAYS), default=400, help="For so long from now; 400.")
@click.option("--a-day", type=click.IntRange(1, 24), default=1, help="Backups a day; 1.")
@click.option("--daily", is_flag=True, help="A line for each day: how many there are, and the oldest.")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines.")
@keep_options
@store_options
@verbose_option
@click.pass_context
def simulate_command(  # noqa: PLR0913 - one for each option
    context: click.Context, *, days: int, a_day: int, daily: bool, as_json: bool, keep: Keep, place: StorePlace
) -> None:
    """Show which backups there would be in so many days, were one taken each day and none pinned.

    Nothing is read or written: these are the rules at work on a calendar.
    """
    from hyperjobs.maintenance.backup.retention import simulate  # noqa: PLC0415 - only where it is used

    found = settings(place, None)
    runs = simulate(
        keep.policy(found),
        minimum=keep.least(found),
        start=setting_of(context).clock.now(),
        days=days,
        every=timedelta(days=1) / a_day,
    )
    last = []
    for moment, decisions in runs:
        last = [decision for decision in decisions if decision.stays]
        if daily:
            deleted = [f"{decision.name.at:%Y-%m-%dT%H:%M:%SZ}" for decision in decisions if not decision.stays]
            values = {
                "at": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
                "backups": len(last),
                "oldest": f"{last[-1].name.at:%Y-%m-%dT%H:%M:%SZ}",
                "deleted": deleted,
            }
            if as_json:
                emit_json(values)
            else:
                emit_values((values["at"], len(last), values["oldest"], ",".join(deleted)))
    if daily:
        return
    for decision in last:
        at = f"{decision.name.at:%Y-%m-%dT%H:%M:%SZ}"
        if as_json:
            emit_json({"at": at, "reasons": list(decision.reasons)})
        else:
            emit_values((at, ",".join(decision.reasons)))
