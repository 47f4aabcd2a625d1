"""Scrapes of the past as a file that ``promtool tsdb create-blocks-from openmetrics`` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from prometheus_client.core import Metric

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class SampleFile:
    """Written scrape by scrape.

    Args:
        path: the file to make.
        instance: the label that Prometheus gives to what it scrapes there.
    """

    def __init__(self, path: Path, instance: str) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._target = f'instance="{instance}",job="hyperjobs"'

    def add(self, families: Iterable[Metric], at: datetime) -> None:
        """Add what one scrape gave."""
        stamp = f"{at.timestamp():.3f}"
        self._file.write(f"up{{{self._target}}} 1 {stamp}\n")
        for family in families:
            for sample in family.samples:
                labels = "".join(f',{name}="{value.translate(_ESCAPES)}"' for name, value in sample.labels.items())
                self._file.write(f"{sample.name}{{{self._target}{labels}}} {float(sample.value)!r} {stamp}\n")

    def close(self) -> None:
        """End the file."""
        self._file.write("# EOF\n")
        self._file.close()
