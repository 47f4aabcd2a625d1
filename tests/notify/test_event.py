"""The closed list of events, and who hears of which."""

from __future__ import annotations

import pytest

from hyperjobs.notify.event import KINDS, is_pattern, is_wanted


@pytest.mark.parametrize(
    ("patterns", "heard", "unheard"),
    [
        (None, {"backup.failed", "store.up", "agent.not_scraped"}, {"task.ok", "task.started", "task.skipped", "test"}),
        (["*"], {"task.ok", "store.up", "task.started"}, {"test"}),
        (["task.failed"], {"task.failed", "backup.failed", "integrity.damaged"}, {"task.recovered", "reload.failed"}),
        (["backup.*"], {"backup.failed", "backup.recovered"}, {"task.failed", "integrity.damaged"}),
        (["*.failed"], {"task.failed", "backup.failed", "reload.failed", "integrity.damaged"}, {"store.down"}),
        (["store.down", "store.up"], {"store.down", "store.up"}, {"store.frozen"}),
    ],
)
def test_a_pattern_asks_for_events_by_area_and_by_what_happened(patterns, heard, unheard):
    assert {name for name in heard | unheard if is_wanted(name, patterns)} == heard


@pytest.mark.parametrize("pattern", ["task.faild", "disk.*", "*.nothing", "", "task", "task.*.x", "**"])
def test_what_matches_no_event_is_no_pattern(pattern):
    assert not is_pattern(pattern)


def test_every_failure_has_an_end_of_its_own_and_nothing_else_does():
    ends = [kind.recovery for kind in KINDS.values() if kind.recovery is not None]

    assert len(ends) == len(set(ends))
    assert all(KINDS[end].recovery is None for end in ends)
    assert {name for name, kind in KINDS.items() if kind.recovery} == {
        name for name in KINDS if name.rpartition(".")[2] in {"failed", "damaged", "down", "frozen", "not_scraped"}
    }
