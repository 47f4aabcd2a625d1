"""How what was in a store is named when a backup takes its place."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


def kept_name(target: Path, now: datetime) -> Path:
    """A name beside the store that nothing has: dated, and numbered when there were several in a second."""
    name = f"{target.name}.before-restore-{now:%Y%m%dT%H%M%SZ}"
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(path for path in map(target.with_name, names) if not os.path.lexists(path))
