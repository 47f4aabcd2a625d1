"""``hyperjobs run``."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.command import Command
from hyperjobs.cli.place import config_option
from hyperjobs.cli.setting import verbose_option

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command(
    "run",
    cls=Command,
    examples=[
        ("As a service does", "hyperjobs run --config /etc/hyperjobs/hyperjobs.yaml"),
        (
            "Look after a store beside you, served on any free port",
            "hyperjobs run --store jobs.db --listen 127.0.0.1:0",
        ),
    ],
)
@config_option
@click.option("--store", metavar="PATH", help="The job store to look after, over store.path.")
@click.option(
    "--listen", metavar="ADDR", multiple=True, help="Serve on this address, host:port, over web.listen; repeatable."
)
@verbose_option
def run_command(*, file: str | None, store: str | None, listen: tuple[str, ...]) -> int:
    """Run the agent until it is told to stop.

    SIGTERM and Ctrl-C stop it within 2 seconds, with exit code 0; SIGHUP makes it read its configuration again.
    """
    from hyperjobs.agent.run import run  # noqa: PLC0415 - the whole agent, only where it runs
    from hyperjobs.config import load_config  # noqa: PLC0415 - as above

    overrides: dict[str, str | Sequence[str]] = {}
    if store is not None:
        overrides["store.path"] = store
    if listen:
        overrides["web.listen"] = list(listen)
    _restore_signals()
    config = load_config(Path(file) if file else None, environ=os.environ, overrides=overrides, require_store=True)
    return run(config, config_file=file, overrides=overrides)


def _restore_signals() -> None:
    """Give the agent back what a command gave up: a client that hangs up must not end it."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
