"""``hyperjobs notify test``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperjobs.cli import offer
from hyperjobs.cli.command import Group
from hyperjobs.cli.place import config_option
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable
from hyperjobs.errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime

    from hyperjobs.notify.channel import Channel


@click.group(
    "notify",
    cls=Group,
    examples=[
        ("Whether every channel works", "hyperjobs notify test"),
    ],
)
def notify_group() -> None:
    """Try the channels of notifications."""


@notify_group.command(
    "test",
    examples=[
        ("Whether every channel works", "hyperjobs notify test"),
        ("One channel alone", "hyperjobs notify test ops"),
    ],
)
@click.argument("channel", required=False, shell_complete=offer.channels)
@json_option("JSON Lines.")
@config_option
@verbose_option
@click.pass_context
def test_command(context: click.Context, *, channel: str | None, as_json: bool, file: str | None) -> int:
    """Send a test message by every channel, or by one, and say what came of it.

    Each is tried once, without waiting to try again. The exit code is 1 when one did not arrive.
    """
    from hyperjobs.agent.channels import channels_of  # noqa: PLC0415 - pydantic only where a configuration is read
    from hyperjobs.config import load_config  # noqa: PLC0415 - as above

    config = load_config(Path(file) if file else None, environ=os.environ)
    found = {rules.name: each for rules, each in channels_of(config)}
    if channel is not None and channel not in found:
        known = ", ".join(found) or "none"
        raise ConfigError(f"{printable(channel)}: there is no such channel that is enabled; there are: {known}")
    if not found:
        raise ConfigError("there is no channel that is enabled; write one under notifications (docs/notifications.md)")
    now = setting_of(context).clock.now()
    failed = 0
    for name in [channel] if channel is not None else list(found):
        error = _try(found[name], now)
        failed += error is not None
        if as_json:
            emit_json({"channel": name, "sent": error is None, "error": error})
        else:
            emit(f"{name}: sent" if error is None else f"{name}: not sent: {printable(error)}")
    return 1 if failed else 0


def _try(channel: Channel, now: datetime) -> str | None:
    """Send a test message; why it did not arrive."""
    from hyperjobs.notify.channel import NotSentError  # noqa: PLC0415 - as above
    from hyperjobs.notify.event import Event  # noqa: PLC0415 - as above

    try:
        channel.send(Event(name="test", subject="test", at=now), timeout_s=channel.timeout_s)
    except NotSentError as exc:
        return str(exc)
    return None
