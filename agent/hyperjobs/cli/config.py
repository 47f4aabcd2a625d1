"""``hyperjobs config check|show|schema``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.command import Group
from hyperjobs.cli.effect import ack_command, diff_effect_command
from hyperjobs.cli.place import config_option
from hyperjobs.cli.setting import json_option, verbose_option
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable
from hyperjobs.clock import SystemClock

if TYPE_CHECKING:
    from hyperjobs.config import Config

_WRONG = 2


@click.group(
    "config",
    cls=Group,
    examples=[
        ("Whether the agent would start with a file", "hyperjobs config check --config hyperjobs.yaml"),
        ("All options in force, and their values", "hyperjobs config show"),
    ],
)
def config_group() -> None:
    """Check, show or describe the configuration."""


@config_group.command(
    "check",
    examples=[
        ("Whether the agent would start with a file", "hyperjobs config check --config hyperjobs.yaml"),
        ("Whether this machine fits the configuration too", "hyperjobs config check --host"),
    ],
)
@config_option
@click.option("--host", is_flag=True, help="Look at this machine too: the store, directories, keys and room.")
@json_option("JSON Lines, one for each finding of --host; none when all is well.")
@verbose_option
def check_command(*, file: str | None, host: bool, as_json: bool) -> int:
    """Say whether the agent would start with this configuration, and all that is wrong with it.

    Without --host only the configuration itself is read, so it can be checked on any machine.
    """
    from hyperjobs.agent.channels import channels_of  # noqa: PLC0415 - only where all is checked
    from hyperjobs.agent.web_policy import WebPolicy  # noqa: PLC0415 - as above
    from hyperjobs.config import load_config  # noqa: PLC0415 - pydantic only where a configuration is read

    config = load_config(Path(file) if file else None, environ=os.environ, require_store=True)
    if config.web.config_file is not None:
        WebPolicy(config.web.config_file, clock=SystemClock())
    channels_of(config)
    if host and _show_findings(config, as_json=as_json):
        return _WRONG
    if not as_json:
        emit(f"ok: the agent would look after {printable(str(config.store.path))}")
    return 0


def _show_findings(config: Config, *, as_json: bool) -> bool:
    """Write what does not fit on this machine; whether any of it is wrong."""
    from hyperjobs.agent.inspection import inspect  # noqa: PLC0415 - maintenance only where it is looked at
    from hyperjobs.cli.task import become_owner_of  # noqa: PLC0415 - as above

    become_owner_of(config.store.state_dir)  # what root may read, the agent may not
    is_any_wrong = False
    for found in inspect(config):
        is_any_wrong = is_any_wrong or found.is_wrong
        level = "wrong" if found.is_wrong else "warning"
        if as_json:
            emit_json({"level": level, "option": found.option, "message": found.message})
        else:
            emit(f"{level}: {found.option}: {printable(found.message)}")
    return is_any_wrong


@config_group.command(
    "show",
    examples=[
        ("All options in force, and their values", "hyperjobs config show"),
    ],
)
@config_option
@json_option("One line of JSON, with the options as the file names them.")
@verbose_option
def show_command(*, file: str | None, as_json: bool) -> None:
    """Show the configuration that results from defaults, file and environment; secrets are hidden."""
    from hyperjobs.config import load_config, render, render_values  # noqa: PLC0415 - pydantic only where one is read

    config = load_config(Path(file) if file else None, environ=os.environ, require_store=False)
    if as_json:
        emit_json(render_values(config))
    else:
        emit(render(config).rstrip("\n"))


@config_group.command(
    "schema",
    examples=[
        ("A schema for an editor", "hyperjobs config schema > hyperjobs.schema.json"),
    ],
)
@json_option("On one line; it is JSON in any case.")
@verbose_option
def schema_command(*, as_json: bool) -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    from hyperjobs.config import json_schema  # noqa: PLC0415 - pydantic only where a configuration is read

    emit(json.dumps(json_schema(), indent=None if as_json else 2))


config_group.add_command(diff_effect_command)
config_group.add_command(ack_command)
