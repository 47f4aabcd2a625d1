"""Defaults, file, environment and flags into one checked configuration."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hyperjobs.config.model import Config, Ledger, bounds, options
from hyperjobs.config.problem import Origin, Problems, describe
from hyperjobs.config.source import (
    Setting,
    Settings,
    locate,
    read_environment,
    read_file,
    read_flags,
)
from hyperjobs.config.usual import default_backups, default_state_dir

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

NO_FILE = Path(os.devnull)
_CONFIGURATION = Origin("configuration")
_NO_OVERRIDES: Mapping[str, str | Sequence[str]] = MappingProxyType({})


def load_config(
    path: Path | None = None,
    *,
    environ: Mapping[str, str],
    overrides: Mapping[str, str | Sequence[str]] = _NO_OVERRIDES,
    require_store: bool = False,
) -> Config:
    """The configuration in force: defaults, then the file, then the environment, then flags; the last one wins.

    Args:
        path: the file to read. Without it: ``HYPERJOBS_CONFIG``, else ``/etc/hyperjobs/hyperjobs.yaml``, else
            ``~/.config/hyperjobs/hyperjobs.yaml``, else none; ``Config.source`` says which. ``/dev/null`` is none, for when
            the usual one cannot be read.
        environ: the environment; ``HYPERJOBS_STORE__PATH`` sets ``store.path``.
        overrides: flags, dotted option to text, or to a list of texts for an option that is a list.
        require_store: whether ``store.path`` must be set.

    Raises:
        ConfigError: everything that is wrong, one line each: ``place: option: what is wrong (got value)``.
    """
    problems = Problems()
    source = path or locate(environ, problems)
    if source == NO_FILE:
        source = None
    settings: Settings = {
        ("store", "state_dir"): Setting(str(default_state_dir(environ)), Origin("environment")),
        ("maintenance", "backup", "directory"): Setting(str(default_backups(environ)), Origin("environment")),
    }
    if source is not None:
        settings |= read_file(source, problems)
    settings |= read_environment(environ, problems)
    settings |= read_flags(overrides, problems)
    config = _bind(settings, problems)
    if require_store:
        _require_store(settings, Origin(str(source)) if source else _CONFIGURATION, problems)
    problems.raise_if_any()
    config._source = source  # noqa: SLF001 - frozen for everyone else
    return config


def _require_store(settings: Settings, origin: Origin, problems: Problems) -> None:
    path = settings.get(("store", "path"))
    # An unreadable file or a misspelt variable may well have set it: one mistake, one line.
    is_known = not any(problem.path == "" for problem in problems.found)
    if (path is None or path.raw is None) and is_known:
        message = "is not set; name the job store here, in HYPERJOBS_STORE__PATH or with --store"
        problems.add(origin, ("store", "path"), message)


def _bind(settings: Settings, problems: Problems) -> Config:
    tree: dict[str, Any] = {}
    for path, setting in settings.items():
        section = tree
        for name in path[:-1]:
            section = section.setdefault(name, {})
        section[path[-1]] = setting.raw
    try:
        config = Config.model_validate(tree)
        if config.audit.path is not None and config.store.ledger == Ledger.SCAN:
            message = "needs store.ledger: triggers, which record each change; a scan sees few of them"
            problems.add(settings["audit", "path"].origin, ("audit", "path"), message)
    except ValidationError as exc:
        for error in exc.errors(include_url=False):
            _add(error, settings, problems)
        return Config()
    return config


def _add(error: ErrorDetails, settings: Settings, problems: Problems) -> None:
    """Say in our words what pydantic found, and where the value was written."""
    path = error["loc"]
    option = next(known for known in options() if path[: len(known)] == known)
    setting = settings[option]
    origin, raw = setting.origin, setting.raw
    item = next((part for part in path[len(option) :] if isinstance(part, int)), None)
    if item is not None and isinstance(raw, list):
        raw = raw[item]
        if setting.item_lines:
            origin = Origin(origin.name, setting.item_lines[item])
    elif error["type"] == "too_short" and raw:
        return  # pydantic counts only good items; the bad ones have a line of their own
    deeper = path[len(option) + 1 :] if item is not None else ()
    for name in deeper:
        if isinstance(raw, dict) and isinstance(name, str):
            raw = raw.get(name)
    where: tuple[str | int, ...] = option if item is None else (*option, item, *deeper)
    message = _message(error, options()[option], is_item=item is not None)
    # what a misspelt option of a channel or destination holds may be a secret, whatever it is called
    got = None if error["type"] == "extra_forbidden" else describe(raw, name=str(where[-1]))
    problems.add(origin, where, message, got=got)


def _message(error: ErrorDetails, field: FieldInfo, *, is_item: bool) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            message = str(context["error"])
        case "greater_than_equal" | "less_than_equal" if not is_item:
            message = f"must be {bounds(field)}"
        case "greater_than":
            message = f"must be more than {context['gt']:g}"
        case "less_than_equal":
            message = f"must be at most {context['le']:.0f}"
        case "too_short":
            message = "must not be empty"
        case "too_long":
            message = f"must have at most {context['max_length']} items"
        case "missing":
            message = "is not set"
        case "extra_forbidden":
            message = "is no option of it"
        case "tuple_type":
            message = "must be a list, such as [a, b]"
        case _:
            message = error["msg"][:1].lower() + error["msg"][1:]
    return message
