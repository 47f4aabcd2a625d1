"""Prometheus and Alertmanager, where they are installed, with the rules that this repository ships."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE: Final = Path(__file__).parent
_RULES: Final = HERE.parent / "deploy" / "prometheus"
_LOOKBACK: Final = "35m"
"""A little longer than the time between two scrapes of the past, so that lines are lines."""
_BLOCK: Final = "27h"
"""The file is read once a block; of the usual two hours there would be very many."""
_NAMES: Final = {
    "prometheus": ("prometheus",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
    "promtool": ("promtool",),
}


def program(name: str) -> str | None:
    """Where a program is, under whatever name this system has it; ``None`` where it is not."""
    return next(filter(None, map(shutil.which, _NAMES[name])), None)


def prometheus_command(
    directory: Path, address: str, *, target: str, alertmanager: str | None, interval_s: float
) -> list[str]:
    """How to start Prometheus; its configuration is written into the directory.

    Args:
        directory: for its configuration and its data.
        address: what it listens on, ``host:port``.
        target: the agent's address.
        alertmanager: that of the Alertmanager, if there is one.
        interval_s: between two scrapes.
    """
    config: dict[str, Any] = yaml.safe_load((HERE / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] |= {
        "scrape_interval": f"{interval_s:g}s",
        "scrape_timeout": f"{interval_s * 900:.0f}ms",
        "evaluation_interval": f"{interval_s:g}s",
    }
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    config["rule_files"] = [str(path) for path in rule_files()]
    if alertmanager is not None:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    return [
        str(program("prometheus")),
        f"--config.file={_written(directory / 'prometheus.yml', config)}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={address}",
        f"--query.lookback-delta={_LOOKBACK}",
        "--storage.tsdb.retention.time=60d",
        "--rules.alert.resend-delay=10s",  # the first are sent before it knows to whom
        "--log.level=warn",
    ]


def blocks_command(promtool: str, samples: Path, directory: Path) -> list[str]:
    """How to make samples of the past a part of Prometheus's data, before it starts."""
    make = [promtool, "tsdb", "create-blocks-from", "--quiet", f"--max-block-duration={_BLOCK}", "openmetrics"]
    return [*make, str(samples), str(directory / "data")]


def rule_files() -> list[Path]:
    """The rules and alerts that this repository ships; of others there are none."""
    return sorted(
        path
        for path in _RULES.glob("**/*.y*ml")
        if "groups" in (yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    )


def alertmanager_command(directory: Path, address: str) -> list[str]:
    """How to start Alertmanager; it keeps its data in the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    return [
        str(program("alertmanager")),
        f"--config.file={HERE / 'alertmanager.yml'}",
        f"--storage.path={directory}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]


def _written(path: Path, config: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path
