"""``hyperjobs pause|resume|freeze|unfreeze``: what keeps maintenance from running."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.argument import Duration, UnicodeText
from hyperjobs.cli.command import Command
from hyperjobs.cli.event import add_event
from hyperjobs.cli.moment import write_instant
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.task import workshop
from hyperjobs.cli.text import printable

if TYPE_CHECKING:
    from hyperjobs.cli.shapes.maintenance import HeldShape
    from hyperjobs.store.holds import Held

_LONGEST_REASON = 200
_SHORTEST = timedelta(milliseconds=1)


class _Reason(UnicodeText):
    """A few words that are kept and shown."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it."""
        text = str(super().convert(value, param, ctx)).strip()
        if not text or len(text) > _LONGEST_REASON:
            self.fail(f"needs 1 to {_LONGEST_REASON} characters", param, ctx)
        return text


def _shape(held: Held) -> HeldShape:
    return {
        "reason": held.reason,
        "message": held.message,
        "since": write_instant(held.since),
        "until": write_instant(held.until),
    }


@click.command(
    "pause",
    cls=Command,
    examples=[
        ("No task starts by itself for two hours", 'hyperjobs pause --for 2h --reason "storage work"'),
    ],
)
@click.option(
    "--for", "length", type=Duration(least=_SHORTEST), required=True, metavar="DURATION", help="How long: 30m, 2h, 1d."
)
@click.option("--reason", type=_Reason(), required=True, help="Why, for whoever finds it paused.")
@json_option("One line of JSON.")
@store_options
@verbose_option
@click.pass_context
def pause_command(context: click.Context, *, length: timedelta, reason: str, as_json: bool, place: StorePlace) -> None:
    """Let no scheduled task start for a while; what a person starts still runs.

    It ends by itself. Slots that fall into it are recorded as skipped. A pause in force is replaced.
    """
    now = setting_of(context).clock.now()
    until = now + length
    said = f"maintenance is paused until {until:%Y-%m-%dT%H:%M:%SZ}"
    with workshop(context, place) as shop:
        shop.holds.pause(until, reason, now)
        add_event(shop, "pause", said, started_at=now, reason=reason, detail={"until": write_instant(until)})
    if as_json:
        emit_json({"paused": True, "reason": reason, "until": write_instant(until)})
    else:
        emit(f"{said}; 'hyperjobs resume' ends it sooner")


@click.command(
    "resume",
    cls=Command,
    examples=[
        ("End the pause now", "hyperjobs resume"),
    ],
)
@json_option("One line of JSON.")
@store_options
@verbose_option
@click.pass_context
def resume_command(context: click.Context, *, as_json: bool, place: StorePlace) -> None:
    """End a pause."""
    now = setting_of(context).clock.now()
    with workshop(context, place) as shop:
        held = shop.holds.resume(now)
        if held is not None:
            add_event(shop, "resume", f"the pause is over ({held.reason})", started_at=now, reason=held.reason)
    if as_json:
        emit_json({"paused": False, "ended": None if held is None else _shape(held)})
        return
    emit("maintenance was not paused" if held is None else f"the pause is over ({printable(held.reason)})")


@click.command(
    "freeze",
    cls=Command,
    examples=[
        ("Keep everything that is there", 'hyperjobs freeze --reason "jobs are missing"'),
    ],
)
@click.option("--reason", type=_Reason(), required=True, help="Why, for whoever finds it frozen.")
@json_option("One line of JSON.")
@store_options
@verbose_option
@click.pass_context
def freeze_command(context: click.Context, *, reason: str, as_json: bool, place: StorePlace) -> None:
    """Stop prune, vacuum and the rotation of backups until somebody unfreezes the store.

    What finds damage in the store does so by itself.
    """
    from hyperjobs.store.holds import BY_HAND  # noqa: PLC0415 - SQLite only where it is used

    now = setting_of(context).clock.now()
    with workshop(context, place) as shop:
        is_news = shop.holds.freeze(BY_HAND, reason, now)
        if is_news:
            add_event(shop, "freeze", f"frozen: {reason}", started_at=now, reason=BY_HAND)
        held = shop.holds.frozen()
    if as_json:
        emit_json({"is_news": is_news, "frozen": [_shape(each) for each in held]})
        return
    emit("the store is frozen" if is_news else "the store was frozen already")


@click.command(
    "unfreeze",
    cls=Command,
    examples=[
        ("Go on, all is well", 'hyperjobs unfreeze --reason "they were moved on purpose"'),
    ],
)
@click.option("--reason", type=_Reason(), required=True, help="What was found or done about it; it is kept.")
@json_option("One line of JSON.")
@store_options
@verbose_option
@click.pass_context
def unfreeze_command(context: click.Context, *, reason: str, as_json: bool, place: StorePlace) -> None:
    """Let prune, vacuum and rotation run again, after somebody has looked at what froze them."""
    now = setting_of(context).clock.now()
    with workshop(context, place) as shop:
        ended = shop.holds.unfreeze(reason, now)
        is_damaged = shop.condition.is_whole is False
        if ended:
            detail = {"ended": [_shape(held) for held in ended]}
            add_event(shop, "unfreeze", f"unfrozen: {reason}", started_at=now, detail=detail)
    if as_json:
        emit_json({"ended": [_shape(held) for held in ended], "is_damaged": is_damaged})
        return
    if not ended:
        emit("nothing was frozen")
    for held in ended:
        emit(printable(f"unfrozen: {held.reason} since {held.since:%Y-%m-%dT%H:%M:%SZ}: {held.message}"))
    if ended and is_damaged:
        emit("the newest check still found the store damaged: check again with 'hyperjobs integrity'")
