"""``hyperjobs doctor``."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.command import Command
from hyperjobs.cli.lazy import nearest
from hyperjobs.cli.place import USUAL_PLACES, StorePlace, store_options
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.table import emit, emit_json, emit_values
from hyperjobs.cli.text import printable
from hyperjobs.errors import ConfigError, HyperjobsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperjobs.cli.shapes.doctor import FindingShape
    from hyperjobs.config import Config
    from hyperjobs.doctor.case import Case
    from hyperjobs.doctor.finding import Finding

_FIND_S = 2.0
_LOOK_S = 1.0
_WATCH_S = 5.0
_ALL_S = 9.0
_STYLES = {"failed": "bold red", "warning": "yellow", "skipped": "dim", "ok": "green"}


@click.command(
    "doctor",
    cls=Command,
    examples=[
        ("What is wrong, and what to do", "hyperjobs doctor"),
        ("Who holds the lock", "hyperjobs doctor --only lock"),
        ("Which rows could be mended", "hyperjobs doctor --fix --dry-run"),
    ],
)
@click.option(
    "--only",
    "names",
    multiple=True,
    metavar="NAME",
    type=UnicodeText(),
    shell_complete=offer.checks,
    help="This check alone, or with --fix this kind; may be repeated.",
)
@click.option("--full", is_flag=True, help="The long checks too, however long they take.")
@click.option(
    "--fix",
    "is_fix",
    is_flag=True,
    help="Mend the rows that have one right answer, after a backup; see --dry-run first.",
)
@click.option(
    "--undo",
    metavar="RUN",
    type=UnicodeText(),
    shell_complete=offer.fixes,
    help="Put the rows of a fix back as they were, or those of the 'latest'.",
)
@click.option("--dry-run", "is_dry", is_flag=True, help="With --fix or --undo: say what would be done, change nothing.")
@click.option("--yes", is_flag=True, help="With --fix or --undo: do not ask.")
@click.option(
    "--user",
    metavar="NAME",
    default="",
    help="Look at files as this user; as root, by default the one who owns store.state_dir.",
)
@json_option("JSON Lines, one for each finding.")
@store_options
@verbose_option
@click.pass_context
def doctor_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    names: tuple[str, ...],
    full: bool,
    is_fix: bool,
    undo: str | None,
    is_dry: bool,
    yes: bool,
    user: str,
    as_json: bool,
    place: StorePlace,
) -> int:
    """Say what is wrong with the store and its host, and what to do about it.

    Without --fix nothing is changed, and no writer waits. It takes seconds also where something hangs. Exit code 0 when nothing failed,
    3 damage, 4 locked, 5 no space, 6 refused, 7 no store, 1 anything else.
    """
    from hyperjobs.cli.doctor_fix import fix_rows, undo_rows  # noqa: PLC0415 - maintenance only where it is done

    if is_fix or undo is not None:
        if is_fix and undo is not None:
            raise click.UsageError("--fix mends, --undo takes that back: give one of them")
        if full or user or (undo is not None and names):
            raise click.UsageError("--full, --user and, beside --undo, --only are for checks: leave them out")
        if undo is not None:
            return undo_rows(context, place, undo, is_dry=is_dry, yes=yes, as_json=as_json)
        return fix_rows(context, place, names, is_dry=is_dry, yes=yes, as_json=as_json)
    if is_dry or yes:
        raise click.UsageError("--dry-run and --yes go with --fix or --undo; a check changes nothing")
    return _examine(context, place, names, is_full=full, user=user, as_json=as_json)


def _examine(  # noqa: PLR0913 - as above
    context: click.Context, place: StorePlace, names: Sequence[str], *, is_full: bool, user: str, as_json: bool
) -> int:
    from hyperjobs.doctor.finding import exit_code  # noqa: PLC0415 - maintenance only where it is looked at
    from hyperjobs.doctor.registry import FIRST, OTHERS  # noqa: PLC0415 - as above
    from hyperjobs.doctor.round import is_any_left, visit  # noqa: PLC0415 - as above

    chosen = [check for check in OTHERS if not names or check.name in names]
    _require_known(names, [FIRST.name, *(check.name for check in OTHERS)])
    case = _case(context, place, is_full=is_full, user=user)
    try:
        findings = [each for found in visit(case, FIRST, chosen) for each in found]
    finally:
        if case.look is not None:
            case.look.end()
    if names and FIRST.name not in names:
        findings = [each for each in findings if each.check != FIRST.name or each.level == "failed"]
    _show(findings, as_json=as_json)
    code = exit_code(findings)
    if is_any_left():
        sys.stdout.flush()
        os._exit(code)  # a check that hangs would keep the process
    return code


def _require_known(names: Sequence[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            hint = nearest(name, dict.fromkeys(known))
            raise click.BadParameter(
                f"there is no check {name!r}; known: {', '.join(known)}{hint}", param_hint="--only"
            )


def _case(context: click.Context, place: StorePlace, *, is_full: bool, user: str) -> Case:
    """What is to be looked at, found out within seconds; what cannot be is a finding and no error."""
    from time import monotonic  # noqa: PLC0415 - beside the rest

    from hyperjobs.doctor.case import Case  # noqa: PLC0415 - maintenance only where it is looked at
    from hyperjobs.doctor.outlook import start  # noqa: PLC0415 - as above
    from hyperjobs.doctor.round import bounded  # noqa: PLC0415 - as above
    from hyperjobs.store.mount import set_allowed  # noqa: PLC0415 - as above

    began_s = monotonic()
    config, problem = _config(place)
    path = Path(USUAL_PLACES[0])
    trouble: HyperjobsError | None = None
    try:
        path = bounded(lambda: Path(os.path.realpath(place.find())), _FIND_S)
    except ConfigError as exc:
        problem = problem or str(exc)
        trouble = exc
    except HyperjobsError as exc:
        trouble = exc
    case = Case(
        path=path,
        config=config,
        clock=setting_of(context).clock,
        environ=os.environ,
        config_problem=problem,
        user=user,
        is_full=is_full,
        trouble=trouble,
        until_s=math.inf if is_full else began_s + _ALL_S,
        watch_s=min(_WATCH_S, config.store.busy_timeout.total_seconds()),
    )
    if trouble is None:
        set_allowed(path, is_allowed=case.allows_network)
        look = start(path, _of_store(config, path), user or _owner(config.store.state_dir))
        case.look = look
        case.outlook = look.outlook(monotonic() + _LOOK_S)
    return case


def _config(place: StorePlace) -> tuple[Config, str]:
    """The configuration, or the defaults and why it cannot be used."""
    from hyperjobs.config import Config  # noqa: PLC0415 - pydantic only where a configuration is read
    from hyperjobs.config.usual import default_backups, default_state_dir  # noqa: PLC0415 - as above

    try:
        return place.load(), ""
    except ConfigError as exc:
        plain = Config()
        backup = plain.maintenance.backup.model_copy(update={"directory": default_backups(os.environ)})
        maintenance = plain.maintenance.model_copy(update={"backup": backup})
        store = plain.store.model_copy(update={"state_dir": default_state_dir(os.environ)})
        return plain.model_copy(update={"maintenance": maintenance, "store": store}), str(exc)


def _of_store(config: Config, path: Path) -> Config:
    return config.model_copy(update={"store": config.store.model_copy(update={"path": path})})


def _owner(state_dir: Path) -> str:
    """As whom the agent runs, which is who owns its state; empty for who asks, unless that is root."""
    import pwd  # noqa: PLC0415 - only here

    if os.geteuid() != 0:
        return ""
    try:
        return pwd.getpwuid(state_dir.stat().st_uid).pw_name
    except (OSError, KeyError):
        return ""


def _show(findings: Sequence[Finding], *, as_json: bool) -> None:
    from hyperjobs.doctor.finding import ORDER  # noqa: PLC0415 - as above

    ordered = sorted(findings, key=lambda each: ORDER.index(each.level))
    if as_json:
        for each in ordered:
            emit_json(_shape(each))
    elif not sys.stdout.isatty():
        for each in ordered:
            emit_values((each.level, each.check, each.message, each.remedy))
    else:
        _tell(ordered)
        emit(", ".join(f"{sum(each.level is level for each in findings)} {level}" for level in ORDER))


def _tell(findings: Sequence[Finding]) -> None:
    """For a person: one finding below the other, its remedy under it."""
    from rich.table import Table  # noqa: PLC0415 - only where a person looks
    from rich.text import Text  # noqa: PLC0415 - as above

    from hyperjobs.cli.table import emit_rich, new_console  # noqa: PLC0415 - as above

    table = Table.grid(padding=(0, 1, 0, 0))
    for no_wrap in (True, True, False):
        table.add_column(no_wrap=no_wrap, overflow="fold")
    for each in findings:
        words = [each.message, *map(str, each.detail.get("messages", [])[1:])]
        text = Text("\n".join(map(printable, words)))
        if each.remedy:
            text.append(f"\n→ {printable(each.remedy)}", style="cyan")
        table.add_row(Text(str(each.level), style=_STYLES[each.level]), Text(each.check, style="bold"), text)
    emit_rich(new_console(), table)


def _shape(finding: Finding) -> FindingShape:
    return {
        "check": finding.check,
        "level": finding.level.value,
        "message": finding.message,
        "remedy": finding.remedy,
        "exit_code": finding.code,
        "detail": dict(finding.detail),
        "seconds": finding.seconds,
    }
