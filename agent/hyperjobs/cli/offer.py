"""What can be completed on a command line: ids of jobs, names of backups, tasks and more, as they are now.

Each of these is what click calls for an option or argument (``shell_complete=``). They look, and never write; what they
raise is taken for nothing to offer by :mod:`hyperjobs.cli.shell`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperjobs.cli.place import StorePlace, configuration_file, raw_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import click
    from click.shell_completion import CompletionItem

    Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]

LATEST, STORE = "latest", "store"
TASKS = (
    "integrity-quick",
    "backup",
    "integrity-full",
    "prune",
    "vacuum",
    "optimize",
    "drill",
    "checkpoint",
    "reindex",
    "backup-elsewhere",
)
EVENTS = (
    "cancel",
    "retry",
    "set-status",
    "delete",
    "import",
    "copy",
    "restore",
    "salvage",
    "undo",
    "fix",
    "fix-undo",
    "backup-prune",
    "backup-adopt",
    "freeze",
    "unfreeze",
    "pause",
    "resume",
)
SCHEDULED = tuple(task for task in TASKS if task not in {"reindex", "backup-elsewhere"})


def words(*known: str) -> Offer:
    """These words."""
    return lambda _context, _parameter, incomplete: _matching(known, incomplete)


def job_ids(*statuses: str) -> Offer:
    """Ids of jobs, newest first; only of those in one of these statuses, when any is named."""

    def offer(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        return ids_of(context, incomplete, statuses)

    return offer


def ids_that_may_become(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Ids of jobs that may have the status next which was named before them."""
    from hyperjobs.store.models import JobStatus  # noqa: PLC0415 - only while it is completed
    from hyperjobs.store.transition import sources_of  # noqa: PLC0415 - as above

    return ids_of(context, incomplete, [str(status) for status in sources_of(JobStatus(context.params["to"]))])


def ids_of(context: click.Context, incomplete: str, statuses: Sequence[str]) -> list[CompletionItem[str]]:
    """Ids of jobs of the store that the command line means, but for those on it already."""
    from hyperjobs.store.names import job_ids as found  # noqa: PLC0415 - SQLite only while it is completed

    there = set(context.params.get("ids") or ())
    given = found(_store(context), incomplete, statuses)
    return [_item(job_id, status) for job_id, status in given if job_id not in there]


