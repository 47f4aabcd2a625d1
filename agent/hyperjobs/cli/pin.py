"""``hyperjobs pin ID``, ``unpin ID`` and ``pins``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.command import Command
from hyperjobs.cli.moment import show_age, write_instant
from hyperjobs.cli.opened import opened
from hyperjobs.cli.person import person
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.table import Column, emit, emit_json, emit_rows
from hyperjobs.cli.text import printable
from hyperjobs.cli.timetable import view_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperjobs.store.pins import Pin

if TYPE_CHECKING:
    from hyperjobs.cli.shapes.jobs import PinnedShape, PinShape

_WHAT = "a pin"


@click.command(
    "pin",
    cls=Command,
    examples=[
        ("Keep a job from every prune", 'hyperjobs pin migration-20260801-00003 --reason "for the auditors"'),
    ],
)
@click.argument("job_id", type=UnicodeText(), metavar="ID", shell_complete=offer.job_ids())
@click.option("--reason", type=UnicodeText(), default="", metavar="TEXT", help="Why; shown by 'pins'.")
@json_option("One line of JSON.")
@store_options
@verbose_option
@click.pass_context
def pin_command(context: click.Context, *, job_id: str, reason: str, as_json: bool, place: StorePlace) -> None:
    """Keep a job from every prune, whatever its age.

    The pin lies in the store, beside the jobs: it survives when the job is saved anew, and goes with a backup.
    """
    from hyperjobs.store.pins import pin  # noqa: PLC0415 - SQLite only where it is used

    now, by = setting_of(context).clock.now(), person()
    with opened(place, _WHAT) as connection:
        pin(connection, job_id, now=now, reason=reason, by=by)
    if as_json:
        shape: PinShape = {"id": job_id, "pinned": True, "at": write_instant(now), "by": by, "reason": reason}
        emit_json(shape)
    else:
        emit(f"{printable(job_id)}: pinned, no prune deletes it")


@click.command(
    "unpin",
    cls=Command,
    examples=[
        ("Leave it to prune again", "hyperjobs unpin migration-20260801-00004"),
    ],
)
@click.argument("job_id", type=UnicodeText(), metavar="ID", shell_complete=offer.pinned_ids)
@json_option("One line of JSON.")
@store_options
@verbose_option
def unpin_command(*, job_id: str, as_json: bool, place: StorePlace) -> None:
    """Let a pinned job go with the next prune that finds it too old."""
    from hyperjobs.store.pins import unpin  # noqa: PLC0415 - SQLite only where it is used

    with opened(place, _WHAT) as connection:
        unpin(connection, job_id)
    if as_json:
        shape: PinShape = {"id": job_id, "pinned": False, "at": None, "by": None, "reason": None}
        emit_json(shape)
    else:
        emit(f"{printable(job_id)}: no longer pinned")


@click.command(
    "pins",
    cls=Command,
    examples=[
        ("Which jobs are kept, and why", "hyperjobs pins"),
    ],
)
@json_option("JSON Lines.")
@store_options
@verbose_option
def pins_command(*, as_json: bool, place: StorePlace) -> None:
    """List the pinned jobs, the oldest pin first: id, since when, by whom, whether the job is there, why."""
    from hyperjobs.store.pins import read_pins  # noqa: PLC0415 - SQLite only where it is used

    with opened(place, _WHAT, read_only=True) as connection:
        pins = connection.read(read_pins)
    if not as_json:
        now = setting_of(click.get_current_context()).clock.now()
        emit_rows(_TABLE, pins, view_at(now, as_json=False), _values, nothing="no pinned jobs")
        return
    for pin in pins:
        at = None if pin.at is None else f"{pin.at:%Y-%m-%dT%H:%M:%SZ}"
        shape: PinnedShape = {"id": pin.job_id, "at": at, "by": pin.by, "is_there": pin.is_there, "reason": pin.reason}
        emit_json(shape)


def _values(pin: Pin) -> tuple[object, ...]:
    at = None if pin.at is None else f"{pin.at:%Y-%m-%dT%H:%M:%SZ}"
    return (pin.job_id, at, pin.by, "" if pin.is_there else "gone", pin.reason)


_TABLE: Sequence[Column[Pin]] = (
    Column("ID", lambda pin, _: pin.job_id, is_whole=True),
    Column("PINNED", lambda pin, view: show_age(pin.at, now=view.now), is_number=True),
    Column("BY", lambda pin, _: pin.by or "-", drop=1),
    Column("JOB", lambda pin, _: "there" if pin.is_there else "gone", lambda pin: "" if pin.is_there else "yellow"),
    Column("REASON", lambda pin, _: pin.reason or "-", width=16),
)
