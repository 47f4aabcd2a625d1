"""``hyperjobs history ID``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.command import Command
from hyperjobs.cli.moment import in_zone, show_age, write_instant
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.selection import View, view_options
from hyperjobs.cli.setting import verbose_option
from hyperjobs.cli.shape import event_shape
from hyperjobs.cli.table import STATUS_STYLES, Column, emit_json, emit_table, emit_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperjobs.store.models import JobEvent

_ABSENT = "-"

HISTORY_TABLE: Sequence[Column[JobEvent]] = (
    Column(
        "AT",
        lambda event, view: in_zone(event.at, utc=view.utc).isoformat(sep=" ", timespec="seconds"),
        is_whole=True,
    ),
    Column("AGE", lambda event, view: show_age(event.at, now=view.now), is_number=True),
    Column("FROM", lambda event, _: event.old or _ABSENT, lambda event: STATUS_STYLES.get(event.old or "", "")),
    Column("TO", lambda event, _: event.new or "deleted", lambda event: STATUS_STYLES.get(event.new or "", "")),
    Column("SOURCE", lambda event, _: "inferred" if event.inferred else "ledger", lambda _: "dim", drop=1),
)


@click.command(
    "history",
    cls=Command,
    examples=[
        ("What became of a job, step by step", "hyperjobs history migration-20261122-01506"),
    ],
)
@click.argument("job_id", type=UnicodeText(), metavar="ID", shell_complete=offer.job_ids())
@store_options
@view_options
@verbose_option
def history_command(*, job_id: str, place: StorePlace, view: View) -> None:
    """List the changes of one job's status, oldest first.

    Where a ledger watches the store, every change is known, also of a job that is deleted by now. Where none does, the
    changes are inferred from the job's own times and can be incomplete.
    """
    with place.open() as store:
        events = store.job_history(job_id)
    if view.as_table:
        emit_table(HISTORY_TABLE, events, view)
        return
    for event in events:
        if view.as_json:
            emit_json(event_shape(event))
        else:
            source = "inferred" if event.inferred else "ledger"
            emit_values((write_instant(event.at), event.old, event.new, source))
