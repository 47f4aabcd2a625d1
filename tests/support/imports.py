"""Which modules a command loads: what it costs on any machine, where a time would be this one's."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINE = re.compile(r"^import time:.*\|\s*(\S+)$", re.MULTILINE)


def loaded(*words: str, env: Mapping[str, str]) -> set[str]:
    """The modules that ``hyperjobs`` imported for a command that went well."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "hyperjobs", *words],
        env=dict(env),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(_LINE.findall(done.stderr))