def pinned_ids(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Ids of pinned jobs."""
    from hyperjobs.store.names import pinned_ids as found  # noqa: PLC0415 - as above

    return _matching(found(_store(context), incomplete), incomplete)


def values_of(column: str) -> Offer:
    """The different values of a column of jobs."""

    def offer(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        from hyperjobs.store.names import column_values  # noqa: PLC0415 - as above

        return _matching(column_values(_store(context), column, incomplete), incomplete)

    return offer


def indexes(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Indexes of the store, but for those on the command line already."""
    from hyperjobs.store.names import index_names  # noqa: PLC0415 - as above

    there = set(context.params.get("indexes") or ())
    return _matching([name for name in index_names(_store(context)) if name not in there], incomplete)


def backups(*before: str, pinned: bool = False) -> Offer:
    """Names of backups of the store, newest first.

    Args:
        before: words that are offered before them, as ``latest``.
        pinned: only pinned ones.
    """

    def offer(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        named = _directory(context, ("maintenance", "backup", "directory"), _usual_backups)
        there = [] if context.params.get("destination") else _backup_names(named, context, pinned=pinned)
        return _matching([*before, *there], incomplete)

    return offer


def prunes(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Runs of prune that can be undone, newest first."""
    named = _directory(context, ("maintenance", "prune", "archive", "directory"), lambda: _state(context) / "archive")
    return _matching([LATEST, *_runs(named)], incomplete)


def fixes(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Runs of ``doctor --fix`` that can be undone, newest first."""
    return _matching([LATEST, *_runs(_state(context) / "fixes")], incomplete)


def destinations(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Names of the second destinations of the configuration."""
    return _matching(_names(_configured(context, "maintenance", "backup", "destinations")), incomplete)


def channels(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Names of the channels of notifications of the configuration."""
    return _matching(_names(_configured(context, "notifications")), incomplete)


def commands(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Commands of the program, or of the group that was named before."""
    group: Any = context.find_root().command
    for name in context.params.get("words") or ():
        group = group.get_command(context, name)
    return _matching(group.list_commands(context), incomplete)


def zones(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Time zones."""
    from zoneinfo import available_timezones  # noqa: PLC0415 - only while it is completed

    return _matching(sorted(available_timezones()), incomplete)


def checks(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Checks of the doctor; with ``--fix`` the kinds of what it mends."""
    if context.params.get("is_fix"):
        from hyperjobs.store.mend import KINDS  # noqa: PLC0415 - only while it is completed

        return _matching(KINDS, incomplete)
    return _matching(CHECKS, incomplete)


CHECKS = (
    *("store", "integrity", "lock", "wal", "journal", "permissions", "filesystem", "room", "rows", "orphans"),
    *("indexes", "plans", "free-pages", "ledger", "sqlite", "backup", "drill", "holds", "clock", "zones", "schedule"),
    *("config", "host", "agent", "litestream", "limits", "leftovers"),
)


def _matching(known: Iterable[str], incomplete: str) -> list[CompletionItem[str]]:
    return [_item(word) for word in known if word.startswith(incomplete)]


def _item(word: str, remark: str | None = None) -> CompletionItem[str]:
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only where a shell asks

    return CompletionItem(word, help=remark)


def _file(context: click.Context) -> Path | None:
    named = context.params.get("config") or context.params.get("file")
    return configuration_file(named, os.environ)


def _store(context: click.Context) -> Path:
    return StorePlace(context.params.get("store"), context.params.get("config")).find()


def _configured(context: click.Context, *names: str) -> Any:
    """An option as the environment or the configuration file has it, unjudged; ``None`` when neither does."""
    if text := os.environ.get("HYPERJOBS_" + "__".join(names).upper()):
        return text
    file = _file(context)
    return None if file is None else raw_option(file, *names, instead="")


def _names(listed: Any) -> list[str]:
    """The names of a list of tables."""
    tables = listed if isinstance(listed, list) else []
    return [each["name"] for each in tables if isinstance(each, dict) and isinstance(each.get("name"), str)]


def _directory(context: click.Context, option: Sequence[str], usual: Callable[[], Path]) -> Path:
    named = context.params.get("directory") or _configured(context, *option)
    return Path(named) if isinstance(named, str) else usual()


def _usual_backups() -> Path:
    from hyperjobs.config.usual import default_backups  # noqa: PLC0415 - YAML only while it is needed

    return default_backups(os.environ)


def _state(context: click.Context) -> Path:
    from hyperjobs.config.usual import default_state_dir  # noqa: PLC0415 - as above

    named = _configured(context, "store", "state_dir")
    return Path(named) if isinstance(named, str) else default_state_dir(os.environ)


def _backup_names(directory: Path, context: click.Context, *, pinned: bool) -> list[str]:
    from hyperjobs.errors import HyperjobsError  # noqa: PLC0415 - only while it is completed
    from hyperjobs.maintenance.backup.name import PINNED, BackupName  # noqa: PLC0415 - as above

    files = set(os.listdir(directory))  # noqa: PTH208 - names are all that is wanted
    found = [name for file in files if (name := BackupName.parse(file)) and (not pinned or f"{file}{PINNED}" in files)]
    try:
        stem = _store(context).name.removesuffix(".db")
    except HyperjobsError:
        stem = None  # no store: whichever are there
    return [str(name) for name in sorted(found, reverse=True) if stem in {None, name.stem}]


def _runs(directory: Path) -> list[str]:
    from hyperjobs.maintenance.prune.name import ArchiveName  # noqa: PLC0415 - only while it is completed

    found = {name for file in os.listdir(directory) if (name := ArchiveName.parse(file))}  # noqa: PTH208 - as above
    return [str(name) for name in sorted(found, reverse=True)]
