"""Which store a command is about: the one named, or the first of the usual places."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperjobs.errors import ConfigError, StoreNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hyperjobs.config import Config
    from hyperjobs.store.sqlite import SQLiteJobStore

STORE_VARIABLE = "HYPERJOBS_STORE__PATH"
NETWORK_VARIABLE = "HYPERJOBS_STORE__NETWORK_FILESYSTEM"
CONFIG_VARIABLE = "HYPERJOBS_CONFIG"
CONFIG_FILE = Path("/etc/hyperjobs/hyperjobs.yaml")
_INSTEAD = "name the store with --store PATH"
USUAL_PLACES = ("/var/lib/hypersdk/jobs.db", "~/.hypersdk/jobs.db", "./hypersdk.db")


@dataclass(frozen=True, slots=True)
class StorePlace:
    """What the command line said about where the store is.

    Attributes:
        store: the path of ``--store``.
        config: the file of ``--config``.
    """

    store: str | None = None
    config: str | None = None

    def find(self, environment: Mapping[str, str] = os.environ) -> Path:
        """The store's path, as :meth:`_find` finds it; on a network file system it can be opened when that is allowed."""
        from hyperjobs.store.mount import network_filesystem, set_allowed  # noqa: PLC0415 - as below

        path = self._find(environment)
        if network_filesystem(Path(os.path.realpath(path))) is not None:
            said = environment.get(NETWORK_VARIABLE) or self._said(environment, "network_filesystem")
            set_allowed(path, is_allowed=said == "allow")
        return path

    def _find(self, environment: Mapping[str, str]) -> Path:
        """The store's path: the flag, else the environment, else the configuration file, else a usual place.

        A path that somebody named is given back whether or not there is a file; of the usual places, one that exists.

        Raises:
            StoreNotFoundError: nobody named a path, and there is nothing in the usual places.
            ConfigError: the configuration file cannot be read or has no usable ``store.path``.
        """
        if self.store is not None:
            return Path(self.store)
        if named := environment.get(STORE_VARIABLE):
            return Path(named)
        looked_at = [f"--store, {STORE_VARIABLE}"]
        configured = self._configured(environment, looked_at)
        if configured is not None:
            return configured
        for place in USUAL_PLACES:
            path = _at_home(place)
            if path.exists():
                return path
            looked_at.append(place)
        raise StoreNotFoundError(f"no job store; looked at {', '.join(looked_at)}; name one with --store PATH")

    def load(self) -> Config:
        """The configuration in force.

        Raises:
            ConfigError: it cannot be used.
        """
        from hyperjobs.config import load_config  # noqa: PLC0415 - pydantic only where a configuration is read

        return load_config(Path(self.config) if self.config else None, environ=os.environ)

    def _configured(self, environment: Mapping[str, str], looked_at: list[str]) -> Path | None:
        named = self.config or environment.get(CONFIG_VARIABLE)
        for file in [Path(named)] if named else usual_files(environment):
            if not named and not os.access(file, os.R_OK):
                looked_at.append(f"store.path in {file} ({'not readable' if file.exists() else 'no such file'})")
                continue
            path = raw_option(file, "store", "path", instead=_INSTEAD)
            if isinstance(path, str) and path:
                return Path(path)
            looked_at.append(f"store.path in {file} (not set)")
        return None

    def _said(self, environment: Mapping[str, str], name: str) -> str | None:
        """What the configuration file says of the store under this name."""
        file = configuration_file(self.config, environment)
        found = raw_option(file, "store", name, instead=_INSTEAD) if file is not None else None
        return found if isinstance(found, str) else None

    def open(self) -> SQLiteJobStore:
        """The store, opened for reading only."""
        from hyperjobs.store.sqlite import open_store  # noqa: PLC0415 - SQLite only where a store is read

        return open_store(self.find(), read_only=True)


def usual_files(environment: Mapping[str, str]) -> list[Path]:
    """Where a configuration file is looked for, by the rules of the agent."""
    own = environment.get("XDG_CONFIG_HOME", "")
    directory = Path(own) if own.startswith("/") else _at_home("~/.config")
    return [CONFIG_FILE, directory / "hyperjobs" / "hyperjobs.yaml"]


def configuration_file(named: str | None, environment: Mapping[str, str]) -> Path | None:
    """The configuration file: that of ``--config``, else the environment's, else the first usual one that can be read."""
    if named := named or environment.get(CONFIG_VARIABLE):
        return Path(named)
    return next((file for file in usual_files(environment) if os.access(file, os.R_OK)), None)


def _at_home(place: str) -> Path:
    """A path with ``~`` expanded; as it stands for a user that has no name and no home, as in many a container."""
    return Path(os.path.expanduser(place))  # noqa: PTH111 - Path.expanduser raises where there is no home


def raw_option(file: Path, *names: str, instead: str) -> Any:
    """An option as a configuration file has it, text or a list; the rest of the file is not judged, and costs nothing.

    Args:
        file: the configuration file.
        names: of the option, such as ``store`` and ``path``.
        instead: what a person can do without the file, for the message of an error.

    Raises:
        ConfigError: the file cannot be read.
    """
    from hyperjobs.config.document import DocumentError, Table, parse  # noqa: PLC0415 - YAML only here

    if file == Path(os.devnull):  # as the agent takes it: no file
        return None
    try:
        node: Any = parse(file.read_bytes())
    except (OSError, DocumentError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise ConfigError(f"{file}: {reason}; correct it, or {instead}") from exc
    for name in names:
        node = node.entries.get(name) if isinstance(node, Table) else None
    return node.raw if node is not None else None


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--store`` and ``--config``; the command gets them as one :class:`StorePlace` named ``place``."""

    @click.option("--store", metavar="PATH", help="The job store to read; by default the usual places.")
    @click.option("--config", metavar="FILE", help="The configuration file whose store.path is read.")
    @functools.wraps(command)
    def with_place(*args: Any, store: str | None, config: str | None, **options: Any) -> Any:
        return command(*args, place=StorePlace(store, config), **options)

    return with_place


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--config`` to a command that is about a configuration; it gets the file as ``file``."""
    option = click.option(
        "--config",
        "file",
        metavar="FILE",
        help="The configuration file; by default HYPERJOBS_CONFIG, else the usual places.",
    )
    decorated: Callable[..., Any] = option(command)
    return decorated
