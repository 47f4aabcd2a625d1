"""A program that stands for hypersdk's daemon: it opens the store as that does, and writes lives of jobs until it is ended.

Run as ``python living_writer.py STORE LOG``. The id of each job that SQLite has acknowledged is appended to LOG; what could
not be written is tried again with another job, as a daemon goes on.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import apsw

PACE_S = 0.02
SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, vm_name TEXT NOT NULL, vm_path TEXT NOT NULL, provider TEXT NOT NULL,
  output_dir TEXT NOT NULL, status TEXT NOT NULL, created_at TIMESTAMP NOT NULL, started_at TIMESTAMP,
  completed_at TIMESTAMP, progress REAL DEFAULT 0, error TEXT, metadata TEXT, user TEXT,
  total_size INTEGER DEFAULT 0, files_count INTEGER DEFAULT 0);
CREATE INDEX IF NOT EXISTS idx_status ON jobs(status);
CREATE INDEX IF NOT EXISTS idx_created_at ON jobs(created_at DESC);
CREATE INDEX IF NOT EXISTS idx_provider ON jobs(provider);
CREATE INDEX IF NOT EXISTS idx_user ON jobs(user);
CREATE INDEX IF NOT EXISTS idx_vm_name ON jobs(vm_name);
CREATE TABLE IF NOT EXISTS schema_version (
  version INTEGER PRIMARY KEY, applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
INSERT OR IGNORE INTO schema_version(version) VALUES(1);
"""


def opened(store: Path) -> apsw.Connection:
    """The store, made when it is not there."""
    db = apsw.Connection(str(store))
    db.set_busy_timeout(5000)
    db.execute("PRAGMA journal_mode=WAL").fetchall()
    db.execute("PRAGMA synchronous=NORMAL").fetchall()
    for _ in db.execute(SCHEMA):
        pass
    return db


def live(db: apsw.Connection, job: str) -> None:
    """One job from its start to its end, each step a transaction."""
    now = time.strftime("%Y-%m-%d %H:%M:%S+00:00", time.gmtime())
    values = (job, "n", "web-01", "/dc/vm/web-01", "vsphere", "/exports", "running", now, now, 1024)
    db.execute(
        "INSERT OR REPLACE INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at,started_at,total_size,"
        "error,metadata,user) VALUES(?,?,?,?,?,?,?,?,?,?,'','null','admin')",
        values,
    )
    db.execute("UPDATE jobs SET status='completed', completed_at=?, progress=100 WHERE id=?", (now, job))


def say(line: str) -> None:
    """One line for whoever started it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(store: Path, log: Path) -> None:
    """Write until a signal comes."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    db = opened(store)
    say("writing")
    count, birth = 0, time.time_ns()
    with log.open("a") as written:
        while not stop.wait(PACE_S):
            count += 1
            job = f"live-{birth}-{count:06d}"
            try:
                live(db, job)
            except apsw.Error as exc:
                say(f"not written: {exc}")
                continue
            written.write(f"{job}\n")
            written.flush()
    db.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
