"""Rules as text: rule files of Prometheus, or manifests of its operator."""

from __future__ import annotations

import contextlib
import os
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import yaml

from hyperjobs.rules.render import Kind, groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hyperjobs.rules.values import Values

_STEMS = {Kind.ALERTS: "hyperjobs", Kind.RECORDING: "hyperjobs-recording", Kind.COMPAT: "compat-hypersdk"}
_WIDTH = 4096  # a text is never folded: a long line is easier to search for


class Format(StrEnum):
    """What reads the rules."""

    PROMETHEUS = "prometheus"
    OPERATOR = "operator"


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as such."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002 - PyYAML's signature
        return super().increase_indent(flow, False)  # noqa: FBT003 - as above


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def rule_text(kinds: Iterable[Kind], values: Values, form: Format) -> str:
    """The rules of some kinds as one file."""
    header = "# Made by `hyperjobs rules render`; change the values, not this file.\n"
    return header + _yaml(rule_object(kinds, values, form))


def rule_object(kinds: Iterable[Kind], values: Values, form: Format) -> dict[str, Any]:
    """What that file holds."""
    chosen = list(kinds)
    found = [group for kind in chosen for group in groups(kind, values)]
    if form is Format.PROMETHEUS:
        return {"groups": found}
    return _manifest(found, _name(chosen, values.common), values.common)


def file_name(kind: Kind, form: Format) -> str:
    """What a file with the rules of a kind is called."""
    return f"{_STEMS[kind]}.rules.yml" if form is Format.PROMETHEUS else f"{_STEMS[kind]}.prometheusrule.yaml"


def write_rules(kinds: Iterable[Kind], values: Values, form: Format, directory: Path) -> list[Path]:
    """Write a file for each kind into a directory, which is made when it is missing; the files.

    A file is replaced in one step, so that a Prometheus that reloads meanwhile reads the old or the new one.

    Raises:
        OSError: the directory cannot be made or written; it names the file that was meant.
    """
    paths = []
    for kind in kinds:
        path = directory / file_name(kind, form)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            if not directory.exists():
                directory.mkdir(parents=True, exist_ok=True)
            beside.write_text(rule_text([kind], values, form), encoding="utf-8")
            beside.replace(path)
        except OSError as exc:
            with contextlib.suppress(OSError):
                beside.unlink()
            # as an OSError, so that a full disk and a missing right keep exit codes of their own
            raise OSError(exc.errno, f"cannot be written: {exc.strerror}; name another directory", str(path)) from exc
        paths.append(path)
    return paths


def _name(kinds: list[Kind], shared: Mapping[str, Any]) -> str:
    base = str(shared["kubernetes_name"])
    return base if Kind.ALERTS in kinds else f"{base}-{kinds[0].value}"


def _manifest(found: list[dict[str, Any]], name: str, shared: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": name,
            "namespace": shared["kubernetes_namespace"],
            "labels": dict(shared["kubernetes_labels"]),
        },
        "spec": {"groups": found},
    }


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)
