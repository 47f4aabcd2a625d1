"""What a store's path is called where the path itself is not to be told: in manifests, archives and file names."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def source_sha256(store: Path) -> str:
    """The sha256, in hex, of the real path of a store: the same by whatever link it is reached."""
    return hashlib.sha256(os.fsencode(os.path.realpath(store))).hexdigest()
