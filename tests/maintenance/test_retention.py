"""Which backups stay: restic's rules, held against a second implementation that shares no line with the first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.errors import ConfigError
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.backup.retention import Policy, check_policy, decide, simulate

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def names(*moments: datetime) -> list[BackupName]:
    return [BackupName(number, at, "jobs") for number, at in enumerate(moments, 1)]


def days_back(*days: float) -> list[BackupName]:
    """The oldest first, as they would have been taken."""
    return names(*(NOW - timedelta(days=day) for day in sorted(days, reverse=True)))


def reasons(backups, policy, *, minimum=1, now=NOW, pinned=()):
    return {d.name.sequence: d.reasons for d in decide(backups, policy, minimum=minimum, now=now, pinned=pinned)}


def stays(backups, policy, **options):
    return {sequence for sequence, why in reasons(backups, policy, **options).items() if why}


def test_each_rule_keeps_the_newest_of_its_periods_and_the_rules_add_up():
    backups = days_back(0, 0.1, 1, 2, 3, 8, 40)

    found = reasons(backups, Policy(last=2, daily=2, monthly=2))

    assert found[7] == ("last", "daily", "monthly")
    assert found[6] == ("last",)
    assert found[5] == ("daily", "monthly")  # the last of February
    assert [sequence for sequence, why in found.items() if not why] == [4, 3, 2, 1]


def test_a_day_without_a_backup_does_not_count_as_one():
    backups = days_back(0, 100, 200, 300)

    assert stays(backups, Policy(daily=3)) == {4, 3, 2}


def test_weeks_are_iso_weeks_also_over_the_new_year():
    monday = datetime(2025, 12, 29, 10, tzinfo=UTC)  # of the first ISO week of 2026
    backups = names(monday - timedelta(days=1), monday, monday + timedelta(days=6))

    assert stays(backups, Policy(weekly=2), now=monday + timedelta(days=7)) == {1, 3}


@pytest.mark.parametrize(("second", "kept"), [("04:59:59", {2, 3}), ("05:00:00", {1, 3})])
def test_days_are_utc_days_whatever_the_offset(second, kept):
    """In a zone five hours ahead: the day before ends at five in the morning."""
    backups = names(
        *(datetime.fromisoformat(f"2026-02-{at}+05:00") for at in ("10T04:00:00", f"10T{second}", "10T06:00:00"))
    )

    assert {number for number, why in reasons(backups, Policy(daily=2)).items() if "daily" in why} == kept


def test_the_oldest_stays_while_its_rule_has_places_left():
    assert reasons(days_back(0, 0.1, 0.2), Policy(daily=7)) == {3: ("daily",), 2: (), 1: ("oldest daily",)}
    assert reasons(days_back(0, 0.1, 0.2), Policy(daily=1)) == {3: ("daily",), 2: (), 1: ()}


def test_a_backup_from_the_future_pushes_none_out():
    backups = [*days_back(0, 1, 2), *names(NOW + timedelta(days=400))]
    backups[3] = BackupName(4, backups[3].at, "jobs")

    assert stays(backups, Policy(last=2)) == {4, 3, 2}
    assert reasons(backups, Policy(last=2))[4] == ("future",)


def test_a_backup_from_the_future_is_not_one_of_the_minimum():
    backups = [*days_back(0, 1, 2), BackupName(4, NOW + timedelta(seconds=1), "jobs")]

    assert stays(backups, Policy(last=1), minimum=2) == {4, 3, 2}


def test_a_pinned_backup_stays():
    backups = days_back(0, 1, 2, 3)

    assert reasons(backups, Policy(last=1), pinned=[backups[0]])[1] == ("pinned",)


def test_the_minimum_stays_whatever_the_rules_say():
    found = reasons(days_back(0, 1, 2, 3), Policy(last=1), minimum=3)

    assert found == {4: ("last",), 3: ("minimum",), 2: ("minimum",), 1: ()}


@pytest.mark.parametrize(
    ("policy", "minimum"), [(Policy(), 2), (Policy(last=-1), 2), (Policy(daily=3, weekly=-1), 2), (Policy(last=1), 0)]
)
def test_a_policy_that_keeps_nothing_is_refused(policy, minimum):
    with pytest.raises(ConfigError, match="retention"):
        check_policy(policy, minimum)
    with pytest.raises(ConfigError):
        decide([], policy, minimum=minimum, now=NOW)


def _naive(backups, policy, minimum, now, pinned):
    """The rules once more, by sets and periods instead of one pass."""
    past = [backup for backup in backups if backup.at <= now]
    newest_first = sorted(past, key=lambda b: (b.at, b.sequence))[::-1]
    kept = {backup for backup in backups if backup.at > now or backup in pinned}
    kept |= set(newest_first[: policy.last])
    keys = {
        "hourly": lambda b: (b.at.year, b.at.timetuple().tm_yday, b.at.hour),
        "daily": lambda b: b.at.toordinal(),
        "weekly": lambda b: (b.at.toordinal() - 1) // 7,
        "monthly": lambda b: b.at.year * 12 + b.at.month,
        "yearly": lambda b: b.at.year,
    }
    for rule, key in keys.items():
        count = getattr(policy, rule)
        periods = sorted({key(backup) for backup in past}, reverse=True)
        for period in periods[:count]:
            kept.add(max((b for b in past if key(b) == period), key=lambda b: (b.at, b.sequence)))
        if past and len(periods) < count:
            kept.add(newest_first[-1])
    for backup in newest_first:
        if len(kept & set(past)) >= minimum:
            break
        kept.add(backup)
    return kept


_MOMENTS = st.integers(-30, 24 * 800).flatmap(
    lambda hours: st.integers(0, 3599).map(lambda seconds: NOW - timedelta(hours=hours, seconds=seconds))
)


@given(
    moments=st.lists(_MOMENTS, max_size=60),
    counts=st.lists(st.integers(0, 8), min_size=6, max_size=6).filter(any),
    minimum=st.integers(1, 5),
    data=st.data(),
)
def test_the_rules_are_those_of_a_second_implementation(moments, counts, minimum, data):
    backups = data.draw(st.permutations(names(*moments)))
    pinned = data.draw(st.lists(st.sampled_from(backups), max_size=3)) if backups else []
    policy = Policy(**dict(zip(("last", "hourly", "daily", "weekly", "monthly", "yearly"), counts, strict=True)))

    decisions = decide(backups, policy, minimum=minimum, now=NOW, pinned=pinned)

    assert {decision.name for decision in decisions if decision.stays} == _naive(backups, policy, minimum, NOW, pinned)
    assert sorted(decision.name for decision in decisions) == sorted(backups)


@given(moments=st.lists(_MOMENTS, max_size=40), last=st.integers(0, 5), daily=st.integers(1, 5))
def test_what_stays_once_stays_when_asked_again(moments, last, daily):
    policy = Policy(last=last, daily=daily)
    kept = [decision.name for decision in decide(names(*moments), policy, now=NOW) if decision.stays]

    assert all(decision.stays for decision in decide(kept, policy, now=NOW))


def test_a_year_of_days_ends_as_the_policy_says():
    *_, (moment, decisions) = simulate(Policy(last=3, daily=7, weekly=4, monthly=6), start=NOW, days=400)

    kept = [decision for decision in decisions if decision.stays]
    assert moment == NOW + timedelta(days=399)
    assert sum("daily" in decision.reasons for decision in kept) == 7
    assert sum("weekly" in decision.reasons for decision in kept) == 4
    assert sum("monthly" in decision.reasons for decision in kept) == 6
    assert len(kept) == 7 + 3 + 4  # the newest is of this week and month too, and the last of March of the seven days
