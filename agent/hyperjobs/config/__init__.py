"""The configuration: one YAML file, the environment and flags into frozen values, with every mistake named at once.

The names are loaded when they are first used: a reading command asks for ``store.path`` alone, without the models.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperjobs.config.loader import load_config
    from hyperjobs.config.maintenance import Maintenance
    from hyperjobs.config.model import Config, Ledger, Level, Log, LogFormat, Metrics, Store, Web
    from hyperjobs.config.schema import json_schema
    from hyperjobs.config.show import destination_table, example, options_table, render, render_values

__all__ = [
    "Config",
    "Ledger",
    "Level",
    "Log",
    "LogFormat",
    "Maintenance",
    "Metrics",
    "Store",
    "Web",
    "destination_table",
    "example",
    "json_schema",
    "load_config",
    "options_table",
    "render",
    "render_values",
]

_HOMES = {
    "load_config": "hyperjobs.config.loader",
    "Maintenance": "hyperjobs.config.maintenance",
    "json_schema": "hyperjobs.config.schema",
    **dict.fromkeys(
        ("destination_table", "example", "options_table", "render", "render_values"), "hyperjobs.config.show"
    ),
}


def __getattr__(name: str) -> Any:
    """Load a name from its home on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "hyperjobs.config.model")), name)
    globals()[name] = value
    return value
