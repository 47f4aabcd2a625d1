"""Every list equals what a plain reading of all rows gives, whatever zones, forms and filters meet."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperjobs import InvalidJobError, Job, JobCursor, JobFilter
from hyperjobs.store import listing
from hyperjobs.testing import START, make_job
from support.stores import RawText, insert, new_store

ZONES = (0, 0, 0, 330, -210, 540, 60, 840, -720, -840)
ODD = (
    1769000000,
    1769000000123,
    1769000000123456,
    1769000000123456789,
    1769000000123456001,
    -5,
    10**12,
    -(10**12),
    0,
    2.5,
    "",
    "yesterday",
    "2026-99-99 10:00:00+00:00",
    "2026-01-21",
    "2026-01-21 10:00:00Z",
    "2026-01-21 10:00:00",
    "2026-01-21 15:30:00 +0530 IST",
    "2026-01-21 10:00:00 +0000 UTC m=+0.5",
    "0001-01-01 00:00:00+00:00",
    "9999-12-31 23:59:59.999999999-12:00",
    b"2026-01-21 10:00:00+00:00",
    RawText(b"2026-01-21 10:00:0\xff+00:00"),
    RawText(b"\xff"),
)


@st.composite
def written(draw: st.DrawFn) -> object:
    """A created_at as some writer leaves it: few seconds apart over two days, so that zones overlap and ties happen."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(ODD))
    at = START + timedelta(seconds=draw(st.integers(0, 40)) * draw(st.sampled_from((1, 1, 3600, 4321))))
    at = at.astimezone(timezone(timedelta(minutes=draw(st.sampled_from(ZONES)))))
    text = at.isoformat(draw(st.sampled_from("   T")), "seconds")
    fraction = draw(st.sampled_from(("", "", ".5", ".500", ".500000", ".5000001", ".123456789", ".0")))
    return f"{text[:19]}{fraction}{text[19:]}"


rows = st.fixed_dictionaries(
    {
        "created_at": written(),
        "status": st.sampled_from(("completed", "completed", "failed", "running", "odd")),
        "provider": st.sampled_from(("vsphere", "aws", RawText(b"a\xff"))),
        "user": st.sampled_from(("admin", "", None)),
        "vm_name": st.sampled_from(("a", "b")),
        "name": st.sampled_from(("Export Web", "100% done_", "ÄRGER")),
        "error": st.sampled_from(("", None, "web\\down", "ärger")),
    }
)
instants = st.one_of(
    st.none(),
    st.integers(-50, 200_000).map(lambda s: START + timedelta(seconds=s)),
    st.just(datetime.min.replace(tzinfo=UTC)),
    st.just(datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))),
)
filters = st.fixed_dictionaries(
    {
        "status": st.sampled_from((None, None, "completed", ("failed", "running"), (), "odd")),
        "provider": st.sampled_from((None, None, "aws", "nope")),
        "user": st.sampled_from((None, None, "admin", "")),
        "vm_name": st.sampled_from((None, None, "a")),
        "text": st.sampled_from((None, None, None, "WEB", "%", "_", "\\", "ärger", "Ä")),
        "since": instants,
        "until": instants,
        "limit": st.sampled_from((None, 0, 1, 2, 3, 7)),
        "offset": st.sampled_from((0, 0, 1, 5)),
    }
)


def order(job: Job) -> tuple[bool, datetime, str]:
    return (job.created_at is not None, job.created_at or START, job.id)


def is_match(job: Job, asked: JobFilter) -> bool:
    statuses = {asked.status} if isinstance(asked.status, str) else asked.status
    needle = (asked.text or "").casefold()
    return (
        (statuses is None or job.status in statuses)
        and asked.provider in (None, job.provider)
        and asked.user in (None, job.user)
        and asked.vm_name in (None, job.vm_name)
        and (needle in job.name.casefold() or needle in job.error.casefold())
        and (asked.since is None or (job.created_at is not None and job.created_at >= asked.since))
        and (asked.until is None or (job.created_at is not None and job.created_at < asked.until))
    )


