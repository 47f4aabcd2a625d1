"""Which of our tables and triggers a store has, as SQLite's own schema table tells."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from hyperjobs.store.ledger.select import rows

if TYPE_CHECKING:
    import apsw

_STATEMENT = re.compile(
    r"^CREATE (TABLE|TRIGGER|INDEX) (\w+).*?(?:END;|;)(?=\s*(?:CREATE|--|\Z))", re.MULTILINE | re.DOTALL
)


@cache
def statements(file: str) -> dict[str, str]:
    """The statements of ``tables.sql`` or ``triggers.sql``, object name → SQL as ``sqlite_schema`` keeps it."""
    text = resources.files("hyperjobs.store.ledger").joinpath(file).read_text(encoding="utf-8")
    return {found[2]: found[0].rstrip(";") for found in _STATEMENT.finditer(text)}


def ours(db: apsw.Connection) -> dict[str, str]:
    """Every object of ours in the store, name → SQL."""
    sql = "SELECT name,sql FROM sqlite_schema WHERE name LIKE 'hyperjobs\\_%' ESCAPE '\\' AND sql IS NOT NULL"
    return dict(rows(db, sql))


def has_triggers(found: dict[str, str]) -> bool:
    """Whether every trigger of ours stands as this version writes it."""
    return all(found.get(name) == sql for name, sql in statements("triggers.sql").items())


def has_tables(found: dict[str, str]) -> bool:
    """Whether every table of ours is there."""
    return all(name in found for name in statements("tables.sql"))
