"""``hyperjobs backup pin|unpin|prune``: what stays, and what goes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.ask import ask
from hyperjobs.cli.backup_setting import directory_option, settings, store_of
from hyperjobs.cli.keep_option import Keep, keep_options
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import setting_of, verbose_option
from hyperjobs.cli.show import show_bytes
from hyperjobs.cli.stop import Stop
from hyperjobs.cli.table import emit, emit_json, emit_values
from hyperjobs.cli.text import printable
from hyperjobs.errors import StoreRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperjobs.maintenance.backup.directory import BackupDirectory
    from hyperjobs.maintenance.backup.retention import Decision
    from hyperjobs.maintenance.backup.rotation import Rotation


@click.command("pin")
@click.argument("backup", type=UnicodeText())
@click.option("--reason", default="", help="Why; shown by 'backup show'.")
@directory_option
@store_options
@verbose_option
@click.pass_context
def pin_command(context: click.Context, *, backup: str, reason: str, directory: str | None, place: StorePlace) -> None:
    """Keep a backup whatever retention says, until it is unpinned."""
    from hyperjobs.maintenance.backup.choice import choose  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.mark import pin  # noqa: PLC0415 - as above

    backups = settings(place, directory).open()
    choose(backups.path, store_of(place, directory), backup)
    with backups.locked():
        # again: retention may have deleted it while the lock was another's
        name = choose(backups.path, store_of(place, directory), backup).name
        pin(backups.path, name, reason=reason, now=setting_of(context).clock.now())
    emit(f"{printable(str(backups.path / str(name)))}: pinned")


@click.command("unpin")
@click.argument("backup", type=UnicodeText())
@directory_option
@store_options
@verbose_option
def unpin_command(*, backup: str, directory: str | None, place: StorePlace) -> None:
    """Leave a backup to retention again."""
    from hyperjobs.maintenance.backup.choice import choose  # noqa: PLC0415 - SQLite only where it is used
    from hyperjobs.maintenance.backup.mark import unpin  # noqa: PLC0415 - as above

    backups = settings(place, directory).open()
    choose(backups.path, store_of(place, directory), backup)
    with backups.locked():
        name = choose(backups.path, store_of(place, directory), backup).name  # again, as for pin
        was_pinned = unpin(backups.path, name)
    emit(f"{printable(str(backups.path / str(name)))}: {'unpinned' if was_pinned else 'was not pinned'}")


@click.command("prune")
@keep_options
@click.option("--dry-run", is_flag=True, help="Say what would go and why the rest stays, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines, one for each backup that counts.")
@directory_option
@store_options
@verbose_option
@click.pass_context
def prune_command(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    keep: Keep,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    directory: str | None,
    place: StorePlace,
) -> int:
    """Delete the store's verified backups that no rule keeps.

    The newest is proven again before the first goes. Backups of other stores, pinned ones, and those that do not count
    are left alone.
    """
    from hyperjobs.cli.task import workshop  # noqa: PLC0415 - maintenance only where it is done
    from hyperjobs.maintenance.backup.rotation import rotate  # noqa: PLC0415 - SQLite only where it is used

    store, found = place.find(), settings(place, directory)
    backups = found.open()

    def turn(**options: Any) -> Rotation:
        """One look, or the deed; each by what holds at that time, for an answer may come hours after its question."""
        with workshop(context, place) as shop:
            last = shop.runs.last_ended("backup")
            is_held = bool(shop.holds.frozen() or shop.holds.distrusted())
        return rotate(
            backups,
            store,
            keep.policy(found),
            minimum=keep.least(found),
            now=setting_of(context).clock.now(),
            newest_run_ok=last is None or last.outcome != "failed",
            is_frozen=is_held,
            **options,
        )

    plan = turn(is_dry=True)
    if not as_json or dry_run:
        show_decisions(plan.decisions, as_json=as_json)
    if plan.refused:
        raise _refused(backups, plan)
    if dry_run or not plan.deleted:
        return 0
    if not yes:
        ask(f"delete {len(plan.deleted)} backups, {show_bytes(plan.freed_bytes)}? [y/N] ")
    with Stop() as stop:
        done = turn(keep_on=stop.keep_on)
        if done.refused:
            raise _refused(backups, done)
        if as_json:
            show_decisions(done.decisions, as_json=True)
        else:
            sys.stderr.write(f"deleted {len(done.deleted)} backups, {show_bytes(done.freed_bytes)}\n")
    return stop.code


def _refused(backups: BackupDirectory, rotation: Rotation) -> StoreRefusedError:
    return StoreRefusedError(f"{backups.path}: nothing may be deleted: {rotation.refused}", reason="retention")


def show_decisions(decisions: Sequence[Decision], *, as_json: bool) -> None:
    """One line for each backup, newest first: whether it stays, its name, and why."""
    for decision in decisions:
        action = "keep" if decision.stays else "delete"
        if as_json:
            emit_json({"action": action, "name": str(decision.name), "reasons": list(decision.reasons)})
        else:
            emit_values((action, decision.name, ",".join(decision.reasons)))
