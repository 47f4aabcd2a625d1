"""``hyperjobs config check|show|schema``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.setting import verbose_option
from hyperjobs.cli.table import emit
from hyperjobs.cli.text import printable
from hyperjobs.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable


def _config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    option = click.option(
        "--config",
        "file",
        metavar="FILE",
        help="The configuration file; by default HYPERJOBS_CONFIG, else the usual places.",
    )
    decorated: Callable[..., Any] = option(command)
    return decorated


@click.group("config")
def config_group() -> None:
    """Check, show or describe the configuration."""


@config_group.command("check")
@_config_option
@verbose_option
def check_command(*, file: str | None) -> None:
    """Say whether the agent would start with this configuration, and all that is wrong with it."""
    from hyperjobs.agent.channels import channels_of  # noqa: PLC0415 - only where all is checked
    from hyperjobs.agent.web_policy import WebPolicy  # noqa: PLC0415 - as above
    from hyperjobs.config import load_config  # noqa: PLC0415 - pydantic only where a configuration is read

    config = load_config(Path(file) if file else None, environ=os.environ, require_store=True)
    if config.web.config_file is not None:
        WebPolicy(config.web.config_file, clock=SystemClock())
    channels_of(config)
    emit(f"ok: the agent would look after {printable(str(config.store.path))}")


@config_group.command("show")
@_config_option
@verbose_option
def show_command(*, file: str | None) -> None:
    """Show the configuration that results from defaults, file and environment; secrets are hidden."""
    from hyperjobs.config import load_config, render  # noqa: PLC0415 - pydantic only where a configuration is read

    emit(render(load_config(Path(file) if file else None, environ=os.environ, require_store=False)).rstrip("\n"))


@config_group.command("schema")
@verbose_option
def schema_command() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    from hyperjobs.config import json_schema  # noqa: PLC0415 - pydantic only where a configuration is read

    emit(json.dumps(json_schema(), indent=2))
