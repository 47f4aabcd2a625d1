"""The JSON Schema of the configuration file, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

from hyperjobs.config.model import Config


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12); a file it accepts can still fail the checks that a schema cannot express."""
    schema = Config.model_json_schema()
    defaults = Config().model_dump(mode="json")
    for name, section in schema["properties"].items():
        model = schema["$defs"][section["$ref"].rpartition("/")[2]]
        for option, described in model["properties"].items():
            # pydantic writes a default duration in ISO 8601, which the file does not accept.
            described["default"] = defaults[name][option]
            for extra in ("reason", "unit", "title"):
                described.pop(extra, None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hyperjobs configuration",
        **{key: value for key, value in schema.items() if key != "title"},
    }
