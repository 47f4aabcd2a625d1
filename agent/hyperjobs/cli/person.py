"""Who is at the keyboard."""

from __future__ import annotations

import getpass
import os


def person() -> str:
    """The name of the user, also behind sudo; empty when the system has none."""
    if named := os.environ.get("SUDO_USER"):
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
