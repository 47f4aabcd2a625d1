"""Checks of the store's files and of the disk they lie on."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from hyperjobs.doctor.finding import NO_SPACE, REFUSED, Finding, failed, ok, skipped, warning
from hyperjobs.errors import StoreNotFoundError
from hyperjobs.maintenance.backup.create import room_needed
from hyperjobs.maintenance.restore.kept import kept_stores
from hyperjobs.maintenance.scratch import is_any_at_work
from hyperjobs.size import mebibytes
from hyperjobs.store.facts import read_store_facts
from hyperjobs.store.flavour import Flavour, recognise, require_job_store
from hyperjobs.store.holder import openers_of_removed
from hyperjobs.store.mount import OPTION, filesystem_of, network_filesystem
from hyperjobs.store.path import check_path
from hyperjobs.store.process import process_of
from hyperjobs.store.space import read_space

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hyperjobs.doctor.case import Case
    from hyperjobs.doctor.outlook import Access
    from hyperjobs.store.space import Space

_FULL_BYTES: Final = 16 * 1024 * 1024
"""With less free, a -wal at work may not fit any more."""
_FEW_INODES: Final = 100
_MUCH_FREE: Final = 0.2
_WORDS: Final = {Flavour.HYPERSDK: "hypersdk's job store", Flavour.DAEMON: "the store of hypersdk's daemon"}


def look_at_store(case: Case) -> Iterator[Finding]:
    """Open it, and say what it is."""
    if case.trouble is not None:
        raise case.trouble
    try:
        case.path = check_path(case.path, mounts=case.mounts, may_be_remote=case.allows_network)
        with case.opened(2.0) as connection:
            recognition = recognise(connection)
            require_job_store(recognition, case.path)
            facts = connection.read(read_store_facts)
    except StoreNotFoundError as exc:
        case.trouble = exc
        if removed := [pid for pid in openers_of_removed(case.path) if pid != os.getpid()]:
            who = ", ".join(process_of(pid).text() for pid in removed)
            remedy = f"do not stop it; copy the store out of /proc/{removed[0]}/fd, as docs/disaster.md says"
            yield failed(
                f"{case.path}: the store was removed, and is open still in {who}",
                remedy,
                exc.exit_code,
                open_in=removed,
            )
            return
        raise
    except Exception as exc:
        case.trouble = exc
        raise
    case.recognition, case.journal_mode = recognition, facts.journal_mode
    size = facts.pages * facts.page_size_bytes
    version = facts.schema_version or "none"
    ledger = f", ledger version {recognition.ledger_version}" if recognition.ledger_version else ""
    yield ok(
        f"{case.path}: {_WORDS[recognition.flavour]}, schema version {version}{ledger}, {mebibytes(size)}",
        path=str(case.path),
        flavour=str(recognition.flavour),
        schema_version=facts.schema_version,
        ledger_version=recognition.ledger_version,
        bytes=size,
    )


def look_at_filesystem(case: Case) -> Iterator[Finding]:
    """Whether it is one of this host's own."""
    kind = network_filesystem(case.path, mounts=case.mounts)
    found = filesystem_of(case.path, mounts=case.mounts) or "unknown"
    if kind is None:
        yield ok(f"{found}, a file system of this host", filesystem=found)
    elif case.allows_network:
        yield warning(
            f"{case.path} lies on a network file system ({kind}), which {OPTION} allows",
            "move it to a disk of this host, unless this host alone uses it",
            filesystem=kind,
        )
    else:
        yield failed(
            f"{case.path} lies on a network file system ({kind}), where two hosts overwrite each other's -wal",
            f"move it to a disk of this host; where this host alone uses it, set {OPTION}: allow",
            REFUSED,
            filesystem=kind,
        )


def look_at_permissions(case: Case) -> Iterator[Finding]:
    """Whether the agent's user may read and write what it must."""
    if case.outlook is None or not case.outlook.files:
        yield skipped("nobody could look at the files in time" if case.trouble is None else "there are no files")
        return
    store, *others = case.outlook.files
    user, found = case.outlook.user, list(_denied(case, store, others))
    own = [each for each in case.outlook.files if each.path != str(case.path.parent)]
    if store.path == str(case.path) and len({each.owner for each in own}) > 1:
        named = ", ".join(each.text() for each in own)
        found.append(
            warning(
                f"the store's files belong to different users: {named}",
                f"chown --reference={store.path} {store.path}-wal {store.path}-shm",
            )
        )
    if store.mode & stat.S_IWOTH:
        found.append(warning(f"everybody may write the store: {store.text()}", f"chmod o-w {store.path}"))
    yield from found or [ok(f"user {user} may read and write {store.text()} and its directory", user=user)]


