"""The JSON Schema of the configuration file, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

from hyperjobs.config.model import Config


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12); a file it accepts can still fail the checks that a schema cannot express."""
    schema = Config.model_json_schema()
    defaults = Config().model_dump(mode="json")
    _describe(schema, schema, defaults)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hyperjobs configuration",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _describe(schema: dict[str, Any], section: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Put the defaults in as the file writes them: pydantic has a duration in ISO 8601, which the file does not accept."""
    for name, described in section["properties"].items():
        deeper = schema["$defs"][described["$ref"].rpartition("/")[2]] if "$ref" in described else {}
        if "properties" in deeper:
            _describe(schema, deeper, defaults[name])
            continue
        described["default"] = defaults[name]
        for extra in ("reason", "unit", "title", "needs_restart"):
            described.pop(extra, None)
