"""What becomes of a job that several pieces know of: the newest state wins, and the order of pieces never matters."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperjobs.maintenance.rebuild.decide import AUDIT_ALONE, HISTORY, Origin, decide, in_order
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.pieces import Change, Piece
from support.stores import ROW

DAY = 24 * 3600
BASE = int(datetime(2026, 1, 21, 10, tzinfo=UTC).timestamp())
"""``created_at`` of ``ROW``."""


def cells(**values):
    return tuple({**ROW, "id": "a", **values}[name] for name in COLUMNS)


PENDING = cells(status="pending", started_at=None, completed_at=None, progress=0.0)
RUNNING = cells(status="running", completed_at=None, progress=40.0)
COMPLETED = cells()
BARE = cells(completed_at=None)
"""Completed as hypersdk's client leaves it when it sets the status alone."""
FAILED = cells(status="failed", error="disk full")


def backup(row, at_s, source=0):
    return Piece(source, at_s * 1_000_000, gone=None, cells=row)


def archived(row, at_s, source=1, took_s=0):
    return Piece(source, at_s * 1_000_000, gone=(at_s - took_s) * 1_000_000, cells=row)


def exported(row, source=2):
    return Piece(source, None, gone=None, cells=row)


def log(*steps, segment=0, kind="writer", provider="vsphere", first=1, store="s"):
    """Changes, each ``(at, old, new)`` or with a kind of its own."""
    found = []
    for n, (at, old, new, *more) in enumerate(steps, first):
        found.append(Change(at, n, segment, old, new, provider, more[0] if more else kind, store))
    return found


def value(decision, name):
    return decision.cells[COLUMNS.index(name)]


@pytest.mark.parametrize(
    ("pieces", "wins"),
    [
        ([exported(PENDING), exported(RUNNING)], RUNNING),
        ([exported(RUNNING), exported(COMPLETED)], COMPLETED),
        ([exported(RUNNING), exported(BARE)], BARE),  # the same attempt farther on
        ([backup(RUNNING, BASE + 100), exported(COMPLETED)], COMPLETED),  # it ended after the backup was taken
        ([backup(RUNNING, BASE + 100), exported(BARE)], BARE),
        ([backup(PENDING, BASE + DAY), exported(FAILED)], PENDING),  # a retry that the backup has seen
        ([backup(FAILED, BASE + DAY), backup(PENDING, BASE + 2 * DAY)], PENDING),
        ([backup(COMPLETED, BASE + DAY), exported(RUNNING)], COMPLETED),
        ([backup(RUNNING, BASE + DAY), exported(cells(status="running", completed_at=None, progress=70.0))], None),
    ],
)
def test_of_rows_the_newest_state_wins(pieces, wins):
    decision = decide("a", pieces, [])

    assert decision.origin is Origin.ROW
    assert decision.cells == (wins or pieces[-1].cells)
    assert decision.versions == 2


def test_a_change_that_came_after_the_row_moves_it_on_with_its_times():
    changes = log((BASE, None, "pending"), (BASE + 60, "pending", "running"), (BASE + 3600, "running", "failed"))

    for piece in (backup(PENDING, BASE + 30), exported(PENDING)):
        decision = decide("a", [piece], changes)
        assert decision.origin is Origin.MOVED
        assert value(decision, "status") == "failed"
        assert value(decision, "started_at") == "2026-01-21 10:01:00.000000+00:00"
        assert value(decision, "completed_at") == "2026-01-21 11:00:00.000000+00:00"
        assert decision.changes == [(change.at, change.old, change.new) for change in changes]


def test_a_change_that_came_before_the_row_was_seen_changes_nothing():
    changes = log((BASE, None, "pending"), (BASE + 60, "pending", "running"))

    for piece in (backup(COMPLETED, BASE + DAY), exported(COMPLETED), exported(BARE)):
        decision = decide("a", [piece], changes)
        assert (decision.origin, decision.cells) == (Origin.ROW, piece.cells)


def test_within_the_second_of_a_backup_the_status_tells_what_came_after():
    at = BASE + 60
    changes = log((BASE, None, "pending"), (at, "pending", "running"), (at, "running", "completed"))

    for row in (PENDING, RUNNING):
        assert value(decide("a", [backup(row, at)], changes), "status") == "completed"
    assert decide("a", [backup(COMPLETED, at)], changes).origin is Origin.ROW


def test_a_retry_takes_what_the_attempt_before_left():
    changes = log(
        (BASE, "running", "failed"), (BASE + DAY, "failed", "pending"), (BASE + DAY + 9, "pending", "running")
    )

    decision = decide("a", [backup(FAILED, BASE + 3600)], changes)

    assert value(decision, "started_at") == "2026-01-22 10:00:09.000000+00:00"
    assert (value(decision, "completed_at"), value(decision, "error"), value(decision, "total_size")) == (None, "", 0)


