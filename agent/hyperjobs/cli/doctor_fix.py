"""``hyperjobs doctor --fix`` and ``--undo``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.ask import ask
from hyperjobs.cli.event import add_event, recording
from hyperjobs.cli.lazy import nearest
from hyperjobs.cli.stop import Progress, Stop
from hyperjobs.cli.table import emit, emit_json
from hyperjobs.cli.task import run_once, workshop
from hyperjobs.cli.text import printable
from hyperjobs.errors import StoreRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hyperjobs.agent.workshop import Workshop
    from hyperjobs.cli.place import StorePlace
    from hyperjobs.cli.shapes.doctor import FixShape
    from hyperjobs.doctor.fix import Fixed, Plan


def fix_rows(  # noqa: PLR0913 - one for each option
    context: click.Context, place: StorePlace, kinds: Sequence[str], *, is_dry: bool, yes: bool, as_json: bool
) -> int:
    """Mend the rows that have one right answer, after a backup; give the exit code."""
    from hyperjobs.agent.options import fixes  # noqa: PLC0415 - pydantic only where it is read
    from hyperjobs.doctor.fix import Fixed, fix, plan_fix, unknown_kinds  # noqa: PLC0415 - only where it is done
    from hyperjobs.store.mend import KINDS  # noqa: PLC0415 - as above

    for word in unknown_kinds(kinds):
        hint = nearest(word, KINDS)
        raise click.BadParameter(f"there is no kind {word!r}; known: {', '.join(KINDS)}{hint}", param_hint="--only")
    only = set(kinds) or set(KINDS)
    with workshop(context, place) as shop, Stop() as stop:
        progress = Progress(shop.clock)
        turn = stop.turn(shop.clock, progress, is_dry=is_dry)
        try:
            plan = plan_fix(shop.store, only, turn)
        finally:
            progress.end()
        if is_dry or not plan.rows:
            _show_plan(plan, as_json=as_json)
            return stop.code
        shop.holds.require_unfrozen(shop.store)  # rows of a store in doubt are not to be touched
        if not yes:
            if not as_json:
                _show_plan(plan, as_json=False)
            ask(f"{printable(str(shop.store))}: mend {plan.rows:,} rows, after a backup? [y/N] ")
        backup = _back_up(shop, stop)
        started_at, fixed, outcome = shop.clock.now(), Fixed(""), "interrupted"
        try:
            images, keep = fixes(shop.config)
            fix(shop.store, images, plan, only=only, turn=turn, keep=keep, fixed=fixed)
            outcome = "ok"
        finally:
            progress.end()
            if fixed.rows or outcome == "ok":
                _record(shop, "fix", fixed, started_at, backup=backup, outcome=outcome)
        if as_json:
            emit_json(_told(fixed, is_dry=False, backup=backup))
        else:
            emit(f"{_said('fix', fixed)}; the backup before it is {printable(backup)}")
            emit(f"'hyperjobs doctor --undo {printable(fixed.run)}' puts them back as they were")
    return stop.code


def undo_rows(  # noqa: PLR0913 - as above
    context: click.Context, place: StorePlace, run: str, *, is_dry: bool, yes: bool, as_json: bool
) -> int:
    """Put the rows of a fix back; give the exit code."""
    from hyperjobs.agent.options import fixes  # noqa: PLC0415 - pydantic only where it is read
    from hyperjobs.doctor.fix import undo_fix  # noqa: PLC0415 - only where it is done

    with workshop(context, place) as shop, Stop() as stop:
        progress = Progress(shop.clock)
        if not (is_dry or yes):
            ask(f"{printable(str(shop.store))}: put the rows of {printable(run)} back as they were? [y/N] ")
        started_at = shop.clock.now()
        try:
            undone = undo_fix(shop.store, fixes(shop.config)[0], run, stop.turn(shop.clock, progress, is_dry=is_dry))
        finally:
            progress.end()
        if not is_dry:
            _record(shop, "fix-undo", undone, started_at)
        if as_json:
            emit_json(_told(undone, is_dry=is_dry))
        elif is_dry:
            emit(f"{printable(undone.run)}: would put {undone.rows:,} rows back, but those that were written since")
        else:
            emit(_said("fix-undo", undone))
    return stop.code


def _back_up(shop: Workshop, stop: Stop) -> str:
    """Take a verified backup; its name.

    Raises:
        StoreRefusedError: there is none.
        HyperjobsError: it could not be taken.
    """
    finished = run_once(shop, shop.task("backup", is_rotating=False), stop)
    if finished.error is not None:
        raise finished.error
    name = finished.run.detail.get("name")
    if name is None:
        raise StoreRefusedError(f"{shop.store}: no backup was taken: {finished.run.summary}; nothing was mended")
    return str(name)


def _record(  # noqa: PLR0913 - what a record is made of
    shop: Workshop, task: str, fixed: Fixed, started_at: datetime, *, backup: str = "", outcome: str = "ok"
) -> None:
    detail: dict[str, Any] = _fixed_shape(fixed) | ({"backup": backup} if backup else {})
    with recording():
        add_event(shop, task, _said(task, fixed), started_at=started_at, detail=detail, outcome=outcome)


def _said(task: str, fixed: Fixed) -> str:
    done = "mended" if task == "fix" else "put back as they were"
    left = f"; {fixed.left:,} were written meanwhile and left alone" if fixed.left else ""
    return f"{printable(fixed.run)}: {fixed.rows:,} rows {done}{left}"


def _fixed_shape(fixed: Fixed) -> dict[str, Any]:
    return {"run": fixed.run, "rows": fixed.rows, "left": fixed.left, "kinds": dict(fixed.kinds)}


def _told(fixed: Fixed, *, is_dry: bool, backup: str | None = None) -> FixShape:
    return {
        "dry_run": is_dry,
        "run": fixed.run,
        "rows": fixed.rows,
        "left": fixed.left,
        "kinds": dict(fixed.kinds),
        "backup": backup,
        "examples": None,
        "unended": None,
    }


def _show_plan(plan: Plan, *, as_json: bool) -> None:
    from hyperjobs.store.mend import KINDS  # noqa: PLC0415 - only where it is done

    if as_json:
        examples: dict[str, Any] = {kind: asdict(example) for kind, example in plan.examples.items()}
        plain: FixShape = {
            "dry_run": True,
            "run": None,
            "rows": plan.rows,
            "left": None,
            "kinds": dict(plan.kinds),
            "backup": None,
            "examples": examples,
            "unended": plan.unended,
        }
        emit_json(plain)
        return
    for kind, rows in sorted(plan.kinds.items()):
        example = plan.examples[kind]
        emit(f"{kind}: {rows:,} rows: {KINDS[kind]}")
        emit(printable(f"  {example.job_id}: {example.column} {example.before} -> {example.after}"))
    if plan.unended:
        emit(
            f"{plan.unended:,} finished jobs have no completed_at, and nothing tells when they ended: they stay as they are"
        )
    if not plan.rows:
        emit("nothing to mend")
