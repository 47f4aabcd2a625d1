"""Files of dashboards and rules, and the queries in them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from hyperjobs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_MOST_BYTES = 16 * 1024 * 1024
_LEGEND = re.compile(r"\{\{\s*\.?(\w+)\s*\}\}")
_IN_ANNOTATION = re.compile(r'\$labels\.(\w+)|index\s+\$labels\s+"(\w+)"')
_OF_VARIABLE = re.compile(r"^\s*(label_values|label_names|metrics|query_result)\s*\((.*)\)\s*$", re.DOTALL)
_PROMETHEUS = "prometheus"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a file.

    Attributes:
        place: the panel or rule that has it, as people know it.
        shown: labels that a legend or an annotation takes from the result.
        record: the name that a recording rule gives to the result; empty for others.
    """

    file: str
    place: str
    text: str
    shown: tuple[str, ...] = ()
    record: str = ""


def read_queries(path: Path) -> list[Query]:
    """Every PromQL query of a Grafana dashboard, a rule file, or a PrometheusRule manifest.

    Raises:
        ConfigError: the file cannot be read, or is none of these; one line, with what to do.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    if len(data) > _MOST_BYTES:
        raise ConfigError(f"{path}: is larger than {_MOST_BYTES // 2**20} MiB, which no dashboard is")
    found: list[Query] = []
    is_known = False
    for document in _documents(path, data):
        for part in _parts(document):
            if (queries := _queries(path, part)) is not None:
                is_known = True
                found += queries
    if not is_known:
        raise ConfigError(f"{path}: is no Grafana dashboard, no rule file and no PrometheusRule")
    return found


def _documents(path: Path, data: bytes) -> list[Any]:
    try:
        text = data.decode("utf-8-sig")
        # JSON first, for YAML takes seconds for a large dashboard.
        return [json.loads(text)] if text.lstrip().startswith("{") else list(yaml.load_all(text, yaml.CSafeLoader))
    except (UnicodeDecodeError, RecursionError, ValueError, yaml.YAMLError) as exc:
        reason = " ".join(str(exc).split())[:160]
        raise ConfigError(f"{path}: is neither JSON nor YAML: {reason}") from exc


def _parts(document: Any) -> Iterator[Any]:
    """A document, or the items of a list of Kubernetes'."""
    if isinstance(document, dict) and document.get("kind") == "List":
        yield from _dicts(document.get("items"))
    else:
        yield document


def _queries(path: Path, part: Any) -> list[Query] | None:
    """The queries of one document; ``None`` when it is nothing that has some."""
    if not isinstance(part, dict):
        return None
    if part.get("kind") == "PrometheusRule":
        part = part.get("spec") or {}
    if isinstance(part.get("groups"), list):
        return list(_of_rules(str(path), part["groups"]))
    if isinstance(part.get("dashboard"), dict):  # as Grafana's API gives it
        part = part["dashboard"]
    if any(isinstance(part.get(key), list) for key in ("panels", "rows")):
        return list(_of_dashboard(str(path), part))
    return None


def _of_rules(file: str, groups: Any) -> Iterator[Query]:
    for group in _dicts(groups):
        for rule in _dicts(group.get("rules")):
            name = str(rule.get("alert") or rule.get("record") or "a rule without a name")
            severity = (rule.get("labels") or {}).get("severity") if rule.get("alert") else None
            texts = " ".join(map(str, (rule.get("annotations") or {}).values()))
            shown = tuple(sorted({a or b for a, b in _IN_ANNOTATION.findall(texts)}))
            place = f"{name} ({severity})" if severity else name
            yield Query(file, place, str(rule.get("expr", "")), shown, str(rule.get("record") or ""))


def _of_dashboard(file: str, dashboard: dict[str, Any]) -> Iterator[Query]:
    for panel in _panels(dashboard):
        title = str(panel.get("title") or f"panel {panel.get('id', '?')}")
        for target in _dicts(panel.get("targets")):
            expr = target.get("expr")
            if isinstance(expr, str) and expr.strip() and _is_prometheus(target, panel):
                legend = str(target.get("legendFormat") or "")
                shown = tuple(sorted(set(_LEGEND.findall(legend)) - {"__name__"}))
                yield Query(file, title, expr, shown)
    for variable in _dicts((dashboard.get("templating") or {}).get("list")):
        if variable.get("type") == "query" and _is_prometheus(variable, {}):
            yield from _of_variable(file, variable)
    for annotation in _dicts((dashboard.get("annotations") or {}).get("list")):
        expr = annotation.get("expr")
        if isinstance(expr, str) and expr.strip() and _is_prometheus(annotation, {}):
            yield Query(file, f"annotation {annotation.get('name', '?')}", expr)


def _panels(holder: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels, those inside of rows too, whatever the dashboard's age."""
    for panel in _dicts(holder.get("panels")):
        yield panel
        yield from _panels(panel)
    for row in _dicts(holder.get("rows")):
        yield from _panels(row)


def _of_variable(file: str, variable: dict[str, Any]) -> Iterator[Query]:
    query = variable.get("query")
    text = query.get("query") if isinstance(query, dict) else query
    found = _OF_VARIABLE.match(text) if isinstance(text, str) else None
    if found is None or found[1] not in {"label_values", "query_result"}:
        return
    place = f"variable {variable.get('name', '?')}"
    if found[1] == "query_result":
        yield Query(file, place, found[2])
        return
    # label_values(metric, label), or label_values(label), which asks for no metric
    metric, comma, label = found[2].rpartition(",")
    if comma:
        yield Query(file, place, metric, (label.strip(),))


def _is_prometheus(part: dict[str, Any], panel: dict[str, Any]) -> bool:
    """Whether a query goes to Prometheus, or does not say where it goes."""
    for each in (part.get("datasource"), panel.get("datasource")):
        if isinstance(each, dict) and each.get("type"):
            kind = str(each["type"])
            return kind == _PROMETHEUS or kind.startswith("$")
    return True


def _dicts(value: Any) -> Iterable[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
