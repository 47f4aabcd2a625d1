"""The configuration as text: the one in force, the example with every option, and the table of the documentation."""

from __future__ import annotations

import functools
import json
import re
import textwrap
from typing import TYPE_CHECKING, Any

from hyperjobs.config.care import Destination
from hyperjobs.config.document import NULLS
from hyperjobs.config.model import Config, bounds, needs_restart, options, section_of
from hyperjobs.config.problem import hide_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from hyperjobs.config.model import OptionPath
    from hyperjobs.config.section import Section

EXAMPLE_STORE = "/var/lib/hypersdk/jobs.db"

_WIDTH = 110
# Words that need no quotes in any YAML, 1.1 or 1.2: they begin with a letter or a slash, or are a duration.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*|([0-9]+(\.[0-9]+)?(w|d|h|ms|m|s))+")
_GUESSED = frozenset({"y", "yes", "n", "no", "true", "false", "on", "off", *(word.lower() for word in NULLS)})

_HEADER = """\
# hyperjobs: every option with its default, its unit and the reason for it.
#
# Copy what you change to /etc/hyperjobs/hyperjobs.yaml; `hyperjobs config check` says whether it is right.
# Durations have a unit: 500ms, 30s, 5m, 12h, 30d, 2w, or several: 1d12h.
# An environment variable sets an option too: HYPERJOBS_STORE__PATH is store.path.
"""


def render(config: Config) -> str:
    """The configuration in force as YAML that reads back as the same one; secrets are hidden."""
    return "\n".join(_rendered(config.model_dump(mode="json"), Config, "")) + "\n"


def render_values(config: Config) -> dict[str, Any]:
    """The same as values that JSON has; durations and sizes are texts with their unit, as the file has them."""
    values: dict[str, Any] = _without_secrets(config.model_dump(mode="json"))
    return values


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_secrets(each) for each in value]
    return hide_secrets(value) if isinstance(value, str) else value


def _rendered(values: dict[str, Any], model: type[Section], indent: str) -> Iterator[str]:
    for name, value in values.items():
        if deeper := section_of(model.model_fields[name]):
            yield f"{indent}{name}:"
            yield from _rendered(value, deeper, indent + "  ")
        else:
            yield f"{indent}{name}: {_yaml(value)}"


def example() -> str:
    """The text of ``config/example.yaml``: all defaults, and a store's path to replace."""
    defaults = Config().model_dump(mode="json")
    defaults["store"]["path"] = EXAMPLE_STORE
    return "\n".join([_HEADER, *_blocks(defaults, Config, ())])


def _blocks(values: dict[str, Any], model: type[Section], path: OptionPath) -> Iterator[str]:
    indent = "  " * len(path)
    for name, value in values.items():
        if deeper := section_of(model.model_fields[name]):
            yield f"{indent}# {deeper.__doc__}\n{indent}{name}:"
            yield from _blocks(value, deeper, (*path, name))
        else:
            comment = "\n".join(_comment((*path, name), indent))
            yield f"{comment}\n{indent}{name}: {_yaml(value)}\n"


def options_table() -> str:
    """The table of ``docs/configure.md``: option, value, default, meaning."""
    defaults = Config().model_dump(mode="json")
    rows = ["| Option | Value | Default | Meaning |", "|---|---|---|---|"]
    for path, field in options().items():
        value = functools.reduce(lambda values, name: values[name], path, defaults)
        default = "none" if value is None else f"`{_yaml(value)}`"
        rows.append(f"| `{'.'.join(path)}` | {_value(field)} | {default} | {_meaning(field)} |")
    return "\n".join(rows) + "\n"


def destination_table() -> str:
    """The table of ``docs/configure.md`` for an entry of ``maintenance.backup.destinations``: option, default, meaning."""
    rows = ["| Option | Default | Meaning |", "|---|---|---|"]
    for name, field in Destination.model_fields.items():
        default = "none" if field.is_required() or not field.default else f"`{_yaml(field.default)}`"
        rows.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def _meaning(field: FieldInfo) -> str:
    return f"{field.description} A change needs a restart." if needs_restart(field) else str(field.description)


def _comment(path: OptionPath, indent: str) -> Iterator[str]:
    field = options()[path]
    for text in (_meaning(field), f"Value: {_value(field)}. Why this default: {_extra(field)['reason']}."):
        for line in textwrap.wrap(text, _WIDTH - 2 - len(indent), break_long_words=False, break_on_hyphens=False):
            yield f"{indent}# {line}"


def _value(field: FieldInfo) -> str:
    unit = _extra(field)["unit"]
    limits = bounds(field)
    return f"{unit} {limits}" if limits else unit


def _extra(field: FieldInfo) -> dict[str, str]:
    extra = field.json_schema_extra
    return {key: str(value) for key, value in extra.items()} if isinstance(extra, dict) else {}


def _yaml(value: object) -> str:  # noqa: PLR0911 - one for each kind of value
    """One value on one line, quoted wherever a reader of YAML could take it for something else."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_yaml(name)}: {_yaml(item)}' for name, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(_yaml(item) for item in value)}]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str):
        text = hide_secrets(value)
        plain = _PLAIN.fullmatch(text) and text.lower() not in _GUESSED
        return text if plain else json.dumps(text, ensure_ascii=False)
    return f"{value}"
