"""``hyperjobs backup prune``: the backups that retention lets go, those that do not count, and those elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.ask import ask
from hyperjobs.cli.backup_setting import directory_option, settings
from hyperjobs.cli.command import Command
from hyperjobs.cli.destination import configured_destination, destination_option
from hyperjobs.cli.event import record_event
from hyperjobs.cli.keep_option import Keep, keep_options
from hyperjobs.cli.moment import show_age
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import json_option, setting_of, verbose_option
from hyperjobs.cli.show import show_bytes
from hyperjobs.cli.stderr import note
from hyperjobs.cli.stop import Stop
from hyperjobs.cli.table import Column, emit_json, emit_rows
from hyperjobs.cli.timetable import view_at
from hyperjobs.errors import StoreRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from hyperjobs.maintenance.backup.manifest import Manifest
    from hyperjobs.maintenance.backup.retention import Decision
    from hyperjobs.maintenance.backup.rotation import Rotation


@click.command(
    "prune",
    cls=Command,
    examples=[
        ("What would go, and why the rest stays", "hyperjobs backup prune --dry-run"),
        (
            "By other rules than those of the configuration",
            "hyperjobs backup prune --keep-daily 7 --keep-weekly 4 --dry-run",
        ),
    ],
)
@keep_options
@click.option(
    "--damaged",
    is_flag=True,
    help="Delete the store's own damaged and failed backups instead, each once --minimum verified ones are newer. Refused while the store is frozen.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go and why the rest stays, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option("JSON Lines, one for each backup that is looked at.")
@destination_option
@directory_option
@store_options
@verbose_option
@click.pass_context
def prune_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    keep: Keep,
    damaged: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    destination: str | None,
    directory: str | None,
    place: StorePlace,
) -> int:
    """Delete the store's verified backups that no rule keeps.

    The newest is proven again before the first goes. Backups of other stores and hosts, pinned ones, and those that do
    not count are left alone; --damaged deletes just these last, when at least the minimum of verified ones is newer.
    """
    if destination is not None and (directory is not None or damaged):
        raise click.UsageError("--from names a destination: it goes with neither --dir nor --damaged")
    started_at = setting_of(context).clock.now()
    if destination is None:
        where, turn = _here(context, place, keep, directory, damaged=damaged)
    else:
        where, turn = _there(context, place, keep, destination)
    plan = turn(is_dry=True)
    if not as_json or dry_run:
        show_decisions(plan.decisions, as_json=as_json, now=started_at)
    if plan.refused:
        raise _refused(where, plan)
    if dry_run or not plan.deleted:
        return 0
    if not yes:
        size = f", {show_bytes(plan.freed_bytes)}" if plan.freed_bytes else ""
        ask(f"delete {len(plan.deleted)} backups{size}? [y/N] ")
    done: Rotation | None = None
    with Stop() as stop:
        done = turn(keep_on=stop.keep_on)
        if done.refused:
            raise _refused(where, done)
    if done is None:  # a stop: what is gone is what would not go now
        left = turn(is_dry=True).deleted
        gone = [str(name) for name in plan.deleted if name not in left]
        said = f"{where}: stopped with {len(gone)} of {len(plan.deleted)} backups deleted"
        detail: dict[str, Any] = {"deleted": gone, "place": where}
        record_event(context, place, "backup-prune", said, started_at=started_at, detail=detail, outcome="interrupted")
        return stop.code
    size = f", {show_bytes(done.freed_bytes)}" if done.freed_bytes else ""
    said = f"deleted {len(done.deleted)} backups{size}"
    detail = {"deleted": [str(name) for name in done.deleted], "place": where, "freed_bytes": done.freed_bytes}
    # first, for a pipe that nobody reads ends the process
    record_event(context, place, "backup-prune", f"{where}: {said}", started_at=started_at, detail=detail)
    if as_json:
        show_decisions(done.decisions, as_json=True, now=started_at)
    else:
        note(said)
    return stop.code


def _here(
    context: click.Context, place: StorePlace, keep: Keep, directory: str | None, *, damaged: bool
) -> tuple[str, Callable[..., Rotation]]:
    """The directory, and one look at it, or the deed; each by what holds then: an answer may come hours after its question."""
    from hyperjobs.maintenance.backup.damaged import remove_damaged  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.rotation import rotate  # noqa: PLC0415 - as above

    store, found = place.find(), settings(place, directory)
    backups = found.open()

    def turn(**options: Any) -> Rotation:
        is_ok, is_held = _standing(context, place)
        common: dict[str, Any] = {
            "minimum": keep.least(found),
            "now": setting_of(context).clock.now(),
            "host": found.host,
        }
        if damaged:
            return remove_damaged(backups, store, is_frozen=is_held, **common, **options)
        policy = keep.policy(found)
        return rotate(backups, store, policy, newest_run_ok=is_ok, is_frozen=is_held, **common, **options)

    return str(backups.path), turn


def _there(
    context: click.Context, place: StorePlace, keep: Keep, destination: str
) -> tuple[str, Callable[..., Rotation]]:
    """The same of a destination."""
    from hyperjobs.maintenance.backup.catalogue import read_catalogue  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.destination.protocol import go_on  # noqa: PLC0415 - as above
    from hyperjobs.maintenance.backup.destination.rotation import rotate_destination  # noqa: PLC0415 - as above
    from hyperjobs.maintenance.backup.name import BackupName  # noqa: PLC0415 - as above
    from hyperjobs.maintenance.backup.retention import Decision, check_policy, decide  # noqa: PLC0415 - as above
    from hyperjobs.maintenance.backup.rotation import Rotation  # noqa: PLC0415 - as above

    store, found = place.find(), settings(place, None)
    there = configured_destination(place, destination)
    policy, minimum = keep.policy(found), keep.least(found)
    check_policy(policy, minimum)

    def turn(*, is_dry: bool = False, keep_on: Callable[[], None] = go_on) -> Rotation:
        is_ok, is_held = _standing(context, place)
        reasons: dict[str, tuple[str, ...]] = {}
        pinned = [entry.name for entry in read_catalogue(found.directory, store) if entry.is_pinned]

        def stays(manifests: list[Manifest]) -> set[str]:
            names = [name for name in (BackupName.parse(each.name) for each in manifests) if name is not None]
            own = [name for name in pinned if name in names]
            now = setting_of(context).clock.now()
            decisions = decide(names, policy, minimum=minimum, now=now, pinned=own)
            reasons.update({str(decision.name): decision.reasons for decision in decisions})
            return {str(decision.name) for decision in decisions if decision.stays}

        refused = "" if is_ok else "the newest run failed; nothing is deleted until one succeeds"
        refused = "the store is frozen; unfreeze it first" if is_held else refused
        is_dry = is_dry or bool(refused)
        done = rotate_destination(there, stays, minimum, keep_on, source=store, host=found.host, is_dry=is_dry)
        decisions = [
            Decision(name, reasons.get(text) or ("minimum",) * (text in done.kept))
            for text, name in ((text, BackupName.parse(text)) for text in (*done.kept, *done.deleted))
            if name is not None
        ]
        gone = [] if refused else [decision.name for decision in decisions if not decision.stays]
        newest_first = sorted(decisions, key=lambda decision: decision.name, reverse=True)
        return Rotation(decisions=tuple(newest_first), deleted=tuple(sorted(gone)), refused=refused)

    return there.place, turn


def _standing(context: click.Context, place: StorePlace) -> tuple[bool, bool]:
    """Whether the newest backup is a good one, and whether anything is held."""
    from hyperjobs.cli.task import workshop  # noqa: PLC0415 - maintenance only where it is done

    with workshop(context, place) as shop:
        last = shop.runs.last_ended("backup")
        is_held = bool(shop.holds.frozen() or shop.holds.distrusted())
    return last is None or last.outcome != "failed", is_held


def _refused(where: str, rotation: Rotation) -> StoreRefusedError:
    return StoreRefusedError(f"{where}: nothing may be deleted: {rotation.refused}", reason="retention")


def _action(decision: Decision) -> str:
    return "keep" if decision.stays else "delete"


_TABLE: Sequence[Column[Decision]] = (
    Column("ACTION", lambda each, _: _action(each), lambda each: "" if each.stays else "bold red"),
    Column("BACKUP", lambda each, _: str(each.name), is_whole=True),
    Column("AGE", lambda each, view: show_age(each.name.at, now=view.now), is_number=True),
    Column("WHY", lambda each, _: ", ".join(each.reasons) or "-", width=12),
)


def show_decisions(decisions: Sequence[Decision], *, as_json: bool, now: datetime) -> None:
    """One line for each backup, newest first: whether it stays, its name, and why."""
    if as_json:
        for decision in decisions:
            emit_json({"action": _action(decision), "name": str(decision.name), "reasons": list(decision.reasons)})
        return
    emit_rows(
        _TABLE,
        decisions,
        view_at(now, as_json=False),
        lambda each: (_action(each), each.name, ",".join(each.reasons)),
        nothing="no backups",
    )
