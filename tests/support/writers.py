"""Writers of other programs, each in a process of its own, as hypersdk's are: never an SQLite beside ours in-process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_SERVER = """
import json, sys
if sys.argv[1] == "apsw":
    import apsw
    db = apsw.Connection(sys.argv[2]); db.set_busy_timeout(10000)
    Error = apsw.Error
else:
    import sqlite3
    db = sqlite3.connect(sys.argv[2], timeout=10, isolation_level=None)
    Error = sqlite3.Error
db.execute("PRAGMA recursive_triggers=" + sys.argv[3]).fetchall()
for line in sys.stdin:
    sql = json.loads(line)
    error = None
    try:
        db.execute(sql).fetchall()
    except Error as exc:
        error = str(exc)
    rows = db.execute(DUMP).fetchall()
    print(json.dumps([error, rows[0][0]]), flush=True)
"""

_DUMP = "SELECT json_group_array(json_array(id,provider,status,created_at,started_at,completed_at,total_size,files_count)) FROM jobs"

Table = dict[str, tuple[Any, ...]]


class Writer:
    """One process with one connection; ``execute`` gives back the whole table as that connection sees it."""

    def __init__(self, kind: str, path: Any, *, recursive_triggers: bool) -> None:
        self._kind = kind
        flag = "ON" if recursive_triggers else "OFF"
        if kind == "shell":
            command = ["sqlite3", "-batch", "-cmd", ".timeout 10000", str(path)]
        else:
            command = [sys.executable, "-c", f"DUMP={_DUMP!r}\n{_SERVER}", kind, str(path), flag]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        if kind == "shell":
            self._send(f"PRAGMA recursive_triggers={flag};")

    def execute(self, sql: str) -> Table:
        """Run one statement, whatever comes of it."""
        if self._kind == "shell":
            self._send(f"{sql};")
            self._send(f"{_DUMP};")
            rows = json.loads(self._line())
        else:
            self._send(json.dumps(sql))
            _, dump = json.loads(self._line())
            rows = json.loads(dump)
        return {row[0]: tuple(row[1:]) for row in rows}

    def close(self) -> None:
        """End the process as its user would: by closing its input."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()
