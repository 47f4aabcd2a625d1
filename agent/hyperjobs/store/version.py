"""Which SQLite, through which driver."""

from __future__ import annotations

import apsw


def sqlite_version() -> str:
    """The version of the SQLite that this process reads and writes with."""
    return apsw.sqlite_lib_version()


def driver_version() -> str:
    """The version of apsw."""
    return apsw.apsw_version()
