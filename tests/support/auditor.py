"""A keeper with an audit log in a process of its own, to be killed: ``python -m support.auditor STORE STATE LOG``."""

from __future__ import annotations

import sys
from pathlib import Path

from hyperjobs.clock import SystemClock
from hyperjobs.maintenance.audit.log import AuditSettings
from hyperjobs.maintenance.audit.sink import AuditSink
from hyperjobs.store.continuity import Continuity
from hyperjobs.store.ledger.keeper import Keeper
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.state import StateFile


def main() -> None:
    """Take turns until killed; small folds and small files, so that a kill meets every step."""
    store, state_dir, log = map(Path, sys.argv[1:4])
    clock = SystemClock()
    state = StateFile(state_dir, store, clock=clock)
    keeper = Keeper(
        store,
        options=LedgerOptions(is_audited=True, fold_rows=20),
        state=state,
        continuity=Continuity(state),
        clock=clock,
        audit=AuditSink(AuditSettings(path=log, rotate_bytes=20_000, keep=10_000, fsync=False), clock=clock),
    )
    while True:
        keeper.turn(lambda: False)
        sys.stdout.write(".\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