def expected(jobs: list[Job], asked: JobFilter) -> list[Job]:
    found = sorted((job for job in jobs if is_match(job, asked)), key=order, reverse=True)
    if asked.after is not None:
        place = (asked.after.created_at is not None, asked.after.created_at or START, asked.after.id)
        found = [job for job in found if order(job) < place]
    return found[asked.offset :][: asked.limit]


def fill(directory: Path, cells: list[dict[str, object]]) -> None:
    new_store(directory).close()
    insert(
        directory / "jobs.db", *({"id": f"j{number * 7 % 31:02d}-{number}", **row} for number, row in enumerate(cells))
    )


@pytest.mark.parametrize("few", [0, 3_000], ids=["walking", "through an index"])
@settings(max_examples=150)
@given(cells=st.lists(rows, max_size=30), asked=filters, stride=st.sampled_from((1, 3, 64)), data=st.data())
def test_a_list_is_what_a_reading_of_all_rows_gives(few, cells, asked, stride, data):
    """With the constants turned down, so that a few rows reach every path that a million take."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_FEW", few)
        patch.setattr(listing, "_FIRST_STRIDE", stride)
        patch.setattr(listing, "_PATIENCE", stride * 4)
        fill(Path(directory), cells)
        with new_store(Path(directory)) as store:
            everything = [store.load_job(f"j{number * 7 % 31:02d}-{number}") for number in range(len(cells))]
            after = data.draw(st.sampled_from([None, *everything])) if everything else None
            jobs_filter = JobFilter(**asked, after=after)

            found = store.list_jobs(jobs_filter)
            counted = store.count_jobs(jobs_filter)
            patch.setattr("hyperjobs.store.job_store._ITER_PAGE_ROWS", 2)
            paged = list(store.iter_jobs(jobs_filter))

    wanted = [job.id for job in expected(everything, jobs_filter)]
    assert [job.id for job in found] == wanted
    assert [job.id for job in paged] == wanted
    assert counted == sum(is_match(job, jobs_filter) for job in everything)


near = st.builds(
    lambda seconds, zone, separator, fraction: (
        f"{(text := (START + timedelta(seconds=seconds)).astimezone(timezone(timedelta(minutes=zone))).isoformat(separator, 'seconds'))[:19]}"
        f"{fraction}{text[19:]}"
    ),
    st.integers(0, 4) | st.integers(0, 130_000),
    st.sampled_from((0, 0, 330, 840, -720)),
    st.sampled_from("   T"),
    st.sampled_from(("", ".5", ".500", ".5000001", ".49", ".0")),
)


@settings(max_examples=300)
@given(
    times=st.lists(near, min_size=8, max_size=24),
    size=st.integers(1, 4),
    stride=st.sampled_from((1, 2)),
    data=st.data(),
)
def test_a_short_page_of_mixed_zones_is_the_newest_by_instant(times, size, stride, data):
    """The walk stops after the first rows in text order; what could still be newer must not be missed."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_FIRST_STRIDE", stride)
        fill(Path(directory), [{"created_at": text} for text in times])
        with new_store(Path(directory)) as store:
            everything = store.list_jobs()
            after = data.draw(st.sampled_from([None, *everything]))

            found = store.list_jobs(JobFilter(limit=size, after=after))

    assert [job.id for job in everything] == [job.id for job in expected(everything, JobFilter())]
    assert [job.id for job in found] == [job.id for job in expected(everything, JobFilter(limit=size, after=after))]


def test_jobs_come_newest_first_by_instant_and_not_by_text(tmp_path):
    with new_store(tmp_path) as store:
        insert(
            store.path,
            {"id": "tokyo", "created_at": "2026-01-21 12:00:00+09:00"},
            {"id": "utc", "created_at": "2026-01-21 10:00:00+00:00"},
            {"id": "newfoundland", "created_at": "2026-01-21 09:00:00-03:30"},
        )

        assert [job.id for job in store.list_jobs()] == ["newfoundland", "utc", "tokyo"]