def test_a_job_that_only_the_log_knows_says_so_and_has_nothing_invented():
    changes = log((BASE, None, "pending"), (BASE + 60, "pending", "running"), (BASE + 120, "running", "completed"))

    decision = decide("a", [], changes)

    assert decision.origin is Origin.AUDIT
    assert decision.cells == (
        *("a", "", "", "", "vsphere", "", "completed", "2026-01-21 10:00:00.000000+00:00"),
        *("2026-01-21 10:01:00.000000+00:00", "2026-01-21 10:02:00.000000+00:00", 100.0, "", AUDIT_ALONE, "", 0, 0),
    )


def test_a_job_that_only_the_log_knows_and_that_a_newer_backup_of_that_store_lacks_is_not_made():
    changes = log((BASE, None, "running"))

    assert decide("a", [], changes, snapshots={"s": (BASE + 9) * 1_000_000}).origin is Origin.DELETED
    assert decide("a", [], changes, snapshots={"s": (BASE - 9) * 1_000_000}).origin is Origin.AUDIT
    assert decide("a", [], changes, snapshots={"t": (BASE + 9) * 1_000_000}).origin is Origin.AUDIT


def test_an_id_that_was_no_text_is_nobodys_in_the_log():
    assert decide("a\ufffd", [], log((BASE, None, "running"))).origin is Origin.DELETED


def test_what_was_deleted_last_stays_away_and_what_a_prune_took_comes_when_it_is_asked_for():
    gone = log((BASE, None, "completed"), (BASE + DAY, "completed", None))
    pruned = log((BASE, None, "completed"), (BASE + DAY, "completed", None, "prune"))

    assert decide("a", [exported(COMPLETED)], gone).origin is Origin.DELETED
    assert decide("a", [exported(COMPLETED)], gone, is_pruned_wanted=True).origin is Origin.DELETED
    assert decide("a", [exported(COMPLETED)], pruned).origin is Origin.PRUNED
    assert decide("a", [exported(COMPLETED)], pruned, is_pruned_wanted=True).cells == COMPLETED
    assert decide("a", [archived(COMPLETED, BASE + DAY)], []).origin is Origin.PRUNED
    assert (
        decide("a", [archived(COMPLETED, BASE + DAY), exported(RUNNING)], [], is_pruned_wanted=True).cells == COMPLETED
    )
    assert decide("a", [], pruned, is_pruned_wanted=True).origin is Origin.PRUNED


@pytest.mark.parametrize(
    ("pieces", "changes"),
    [
        ([archived(FAILED, BASE + DAY), backup(FAILED, BASE + 2 * DAY)], []),  # an undo
        ([archived(FAILED, BASE + DAY)], log((BASE + DAY, None, "failed", "returned"))),
        ([archived(FAILED, BASE + DAY)], log((BASE + DAY + 1, None, "failed"))),
        ([archived(COMPLETED, BASE + DAY), exported(cells(completed_at="2026-02-21 10:00:00+00:00"))], []),  # run anew
    ],
)
def test_what_was_deleted_and_is_there_later_is_there(pieces, changes):
    assert decide("a", pieces, changes).cells is not None


def test_a_job_that_was_made_anew_while_its_prune_still_went_on_is_there():
    changes = log((BASE + 5, "completed", None, "prune"), (BASE + 9, None, "pending"))

    decision = decide("a", [archived(COMPLETED, BASE + 30, took_s=30)], changes)

    assert (decision.origin, value(decision, "status")) == (Origin.MOVED, "pending")
    assert (value(decision, "completed_at"), value(decision, "progress")) == (None, 0.0)
    assert decide("a", [archived(COMPLETED, BASE + 30, took_s=30)], changes[:1]).origin is Origin.PRUNED


def test_a_row_seen_before_the_prune_that_took_it_does_not_bring_it_back():
    pieces = [archived(COMPLETED, BASE + DAY), backup(COMPLETED, BASE + DAY), exported(COMPLETED)]

    assert decide("a", pieces, log((BASE + DAY, "running", "completed"))).origin is Origin.PRUNED


def test_changes_that_two_logs_have_count_once_and_those_that_one_has_twice_count_twice():
    flip = [
        (BASE, None, "pending"),
        (BASE, "pending", "running"),
        (BASE, "running", "pending"),
        (BASE, "pending", "running"),
    ]

    for copies in (1, 2, 3):
        changes = [change for copy in range(copies) for change in log(*flip, segment=copy)]
        assert [(c.at, c.old, c.new) for c in in_order(changes)] == flip


