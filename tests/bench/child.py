"""One measurement in a process of its own: ``python -m bench.child MODULE:FUNCTION JSON`` prints its answer as JSON.

Two measurements in one process would share a page cache, a heap and, worse, an SQLite's locks.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent
SOURCES = TESTS.parent / "agent"


def environment() -> dict[str, str]:
    """What a child needs to import this folder, with no thread or output of its own in the way."""
    return {**os.environ, "PYTHONPATH": str(TESTS), "PYTHONUNBUFFERED": "1"}


def call(function: str, *, python: str = sys.executable, timeout_s: float = 1800, **arguments: Any) -> Any:
    """The answer of ``module:function``, called with these arguments in a new process.

    Args:
        function: such as ``bench.scrape:measure``.
        python: the interpreter, for a measurement that needs another environment.
        timeout_s: it is killed after that.
        arguments: JSON values and paths.

    Raises:
        RuntimeError: it failed; the message is what it wrote to stderr.
    """
    done = subprocess.run(
        [python, "-m", "bench.child", function, json.dumps(arguments, default=str)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{function} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Answer one call."""
    module, _, name = sys.argv[1].partition(":")
    answer = getattr(importlib.import_module(module), name)(**json.loads(sys.argv[2]))
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


if __name__ == "__main__":
    main()
