"""Where state and backups are when nobody says; apart, because completion asks for it and has no time for the rest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hyperjobs.config.source import user_directory

if TYPE_CHECKING:
    from collections.abc import Mapping


def default_state_dir(environ: Mapping[str, str], *, is_root: bool | None = None) -> Path:
    """Where state is kept when nobody says: a service's own, the system's place for root, the user's own for others."""
    if service := _service_state(environ):
        return service
    root = os.geteuid() == 0 if is_root is None else is_root
    own = None if root else user_directory(environ, "XDG_STATE_HOME", ".local/state")
    return own / "hyperjobs" if own else Path("/var/lib/hyperjobs")


def default_backups(environ: Mapping[str, str], *, is_root: bool | None = None) -> Path:
    """Where backups go when nobody says: the system's place for a service and root, beside the user's state for others."""
    state = default_state_dir(environ, is_root=is_root)
    is_system = _service_state(environ) is not None or state == Path("/var/lib/hyperjobs")
    return Path("/var/backups/hyperjobs") if is_system else state / "backups"


def _service_state(environ: Mapping[str, str]) -> Path | None:
    """What systemd made for our unit by its ``StateDirectory=``, and the image of a container says likewise."""
    given = [Path(text) for text in environ.get("STATE_DIRECTORY", "").split(":") if text.startswith("/")]
    # A command that another service runs is not to look for the agent's state in that service's own.
    return next((path for path in given if path.name.startswith("hyperjobs")), None)
