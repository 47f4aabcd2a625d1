"""``hyperjobs audit verify`` and ``audit show``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperjobs.cli import offer
from hyperjobs.cli.argument import UnicodeText
from hyperjobs.cli.command import Command
from hyperjobs.cli.lazy import LazyGroup
from hyperjobs.cli.moment import Moment, write_instant
from hyperjobs.cli.place import StorePlace, store_options
from hyperjobs.cli.setting import json_option, verbose_option
from hyperjobs.cli.table import emit, emit_json, emit_values
from hyperjobs.cli.text import printable
from hyperjobs.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from datetime import datetime

    from hyperjobs.cli.shapes.transfer import AuditShape
    from hyperjobs.maintenance.audit.line import Line
    from hyperjobs.maintenance.audit.verify import Verdict
    from hyperjobs.store.ledger.outbox import Anchor

DAMAGED = 3
_HEAD = re.compile(r"[1-9]\d{0,17}:[0-9a-f]{64}")


@click.group(
    "audit",
    cls=LazyGroup,
    examples=[
        ("Prove the whole log of the configuration", "hyperjobs audit verify"),
    ],
    places={
        "verify": ("hyperjobs.cli.audit:verify_command", "Prove that no line of the audit log was touched."),
        "show": ("hyperjobs.cli.audit:show_command", "List what the audit log holds, oldest first."),
    },
)
def audit_group() -> None:
    """Prove and read the audit log, which the agent writes when audit.path is set."""


@click.command(
    "verify",
    cls=Command,
    examples=[
        ("Prove the whole log of the configuration", "hyperjobs audit verify"),
    ],
)
@click.argument("path", required=False, metavar="[PATH]")
@click.option(
    "--key-file", metavar="FILE", help="The key of its codes; by default audit.key_file of the configuration."
)
@click.option(
    "--head", metavar="NUMBER:HASH", default="", help="A line that must be there, as an earlier verify gave it."
)
@click.option(
    "--no-store",
    is_flag=True,
    help="Do not compare its ends with what the store remembers. A PATH that is not audit.path is compared with a store that --store names, and else with none.",
)
@json_option("One line of JSON.")
@store_options
@verbose_option
def verify_command(  # noqa: PLR0913 - one for each option
    *, path: str | None, key_file: str | None, head: str, no_store: bool, as_json: bool, place: StorePlace
) -> int:
    """Prove that no line of the audit log was altered, removed, put in, moved or cut off.

    The store remembers the last line written and the oldest one kept; without it, and without --head, lines cut off at
    the end cannot be told.
    """
    from hyperjobs.maintenance.audit.files import read_key  # noqa: PLC0415 - only where it is read
    from hyperjobs.maintenance.audit.verify import verify_log  # noqa: PLC0415 - as above

    if head and not _HEAD.fullmatch(head):
        raise click.UsageError("--head is NUMBER:HASH, as 'hyperjobs audit verify' gives it")
    where, key_path, is_configured = _where(path, key_file, place)
    # a log from elsewhere is not what the store of here remembers, unless somebody says so
    anchor = _anchor(place) if not no_store and (is_configured or place.store is not None) else None
    verdict = verify_log(where, key=read_key(key_path), anchor=anchor, head=head)
    if as_json:
        emit_json(_shape(where, verdict))
    else:
        for fault in verdict.faults:
            at = f":{fault.line}" if fault.line else ""
            emit(f"{printable(str(fault.path))}{at}: {fault.message}")
        emit(_said(where, verdict))
    return 0 if verdict.is_whole else DAMAGED


@click.command(
    "show",
    cls=Command,
    examples=[
        ("The changes of one job", "hyperjobs audit show --job migration-20261122-01506"),
        ("The changes of the last hour, as the log has them", "hyperjobs audit show --since 1h --json"),
    ],
)
@click.argument("path", required=False, metavar="[PATH]")
@click.option(
    "--job", type=UnicodeText(), metavar="ID", shell_complete=offer.job_ids(), help="Only changes of this job."
)
@click.option("--since", type=Moment(), metavar="WHEN", help="Only changes written then or later.")
@click.option("--until", type=Moment(), metavar="WHEN", help="Only changes written before then.")
@click.option("--utc", is_flag=True, is_eager=True, help="Read times in UTC, not in the local zone.")
@json_option("JSON Lines: each line as the log has it.")
@store_options
@verbose_option
def show_command(  # noqa: PLR0913 - one for each option
    *,
    path: str | None,
    job: str | None,
    since: datetime | None,
    until: datetime | None,
    utc: bool,  # noqa: ARG001 - heeded where moments are read
    as_json: bool,
    place: StorePlace,
) -> None:
    """List what the audit log holds, oldest first: number, time, job, provider, old and new status, source.

    It does not prove the log: 'hyperjobs audit verify' does.
    """
    from hyperjobs.maintenance.audit.line import parse_line  # noqa: PLC0415 - only where it is read
    from hyperjobs.maintenance.audit.verify import read_log  # noqa: PLC0415 - as above

    where, _, _ = _where(path, None, place)
    since_s = since.timestamp() if since else float("-inf")
    until_s = until.timestamp() if until else float("inf")
    for _, _, raw in read_log(where):
        line = parse_line(raw)
        if line is None or (job is not None and line.entry.job_id != job) or not since_s <= line.entry.at < until_s:
            continue
        if as_json:
            emit(raw.decode().rstrip("\n"))
        else:
            emit_values(_values(line))


def _values(line: Line) -> tuple[object, ...]:
    from datetime import UTC, datetime  # noqa: PLC0415 - only here

    at, entry = write_instant(datetime.fromtimestamp(line.entry.at, UTC)), line.entry
    return (line.number, at, entry.job_id, entry.provider, entry.old, entry.new, entry.source)


def _where(path: str | None, key_file: str | None, place: StorePlace) -> tuple[Path, Path | None, bool]:
    """The log, and the file of its key: those named, else the configuration's; and whether the log is that one's."""
    config = None
    try:
        config = place.load()
    except ConfigError:
        if path is None:
            raise
    if path is None:
        found = config.audit.path if config is not None else None
        if found is None:
            raise ConfigError("audit.path is not set, so there is no audit log; set it, or name a log")
        path = str(found)
    ours = config.audit.path if config is not None else None
    is_configured = ours is not None and ours.resolve() == Path(path).resolve()
    key = Path(key_file) if key_file else config.audit.key_file if config is not None and is_configured else None
    return Path(path), key, is_configured


def _anchor(place: StorePlace) -> Anchor | None:
    """What the store remembers; nothing when there is none to ask."""
    from hyperjobs.store.connection import Connection  # noqa: PLC0415 - SQLite only where a store is read
    from hyperjobs.store.ledger.outbox import read_anchor  # noqa: PLC0415 - as above

    try:
        connection = Connection(place.find(), read_only=True)
    except StoreError:
        return None
    try:
        return connection.read(read_anchor)
    finally:
        connection.close()


def _said(where: Path, verdict: Verdict) -> str:
    name = printable(str(where))
    if not verdict.is_whole:
        more = " and more" if verdict.is_cut_short else ""
        return f"{name}: DAMAGED, {len(verdict.faults)} faults{more} in {verdict.lines:,} lines"
    ends = "" if verdict.is_anchored else "; its end is not proven: name the store, or --head"
    wait = f"; {verdict.waiting:,} changes wait to be written" if verdict.waiting else ""
    head = f"{verdict.last}:{verdict.digest}"
    return (
        f"{name}: whole, lines {verdict.first:,} to {verdict.last:,} in {verdict.files} files, head {head}{ends}{wait}"
    )


def _shape(where: Path, verdict: Verdict) -> AuditShape:
    return {
        "path": str(where),
        "whole": verdict.is_whole,
        "anchored": verdict.is_anchored,
        "files": verdict.files,
        "lines": verdict.lines,
        "first": verdict.first,
        "last": verdict.last,
        "head": f"{verdict.last}:{verdict.digest}",
        "waiting": verdict.waiting,
        "faults": [{"path": str(each.path), "line": each.line, "message": each.message} for each in verdict.faults],
        "more": verdict.is_cut_short,
    }