def test_what_a_log_says_again_after_the_store_was_rolled_back_counts_once():
    before = log((BASE, None, "pending"), (BASE + 1, "pending", "running"))
    again = log((BASE + 1, "pending", "running"), (BASE + 2, "running", "failed"), segment=1, first=9)

    assert [c.new for c in in_order(before + again)] == ["pending", "running", "failed"]


def test_numbers_tell_the_order_of_one_log_whatever_its_clock_did():
    changes = log((BASE + 3600, None, "pending"), (BASE + 3601, "pending", "running"), (BASE, "running", "failed"))
    copy = [change._replace(segment=1) for change in changes]

    for found in (changes, changes + copy):
        assert [c.new for c in in_order(found)] == ["pending", "running", "failed"]


def test_of_two_changes_that_look_alike_a_copy_of_the_log_drops_none():
    changes = log((BASE, "pending", None, "writer"), (BASE, "pending", None, "prune"))
    copy = [change._replace(segment=1) for change in changes]

    assert [change.kind for change in in_order(changes + copy)] == ["writer", "prune"]


def test_a_job_that_changed_very_often_takes_no_more_than_its_changes():
    steps = [(BASE + n, *(("pending", "running") if n % 2 else ("running", "pending"))) for n in range(30_000)]
    changes = log(*steps) + log(*steps[:-1], segment=1, kind=HISTORY)

    assert [(c.at, c.old, c.new) for c in in_order(changes)] == steps  # the square of it would take minutes


STATUSES = ("pending", "running", "completed", "failed", "cancelled", "odd")
times = st.integers(0, 6).map(lambda n: BASE + n)
stamps = st.none() | st.integers(0, 6).map(lambda n: f"2026-01-21 10:00:0{n}+00:00")
row = st.builds(
    lambda status, started, completed, progress: cells(
        status=status, started_at=started, completed_at=completed, progress=progress
    ),
    st.sampled_from(STATUSES),
    stamps,
    stamps,
    st.sampled_from([0.0, 50.0, None, "x"]),
)
piece = st.builds(
    lambda kind, row, at: {"b": backup(row, at), "a": archived(row, at), "e": exported(row)}[kind],
    st.sampled_from("bae"),
    row,
    times,
)
step = st.tuples(
    times,
    st.none() | st.sampled_from(STATUSES),
    st.none() | st.sampled_from(STATUSES),
    st.sampled_from(["writer", "prune", "returned", "history", HISTORY]),
)
logs = st.lists(st.lists(step, max_size=4), max_size=3)


@settings(max_examples=400, deadline=None)
@given(st.lists(piece, max_size=4), logs, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_in_which_pieces_come_changes_nothing(pieces, steps, is_wanted, chance):
    numbered = [log(*each, segment=number) for number, each in enumerate(steps)]
    changes = list(itertools.chain(*numbered))
    first = decide("a", pieces, changes, is_pruned_wanted=is_wanted)

    for _ in range(4):
        order = list(range(len(steps)))
        chance.shuffle(order)  # which log is read first, and so its number
        again = [change._replace(segment=order[change.segment]) for change in changes]
        shuffled = list(pieces)
        for each in (again, shuffled):
            chance.shuffle(each)
        found = decide("a", shuffled, again, is_pruned_wanted=is_wanted)
        assert (found.origin, found.cells, found.versions, found.changes) == (
            first.origin,
            first.cells,
            first.versions,
            first.changes,
        )


@settings(max_examples=200, deadline=None)
@given(st.lists(piece, min_size=1, max_size=4), logs)
def test_a_piece_that_is_there_twice_changes_nothing(pieces, steps):
    changes = [change for number, each in enumerate(steps) for change in log(*each, segment=number)]
    copies = [change._replace(segment=change.segment + 10) for change in changes]
    once, twice = decide("a", pieces, changes), decide("a", pieces * 2, changes + copies)

    assert (once.origin, once.cells, once.changes) == (twice.origin, twice.cells, twice.changes)


def test_the_last_state_of_a_life_is_found_from_any_row_of_it_and_its_log():
    """A random life by the rules, seen by a backup at any moment, comes out with its last status."""
    chance = random.Random(7)  # noqa: S311 - repeatable on purpose
    moves = {"pending": ["running"], "running": ["completed", "failed"], "failed": ["pending"], "completed": ["failed"]}
    for _ in range(300):
        at, status, steps = BASE, "pending", [(BASE, None, "pending")]
        for _ in range(chance.randrange(6)):
            at += chance.choice([0, 1, 60])
            following = chance.choice(moves[status])
            steps.append((at, status, following))
            status = following
        place = chance.randrange(len(steps))
        seen = backup(cells(status=steps[place][2], started_at=None, completed_at=None), steps[place][0])
        decision = decide("a", [seen], log(*steps))
        assert value(decision, "status") == status
