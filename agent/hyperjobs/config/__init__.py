"""The configuration: one YAML file, the environment and flags into frozen values, with every mistake named at once."""

from hyperjobs.config.loader import load_config
from hyperjobs.config.model import Config, Ledger, Level, Log, LogFormat, Metrics, Store, Web
from hyperjobs.config.schema import json_schema
from hyperjobs.config.show import example, options_table, render

__all__ = [
    "Config",
    "Ledger",
    "Level",
    "Log",
    "LogFormat",
    "Metrics",
    "Store",
    "Web",
    "example",
    "json_schema",
    "load_config",
    "options_table",
    "render",
]