def test_since_belongs_to_the_range_and_until_does_not(tmp_path):
    with new_store(tmp_path) as store:
        at = [START + timedelta(microseconds=step) for step in (-1, 0, 1)]
        store.save_jobs(make_job(id=str(number), created_at=moment) for number, moment in enumerate(at))

        assert [job.id for job in store.list_jobs(JobFilter(since=START))] == ["2", "1"]
        assert [job.id for job in store.list_jobs(JobFilter(until=START))] == ["0"]


def test_an_integer_that_somebody_else_wrote_is_found_in_its_place(tmp_path):
    with new_store(tmp_path) as store:
        store.save_jobs([make_job(id="new", created_at=START), make_job(id="old", created_at=START - timedelta(1))])
        insert(store.path, {"id": "int", "created_at": int((START - timedelta(hours=1)).timestamp())})

        assert [job.id for job in store.list_jobs()] == ["new", "int", "old"]
        assert [job.id for job in store.list_jobs(JobFilter(since=START - timedelta(hours=2)))] == ["new", "int"]


def test_paging_by_after_meets_every_job_once(tmp_path):
    with new_store(tmp_path) as store:
        store.save_jobs(make_job(id=f"{number:02d}", created_at=START) for number in range(20))

        pages, after = [], None
        while page := store.list_jobs(JobFilter(limit=3, after=after)):
            pages += page
            after = page[-1].cursor

    assert [job.id for job in pages] == [f"{number:02d}" for number in reversed(range(20))]


def test_the_cursor_of_a_deleted_job_still_holds_its_place(tmp_path):
    with new_store(tmp_path) as store:
        store.save_jobs(make_job(id=str(number), created_at=START + timedelta(number)) for number in range(3))
        cursor = store.load_job("1").cursor
        store.delete_job("1")

        assert [job.id for job in store.list_jobs(JobFilter(after=cursor))] == ["0"]


def test_iter_jobs_survives_deletes_between_its_pages(tmp_path, monkeypatch):
    monkeypatch.setattr("hyperjobs.store.job_store._ITER_PAGE_ROWS", 2)
    with new_store(tmp_path) as store:
        store.save_jobs(make_job(id=str(number), created_at=START + timedelta(number)) for number in range(6))
        seen = []

        for job in store.iter_jobs():
            seen.append(job.id)
            store.delete_job(job.id)

        assert seen == ["5", "4", "3", "2", "1", "0"]
        assert store.count_jobs() == 0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"limit": -1}, "limit"),
        ({"offset": -1}, "offset"),
        ({"since": datetime(2026, 1, 1)}, "no time zone"),  # noqa: DTZ001 - what is refused
        ({"until": datetime(2026, 1, 1)}, "no time zone"),  # noqa: DTZ001 - as above
        ({"since": "2026-01-01"}, "no datetime"),
        ({"provider": "a\0b"}, "NUL"),
        ({"user": "\ud800"}, "surrogate"),
        ({"text": "\ud800"}, "surrogate"),
        ({"status": [1]}, "no text"),
        ({"after": "x"}, "neither"),
        ({"after": JobCursor(datetime(2026, 1, 1), "x")}, "no time zone"),  # noqa: DTZ001 - as above
    ],
)
def test_a_filter_that_no_job_can_meet_is_refused_with_its_reason(tmp_path, asked, words):
    with new_store(tmp_path) as store:
        with pytest.raises(InvalidJobError, match=words):
            store.list_jobs(JobFilter(**asked))
        with pytest.raises(InvalidJobError, match=words):
            store.iter_jobs(JobFilter(**asked))


def test_equal_instants_with_other_zeros_are_ordered_by_id(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "_FIRST_STRIDE", 1)
    with new_store(tmp_path) as store:
        forms = {"a": ".5000", "b": ".500", "c": ".50", "z": ".5"}
        insert(store.path, *({"id": i, "created_at": f"2026-01-21 10:00:00{f}+00:00"} for i, f in forms.items()))

        assert [job.id for job in store.list_jobs(JobFilter(limit=1))] == ["z"]
