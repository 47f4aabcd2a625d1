"""``hyperjobs config diff-effect|ack``: what a configuration would delete, before it is in force."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.ask import ask
from hyperjobs.cli.command import Command
from hyperjobs.cli.moment import write_instant
from hyperjobs.cli.person import person
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.stop import Stop
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.text import printable
from hyperjobs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperjobs.agent.effect import Effect
    from hyperjobs.config import Config, Maintenance
    from hyperjobs.store.acknowledgement import Acknowledgements

_REFUSED = 6


@click.command(
    "diff-effect",
    cls=Command,
    examples=[
        ("What a new configuration would delete", "hyperjobs config diff-effect new.yaml"),
    ],
)
@click.argument("file", type=UnicodeText(), required=False)
@json_option("One line of JSON.")
@verbose_option
@click.pass_context
def diff_effect_command(context: click.Context, *, file: str | None, as_json: bool) -> int:
    """Say which jobs, archives and backups a configuration would delete that the one in force does not.

    FILE is the new configuration; by default the usual one. Exit code 6 when a reload of it would be refused.
    """
    config = _load(file)
    with Stop() as stop:
        with _acknowledgements(context, config) as known:
            effect = _effect(context, config, known, stop)
        stop.keep_on()  # what was not counted to its end says nothing
        if as_json:
            emit_json(effect.shape())
        else:
            emit(printable(effect.text() or "nothing more would be deleted"))
        if effect.is_too_much:
            if not as_json:
                effect.require_little(config.source)
            return _REFUSED
    return stop.code


@click.command(
    "ack",
    cls=Command,
    examples=[
        ("Let the next reload put it into force", "hyperjobs config ack new.yaml --yes"),
    ],
)
@click.argument("file", type=UnicodeText(), required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option("One line of JSON.")
@verbose_option
@click.pass_context
def ack_command(context: click.Context, *, file: str | None, yes: bool, as_json: bool) -> int:
    """Acknowledge what a configuration would delete, so that the next reload puts it into force.

    It holds for exactly this configuration of maintenance, for one reload, for an hour. FILE is by default the usual one.
    """
    config = _load(file)
    with Stop() as stop, _acknowledgements(context, config) as known:
        effect = _effect(context, config, known, stop)
        stop.keep_on()  # nobody acknowledges what was not counted to its end
        if not yes:
            ask(f"{printable(effect.text() or 'nothing more would be deleted')}; acknowledge? [y/N] ")
        until = known.give(effect.digest, by=person(), now=setting_of(context).clock.now())
        if as_json:
            emit_json({**effect.shape(), "until": write_instant(until)})
        else:
            emit(
                f"configuration {effect.digest[:12]} is acknowledged until {until:%Y-%m-%dT%H:%M:%SZ}; reload the agent"
            )
    return stop.code


def _load(file: str | None) -> Config:
    from hyperjobs.config import load_config  # noqa: PLC0415 - pydantic only where a configuration is read

    return load_config(Path(file) if file else None, environ=os.environ, require_store=True)


@contextlib.contextmanager
def _acknowledgements(context: click.Context, config: Config) -> Iterator[Acknowledgements]:
    from hyperjobs.cli.task import become_owner_of  # noqa: PLC0415 - maintenance only where it is done
    from hyperjobs.store.acknowledgement import Acknowledgements  # noqa: PLC0415 - as above
    from hyperjobs.store.state import StateFile  # noqa: PLC0415 - as above

    become_owner_of(config.store.state_dir)
    state = StateFile(config.store.state_dir, _store(config), clock=setting_of(context).clock, may_replace=False)
    try:
        yield Acknowledgements(state)
    finally:
        state.close()


def _effect(context: click.Context, config: Config, known: Acknowledgements, stop: Stop) -> Effect:
    from hyperjobs.agent.effect import effect_of  # noqa: PLC0415 - maintenance only where it is done
    from hyperjobs.agent.gate import bounded_turn  # noqa: PLC0415 - as above
    from hyperjobs.agent.options import usual_archives  # noqa: PLC0415 - as above

    turn = bounded_turn(setting_of(context).clock, stop.is_set)
    archives = usual_archives(config.store.state_dir)
    return effect_of(_store(config), _in_force(known), config.maintenance, turn, archives=archives)


def _in_force(known: Acknowledgements) -> Maintenance:
    """What the agent went by last, whatever its file says now; where none ran, the defaults, which prune nothing."""
    from pydantic import ValidationError  # noqa: PLC0415 - as below

    from hyperjobs.config import Maintenance  # noqa: PLC0415 - pydantic only where a configuration is read

    text = known.in_force
    if text is None:
        return Maintenance()
    try:
        return Maintenance.model_validate(json.loads(text))
    except ValidationError as exc:
        raise ConfigError(
            "the agent in force is of another version, so nothing can be compared with it; restart the agent first"
        ) from exc


def _store(config: Config) -> Path:
    return Path(os.path.realpath(config.store.path or ""))