def _denied(case: Case, store: Access, others: list[Access]) -> Iterator[Finding]:
    user = case.outlook.user if case.outlook else ""
    remedy = f"run as its owner, or give {user} access; then see 'hyperjobs doctor --user {user}'"
    if not store.can_read:
        yield failed(f"user {user} may not read {store.text()}", remedy, REFUSED)
        return
    for each in others:
        is_directory = each.path == str(case.path.parent)
        what = "make files in" if is_directory else "write"
        if each.can_write and each.can_read:
            continue
        if store.can_write or not each.can_read:
            yield failed(f"user {user} may not {what if each.can_read else 'look into'} {each.text()}", remedy, REFUSED)
        else:
            yield warning(f"user {user} may not {what} {each.text()}", remedy)
    if not store.can_write:
        yield warning(f"user {user} may only read {store.text()}: it would be scanned, never tended", remedy)


def look_at_room(case: Case) -> Iterator[Finding]:
    """Whether the disk has room for the -wal, for a VACUUM and for more files."""
    with case.opened(1.0) as connection:
        space = read_space(connection)
    system = os.statvfs(case.path)
    free = system.f_bavail * system.f_frsize
    inodes = system.f_favail if system.f_files else _FEW_INODES
    detail = {"free_bytes": free, "inodes": inodes, "store_bytes": space.size_bytes, "wal_bytes": space.wal_bytes}
    remedy = f"make room on the disk of {case.path.parent}, then 'hyperjobs checkpoint'"
    vacuum = 2 * space.size_bytes + space.wal_bytes
    if free < _FULL_BYTES:
        message = (
            f"{mebibytes(free)} are free on the store's disk, less than the {mebibytes(_FULL_BYTES)} that writers need"
        )
        yield failed(message, remedy, NO_SPACE, **detail)
    elif not inodes:
        yield failed("no inode is left on the store's disk: no file can be made", remedy, NO_SPACE, **detail)
    elif inodes < _FEW_INODES:
        yield warning(f"only {inodes} inodes are left on the store's disk", remedy, **detail)
    elif free < vacuum:
        yield warning(f"{mebibytes(free)} are free, and a full VACUUM needs {mebibytes(vacuum)}", remedy, **detail)
    else:
        backup = room_needed(space.size_bytes, str(case.config.maintenance.backup.compress))
        yield ok(
            f"{mebibytes(free)} are free; a VACUUM needs {mebibytes(vacuum)}, a backup {mebibytes(backup)}", **detail
        )


def look_at_pages(case: Case) -> Iterator[Finding]:
    """How many pages of the file are free."""
    with case.opened(1.0) as connection:
        space = read_space(connection)
    detail = {"free_share": round(space.free_share, 4), "free_bytes": space.free_bytes}
    message = f"{space.free_share:.0%} of the file's pages are free ({mebibytes(space.free_bytes)})"
    if space.free_share >= _MUCH_FREE and space.free_bytes > _FULL_BYTES:
        yield warning(f"{message}: reads pass over them", _vacuum(space), **detail)
    else:
        yield ok(message, **detail)


def look_for_leftovers(case: Case) -> Iterator[Finding]:
    """What restores, backups and crashes left."""
    folder, name = case.path.parent, case.path.name
    found: list[Finding] = []
    prefix = f".{name}.hyperjobs-restore-"
    if (dead := _named(folder, prefix)) and not is_any_at_work(folder, prefix):
        found.append(warning(f"a restore that was killed left {_list(dead)}", "hyperjobs restore --dry-run clears it"))
    salvages = [path for path in _named(folder, ".") if ".hyperjobs-salvage-" in path.name]
    if dead := [path for path in salvages if not is_any_at_work(folder, path.name)]:
        found.append(warning(f"a salvage that was killed left {_list(dead)}", "rm -r them, or repeat it"))
    backups = case.config.maintenance.backup.directory
    if temporary := [path for path in _named(backups, ".") if path.name.startswith(".hyperjobs-")]:
        found.append(ok(f"{_list(temporary)}: of a backup at work, or the next one clears it"))
    if kept := kept_stores(case.path):
        size = sum(each.file.stat().st_size for each in kept)
        said = f"{len(kept)} store{'s' * (len(kept) > 1)} that restores replaced, {mebibytes(size)}: {_list([k.file for k in kept])}"
        backup = case.config.maintenance.backup
        found.append(
            warning(f"{said}; no backup is scheduled, so none is ever cleared", "rm the ones that nobody needs")
            if backup.schedule is None
            else ok(f"{said}; all but the newest go when they are old (keep_replaced)")
        )
    if damaged := [path for path in _named(case.config.store.state_dir, case.path.stem) if ".damaged-" in path.name]:
        found.append(warning(f"records that could not be read were set aside: {_list(damaged)}", "rm them"))
    yield from found or [ok("nothing was left behind")]


def _named(folder: Path, prefix: str) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.startswith(prefix))
    except OSError:
        return []


def _list(paths: list[Path]) -> str:
    shown = ", ".join(str(path) for path in paths[:3])
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3} more"  # noqa: PLR2004 - a line's worth


def _vacuum(space: Space) -> str:
    return f"hyperjobs vacuum --dry-run says what {mebibytes(space.free_bytes)} would cost, hyperjobs vacuum does it"
