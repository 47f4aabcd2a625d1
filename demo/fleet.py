"""The daemon's part: writes what the fleet does, as it happens, until SIGTERM: ``python -m demo.fleet STORE``."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from pathlib import Path
from typing import Final

from demo.life import Fleet
from demo.rhythm import incidents
from demo.writer import connect, unfinished

_LONGEST_WAIT_S: Final = 1.0
_QUIET_S: Final = 2_700.0
_INCIDENT_S: Final = 700.0
"""More trouble than a fleet should have, so that there is some to see."""


def main() -> None:
    """Write until told to end."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("store", type=Path)
    words.add_argument("--speed", type=float, default=1.0)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--day", type=float, default=14.0)
    given = words.parse_args()
    stopping: list[int] = []  # no Event: its lock could be held by the very wait that a signal comes into
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda heard, _frame: stopping.append(heard))
    chance = random.Random(f"fleet {given.seed}")  # noqa: S311 - no secret
    began_s = time.time()
    trouble = incidents(chance, began_s, _QUIET_S / given.speed, length_s=_INCIDENT_S / given.speed)
    fleet = Fleet(chance, began_s, trouble, speed=given.speed, day=given.day)
    db = connect(given.store)
    fleet.adopt(unfinished(db))
    sys.stdout.write("fleet: ready\n")
    sys.stdout.flush()
    while not stopping:
        for sql, values in fleet.until(time.time()):
            db.execute(sql, values).fetchall()  # each its own transaction, as the daemon has it
            if stopping:
                break
        if not stopping:
            time.sleep(min(max(fleet.next_s - time.time(), 0.01), _LONGEST_WAIT_S))
    db.close()


if __name__ == "__main__":
    main()
