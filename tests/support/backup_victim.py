"""Takes backups without end, each dated a day after the one before, in a process that is there to be killed.

``python backup_victim.py STORE DIRECTORY``: each line on stdin starts a victim; its pid is answered. It is forked from
a process that has imported everything and opened nothing, so that a kill falls into the work and not into the start.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

from hyperjobs.errors import BackupRunningError
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.retention import Policy
from hyperjobs.maintenance.backup.task import BackupTask
from hyperjobs.maintenance.task import Turn
from hyperjobs.testing import START, FakeClock


def suffer(store: Path, directory: BackupDirectory) -> None:
    """Back up and rotate until killed."""
    task = BackupTask(store, directory, policy=Policy(last=2), minimum=2, pages=20, pause_s=0.0)
    while True:
        newest = max((name.at for name in directory.names()), default=START)
        clock = FakeClock(newest + timedelta(days=1))
        try:
            task.run(Turn(now=clock.now(), clock=clock))
        except BackupRunningError:  # the one before is killed, and its lock not yet free
            continue


def main() -> None:
    """Start victims as asked."""
    store, directory = Path(sys.argv[1]), BackupDirectory(Path(sys.argv[2]))
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            suffer(store, directory)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        os.waitpid(pid, 0)
        sys.stdout.write("dead\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
