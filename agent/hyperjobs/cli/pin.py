"""``hyperjobs pin ID``, ``unpin ID`` and ``pins``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.person import person
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.table import emit, emit_json, emit_values
from hyperjobs.cli.text import printable

if TYPE_CHECKING:
    from hyperjobs.store.connection import Connection


@click.command("pin")
@click.argument("job_id", type=UnicodeText(), metavar="ID")
@click.option("--reason", type=UnicodeText(), default="", metavar="TEXT", help="Why; shown by 'pins'.")
@store_options
@verbose_option
@click.pass_context
def pin_command(context: click.Context, *, job_id: str, reason: str, place: StorePlace) -> None:
    """Keep a job from every prune, whatever its age.

    The pin lies in the store, beside the jobs: it survives when the job is saved anew, and goes with a backup.
    """
    from hyperjobs.store.pins import pin  # noqa: PLC0415 - SQLite only where it is used

    connection = _opened(place)
    try:
        pin(connection, job_id, now=setting_of(context).clock.now(), reason=reason, by=person())
        emit(f"{printable(job_id)}: pinned, no prune deletes it")
    finally:
        connection.close()


@click.command("unpin")
@click.argument("job_id", type=UnicodeText(), metavar="ID")
@store_options
@verbose_option
def unpin_command(*, job_id: str, place: StorePlace) -> None:
    """Let a pinned job go with the next prune that finds it too old."""
    from hyperjobs.store.pins import unpin  # noqa: PLC0415 - SQLite only where it is used

    connection = _opened(place)
    try:
        unpin(connection, job_id)
        emit(f"{printable(job_id)}: no longer pinned")
    finally:
        connection.close()


@click.command("pins")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines.")
@store_options
@verbose_option
def pins_command(*, as_json: bool, place: StorePlace) -> None:
    """List the pinned jobs, the oldest pin first: id, since when, by whom, whether the job is there, why."""
    from hyperjobs.store.pins import read_pins  # noqa: PLC0415 - SQLite only where it is used

    connection = _opened(place, read_only=True)
    try:
        pins = connection.read(read_pins)
    finally:
        connection.close()
    for pin in pins:
        at = None if pin.at is None else f"{pin.at:%Y-%m-%dT%H:%M:%SZ}"
        if as_json:
            shape = {"id": pin.job_id, "at": at, "by": pin.by, "is_there": pin.is_there, "reason": pin.reason}
            emit_json(shape)
        else:
            emit_values((pin.job_id, at, pin.by, "" if pin.is_there else "gone", pin.reason))


def _opened(place: StorePlace, *, read_only: bool = False) -> Connection:
    """The store, if it is one that has jobs to pin."""
    from hyperjobs.store.connection import Connection  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.store.flavour import recognise, require_hypersdk  # noqa: PLC0415 - as above

    connection = Connection(place.find(), read_only=read_only)
    try:
        require_hypersdk(recognise(connection), connection.path, "a pin")
    except BaseException:
        connection.close()
        raise
    return connection
