"""What finished in an hour that is kept from scrape to scrape is seen all the same, whichever hour a late finish claims."""

from __future__ import annotations

from datetime import timedelta

import apsw
import pytest

from hyperjobs.store.connection import Connection
from hyperjobs.store.ledger.rollup import read_meta
from hyperjobs.store.ledger.window import LIVE_HOURS, PastHours
from hyperjobs.testing import START
from support.ledgers import Kept, insert, make_store

HOUR = int(START.timestamp()) // 3600


@pytest.mark.parametrize("hours_ago", [0, 1, LIVE_HOURS - 1, LIVE_HOURS, LIVE_HOURS + 1, 23])
def test_a_finish_that_claims_an_earlier_hour_is_in_the_next_scrape(tmp_path, hours_ago):
    store = make_store(tmp_path / "jobs.db")
    kept, past = Kept(store, tmp_path / "state"), PastHours()
    kept.turn()
    reader = Connection(store, read_only=True)

    def scrape():
        windows = reader.read(lambda db: past.windows(db, read_meta(db), HOUR, None))
        return windows["24h"].get(("vsphere", "completed"), 0)

    assert scrape() == 0
    db = apsw.Connection(str(store))
    insert(db, "late", "completed", completed=str(START - timedelta(hours=hours_ago)))
    db.close()
    kept.turn()

    assert scrape() == 1
    reader.close()
    kept.stop()
