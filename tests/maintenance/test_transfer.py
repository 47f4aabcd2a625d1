"""What goes out of a store comes in again to the bit; what is no job does not come in; nothing is done twice."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import subprocess
import sys
import time

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperjobs.errors import ArchiveDamagedError, InvalidJobError, StoreError, StoreInterruptedError, StoreRefusedError
from hyperjobs.maintenance.transfer.exporting import export_jobs
from hyperjobs.maintenance.transfer.formats import guard, unguard
from hyperjobs.maintenance.transfer.importing import copy_jobs, import_jobs
from hyperjobs.maintenance.transfer.reading import Rejected, Source, read_rows, recognise_source
from hyperjobs.store.cells import RawText, insert_cells, read_cells
from hyperjobs.store.connection import Connection
from hyperjobs.store.content import read_content
from hyperjobs.store.flavour import COLUMNS
from hyperjobs.store.merging import Policy
from hyperjobs.store.models import JobFilter
from hyperjobs.store.walk import Order
from support.ledgers import Kept
from support.processes import until
from support.spaces import content_of, turn
from support.stores import ROW, go_store, insert, new_store, script, shell
from support.stores import RawText as StoredText

PLACES = (1, 2, 3, 4, 5, 6, 7)


def store(directory, *rows, name="a"):
    folder = directory / name
    folder.mkdir()
    new_store(folder).close()
    insert(folder / "jobs.db", *rows)
    return folder / "jobs.db"


def many(number, **changes):
    return [{"id": f"job-{index:05}", **changes} for index in range(number)]


def written(path, **options):
    parts = []
    export_jobs(path, parts.append, turn(), **options)
    return b"".join(parts)


def cells_in(path):
    connection = Connection(path, read_only=True)
    try:
        return sorted(
            repr([(type(c).__name__, c) for c in row[-1]]) for row in connection.run(lambda db: read_cells(db, ""))
        )
    finally:
        connection.close()


raw = st.binary(max_size=5)
text = st.text(st.characters(codec="utf-8"), max_size=5)
cell = st.one_of(text, raw, raw.map(RawText), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
row = st.lists(st.one_of(st.none(), cell), min_size=len(COLUMNS), max_size=len(COLUMNS))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pair")
    return store(directory, name="from"), store(directory, name="to")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(row, min_size=1, max_size=4), st.sampled_from(list(Order)))
def test_any_rows_that_a_table_can_hold_come_back_from_json_lines_to_the_bit(pair, tmp_path, rows, order):
    source, target = pair
    file = tmp_path / "jobs.jsonl"
    for path in pair:
        script(path, "DELETE FROM jobs")
    connection = Connection(source)
    for cells in rows:
        sound = tuple("" if value is None and place in PLACES else value for place, value in enumerate(cells))
        with contextlib.suppress(StoreError):  # two with one id
            connection.run(lambda db, sound=sound: insert_cells(db, sound))
    before = connection.read(read_content)
    connection.close()

    out = export_jobs(source, file, turn(), order=order, may_replace=True)
    done = import_jobs(target, file, turn())

    assert not done.rejected
    assert done.jobs.inserted + done.jobs.same == out.jobs == before.jobs
    assert content_of(target).digest == before.digest or done.jobs.same  # two rows without an id can be equal


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("'=+-@\t\ra"), max_size=6))
def test_the_guard_of_csv_can_be_taken_off_and_leaves_no_formula(word):
    assert unguard(guard(word)) == word
    assert not guard(word).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".jsonl.gz", ".json.zst", ".csv.gz"])
def test_what_hypersdk_wrote_goes_out_and_comes_in_by_every_form(tmp_path, suffix):
    source, target, file = go_store(tmp_path), store(tmp_path), tmp_path / f"jobs{suffix}"

    out = export_jobs(source, file, turn())
    done = import_jobs(target, file, turn())

    assert out.jobs > 0
    assert not done.rejected
    assert done.jobs.inserted == out.jobs
    assert cells_in(target) == cells_in(source)
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_json_array_is_that_of_the_sqlite_shell(tmp_path):
    source = store(
        tmp_path, {"id": "a", "name": 'quote " and \\ and é\n'}, {"id": "b", "started_at": None, "progress": 45.0}
    )
    theirs = shell(source, "-json", "SELECT * FROM jobs")

    assert written(source, form="json").decode() == theirs


def test_a_json_array_of_the_sqlite_shell_comes_in_with_its_sound_rows(tmp_path):
    source = store(tmp_path, *many(3), {"id": "bad", "metadata": "[1"})
    file = tmp_path / "seed.json"
    file.write_text(shell(source, "-json", "SELECT * FROM jobs"))
    target = store(tmp_path, name="b")

    done = import_jobs(target, file, turn())

    assert (done.jobs.inserted, dict(done.rejected)) == (3, {"metadata cannot be read": 1})


@pytest.mark.parametrize("number", [0, 1, 499, 500, 501, 4999, 5000, 5001])
def test_every_job_is_exported_once_at_the_edges_of_a_page(tmp_path, number):
    source = store(tmp_path, *many(number))

    for order in Order:
        lines = written(source, order=order).splitlines()
        assert len(lines) == len(set(lines)) == number


def test_ids_that_are_no_text_are_met_too(tmp_path):
    odd = [
        {"id": None},
        {"id": None, "name": "other"},
        {"id": b"job-00001"},
        {"id": StoredText(b"job\xff")},
        {"id": StoredText(b"\xff")},
    ]
    source = store(tmp_path, *many(600), *odd)

    assert len(set(written(source).splitlines())) == 605


def test_a_job_saved_anew_while_an_export_runs_is_in_it_once(tmp_path):
    source = store(tmp_path, *many(1200))
    seen = []

    def write(block):
        seen.append(block)

    class Saving:
        done = 0

        def __call__(self, _what, _done, _all):
            db = apsw.Connection(str(source))
            db.execute("INSERT OR REPLACE INTO jobs SELECT * FROM jobs WHERE id='job-00000'")
            db.close()

    export_jobs(source, write, turn(progress=Saving()))
    ids = [json.loads(line)["id"] for line in b"".join(seen).splitlines()]

    assert len(ids) == len(set(ids)) == 1200


@pytest.mark.parametrize("is_consistent", [True, False])
def test_a_consistent_export_is_of_one_moment(tmp_path, is_consistent):
    source = store(tmp_path, *many(1200))
    seen = []

    def add(_what, _done, _all):
        insert(source, {"id": f"zz-{time.monotonic_ns()}"})

    export_jobs(source, seen.append, turn(progress=add), is_consistent=is_consistent)
    lines = b"".join(seen).splitlines()

    assert len(lines) == 1200 if is_consistent else len(lines) > 1200


def test_filters_and_limit_choose_what_goes_out(tmp_path):
    source = store(tmp_path, *many(5), {"id": "x", "provider": "aws", "status": "failed"})

    assert [
        json.loads(line)["id"] for line in written(source, jobs=JobFilter(provider="aws", text="raw")).splitlines()
    ] == ["x"]
    assert len(written(source, jobs=JobFilter(limit=2)).splitlines()) == 2


def test_csv_keeps_formulas_from_running_unless_told(tmp_path):
    source = store(tmp_path, {"name": "=cmd|' /C calc'!A0", "vm_name": 'with "quotes", and\nlines', "total_size": -5})

    assert b",'=cmd|' /C calc'!A0," in written(source, form="csv")
    assert b",=cmd|" in written(source, form="csv", is_guarded=False)
    assert b'"with ""quotes"", and\nlines"' in written(source, form="csv")
    assert b",-5," in written(source, form="csv")
    assert written(source, form="csv").endswith(b"\r\n")


HISTORY = [
    {
        "timestamp": "2026-01-21T12:00:00.123456789+02:00",
        "vm_name": "web-01",
        "vm_path": "/dc/vm/web-01",
        "provider": "vsphere",
        "format": "ova",
        "output_dir": "/exports/web-01",
        "total_size": 4096,
        "duration": 600_000_000_000,
        "files_count": 2,
        "success": True,
        "compressed": True,
        "verified": False,
        "metadata": {"uploaded_to": "s3://bucket"},
    },
    {
        "timestamp": "2026-01-22T12:00:00Z",
        "vm_name": "db",
        "success": False,
        "error_message": "no route",
        "duration": 1_000,
    },
    {"timestamp": "when?", "vm_name": "db", "success": True},
]


def test_hyperexports_history_comes_in_once(tmp_path):
    target, file = store(tmp_path), tmp_path / "history.json"
    file.write_text(json.dumps(HISTORY, indent=2))

    first, second = import_jobs(target, file, turn()), import_jobs(target, file, turn())

    assert (first.jobs.inserted, dict(first.rejected)) == (2, {"timestamp cannot be read": 1})
    assert (second.jobs.inserted, second.jobs.same) == (0, 2)
    assert shell(
        target, "SELECT vm_name,status,started_at,completed_at,metadata,error FROM jobs ORDER BY created_at"
    ) == (
        "web-01|completed|2026-01-21 09:50:00.123456+00:00|2026-01-21 10:00:00.123456+00:00"
        '|{"uploaded_to":"s3://bucket","format":"ova","compressed":true,"verified":false}|\n'
        "db|failed|2026-01-22 11:59:59.999999+00:00|2026-01-22 12:00:00.000000+00:00|{}|no route\n"
    )


def test_what_the_daemons_rest_interface_answers_comes_in(tmp_path):
    target, file = store(tmp_path), tmp_path / "jobs.json"
    job = {
        "definition": {
            "id": "d-1",
            "name": "Export",
            "vm_path": "/dc/vm/web",
            "output_dir": "/x",
            "created_at": "2026-01-21T10:00:00Z",
        },
        "status": "running",
        "progress": {"percent_complete": 40},
        "started_at": "2026-01-21T10:00:01Z",
        "updated_at": "2026-01-21T10:00:02Z",
    }
    file.write_text(json.dumps({"jobs": [job, {"status": "running"}], "total": 2, "timestamp": "2026-01-21T10:00:00Z"}))

    done = import_jobs(target, file, turn())

    assert (done.jobs.inserted, dict(done.rejected)) == (1, {"has no definition": 1})
    assert shell(target, "SELECT id,vm_name,status,progress FROM jobs") == "d-1|web|running|40.0\n"


BAD = [
    (b"{", "is no JSON"),
    (b"[1]", "is no JSON object"),
    (b'{"id":"x"}', "has no name"),
    (json.dumps({**ROW, "more": 1}).encode(), "has keys that are no columns of a job"),
    (json.dumps({**ROW, "name": None}).encode(), "has no name"),
    (json.dumps({**ROW, "total_size": 2**63}).encode(), "total_size is larger than any integer of SQLite"),
    (json.dumps({**ROW, "name": "\ud800"}).encode(), "name has half a surrogate pair"),
    (json.dumps({**ROW, "name": [1]}).encode(), "name is no value of a row"),
    (json.dumps({**ROW, "name": True}).encode(), "name is no value of a row"),
    (json.dumps({**ROW, "name": {"blob": "%"}}).encode(), "has a value that is none of a row's"),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_a_line_that_is_no_job_is_told_by_its_line_and_reason(tmp_path, line, reason):
    file, rejected = tmp_path / "x.jsonl", []
    good = json.dumps({**ROW, "id": "good"}).encode()
    file.write_bytes(good + b"\n" + line + b"\n" + good.replace(b"good", b"last") + b"\n")

    done = import_jobs(store(tmp_path), file, turn(), rejected=rejected.append)

    assert done.jobs.inserted == 2
    assert [(row.line, row.reason) for row in rejected] == [(2, reason)]


def test_strict_refuses_of_json_lines_what_hypersdk_could_not_read(tmp_path):
    source = store(
        tmp_path,
        {"id": "good"},
        {"id": "null", "error": None},
        {"id": "real", "total_size": 1.5},
        {"id": "odd", "status": "lost"},
    )
    file = tmp_path / "x.jsonl"
    export_jobs(source, file, turn())

    lax, strict = (
        import_jobs(store(tmp_path, name="b"), file, turn()),
        import_jobs(store(tmp_path, name="c"), file, turn(), is_strict=True),
    )

    assert (lax.jobs.inserted, strict.jobs.inserted) == (4, 1)
    assert set(strict.rejected) == {
        "has no error",
        "total_size is no whole number",
        "status is none of pending, running, completed, failed, cancelled",
    }


@pytest.mark.parametrize("is_dry", [True, False])
@pytest.mark.parametrize(
    ("policy", "expected", "progress"),
    [
        (Policy.SKIP, (1, 0, 2, 1), (10.0, 10.0)),
        (Policy.NEWER, (1, 1, 1, 1), (20.0, 10.0)),
        (Policy.REPLACE, (1, 2, 0, 1), (20.0, 20.0)),
    ],
)
def test_a_policy_says_what_becomes_of_a_job_that_is_there(tmp_path, policy, expected, progress, is_dry):
    late, early = "2026-01-21 11:00:00+00:00", "2026-01-21 09:00:00+00:00"
    old = {"progress": 10.0, "completed_at": None, "started_at": "2026-01-21 10:05:00+00:00"}
    target = store(tmp_path, {"id": "newer", **old}, {"id": "older", **old}, {"id": "same"})
    new = {"progress": 20.0, "completed_at": None}
    source = store(
        tmp_path,
        {"id": "newer", **new, "started_at": late},
        {"id": "older", **new, "created_at": early, "started_at": early},
        {"id": "same"},
        {"id": "new"},
        name="b",
    )
    before = content_of(target).digest

    done = copy_jobs(source, target, turn(is_dry=is_dry), policy=policy).jobs

    assert (done.inserted, done.replaced, done.skipped, done.same) == expected
    if is_dry:
        assert content_of(target).digest == before
    else:
        found = shell(target, "SELECT progress FROM jobs WHERE id IN ('newer','older') ORDER BY id")
        assert tuple(map(float, found.split())) == progress


@pytest.mark.parametrize("policy", list(Policy))
def test_a_dry_run_says_of_two_jobs_with_one_id_what_the_real_one_does(tmp_path, policy):
    file = tmp_path / "x.jsonl"
    rows = [
        {**ROW, "id": "a"},
        {**ROW, "id": "a", "progress": 1.0},
        {**ROW, "id": "a", "completed_at": "2027-01-01 00:00:00+00:00"},
        {**ROW, "id": "a"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    target = store(tmp_path)

    dry = import_jobs(target, file, turn(is_dry=True), policy=policy)
    real = import_jobs(target, file, turn(), policy=policy)

    assert dry == real


def test_a_file_that_is_torn_says_so_and_what_came_before_is_in(tmp_path):
    source, file = store(tmp_path, *many(3000)), tmp_path / "x.jsonl.gz"
    export_jobs(source, file, turn())
    file.write_bytes(file.read_bytes()[:-200])
    target = store(tmp_path, name="b")

    with pytest.raises(ArchiveDamagedError, match="cannot be decompressed"):
        import_jobs(target, file, turn())
    plain = tmp_path / "y.jsonl"
    plain.write_bytes(written(source)[:-10])

    done = import_jobs(target, plain, turn())

    assert dict(done.rejected) == {"is no JSON, and the last line: is the file whole?": 1}
    assert content_of(target).jobs == 2999


def test_a_torn_json_array_says_after_how_many_rows(tmp_path):
    source, file = store(tmp_path, *many(30)), tmp_path / "x.json"
    file.write_bytes(written(source, form="json")[:-50])

    with pytest.raises(InvalidJobError, match="after 29 rows"):
        import_jobs(store(tmp_path, name="b"), file, turn())


@pytest.mark.parametrize(
    ("content", "source"),
    [
        (b"", Source.JSONL),
        (b"[]", Source.JSON),
        (b'\xef\xbb\xbf[{"id":"x"}]', Source.JSON),
        (b'[\n  {"timestamp":"x","vm_name":"y","success":true}]', Source.HISTORY),
        (b'{"id":"x"}\n', Source.JSONL),
        (b'{"jobs":[{"definition":{}}]}', Source.DAEMON),
        (b'{"hyperjobs":{"format":1}}\n{}', Source.ARCHIVE),
        (",".join(COLUMNS).encode() + b"\r\n", Source.CSV),
    ],
)
def test_a_file_is_told_by_what_is_in_it(tmp_path, content, source):
    assert recognise_source(content, tmp_path) is source


@pytest.mark.parametrize("content", [b"hello", b"SQLite format 3\0", b"id;name\n"])
def test_a_file_that_is_nothing_known_is_refused(tmp_path, content):
    file = tmp_path / "x"
    file.write_bytes(content)

    with pytest.raises(InvalidJobError, match="no file of jobs"):
        list(read_rows(file))


def test_a_row_of_many_megabytes_comes_in_from_an_array_piece_by_piece(tmp_path):
    file = tmp_path / "x.json.gz"
    with gzip.open(file, "wt") as out:
        out.write(f"[{json.dumps({**ROW, 'error': 'x' * 5_000_000})},\n{json.dumps({**ROW, 'id': 'b'})}]")

    assert import_jobs(store(tmp_path), file, turn()).jobs.inserted == 2


def test_the_bytes_of_texts_that_are_no_utf8_survive_the_shells_json_only_where_they_are_no_job(tmp_path):
    source, file = store(tmp_path, {"name": StoredText(b"\xff")}), tmp_path / "x.json"
    file.write_bytes(
        subprocess.run(
            ["sqlite3", "-json", source, "SELECT * FROM jobs"], capture_output=True, check=True, timeout=60
        ).stdout
    )

    (row,) = read_rows(file)

    assert isinstance(row, Rejected)
    assert row.reason == "name is no UTF-8"


def test_strange_triggers_and_the_daemons_store_are_refused(tmp_path):
    source, target = store(tmp_path, *many(1)), store(tmp_path, name="b")
    script(target, "CREATE TRIGGER strange AFTER INSERT ON jobs BEGIN DELETE FROM jobs; END")

    with pytest.raises(StoreRefusedError, match="strange triggers"):
        copy_jobs(source, target, turn())
    with pytest.raises(StoreRefusedError, match="same store"):
        copy_jobs(source, source, turn())


def test_a_stop_leaves_what_is_in_and_no_file(tmp_path):
    source, target = store(tmp_path, *many(1000)), store(tmp_path, name="b")
    looks = iter([False] * 3)

    with pytest.raises(StoreInterruptedError):
        copy_jobs(source, target, turn(is_stopping=lambda: next(looks, True)))
    with pytest.raises(StoreInterruptedError):
        export_jobs(source, tmp_path / "x.jsonl", turn(is_stopping=lambda: True))

    assert list(tmp_path.glob("*.jsonl")) == list(tmp_path.glob(".*")) == []
    assert copy_jobs(source, target, turn()).jobs.total == 1000
    assert content_of(target).digest == content_of(source).digest


def test_what_comes_in_moves_the_gauges_of_a_ledger_and_no_counter(tmp_path):
    source = store(tmp_path, *many(300), {"id": "x", "status": "failed", "provider": "aws"})
    target = store(tmp_path, {"id": "job-00000", "status": "running", "completed_at": None}, name="b")
    kept = Kept(target, tmp_path / "state")
    kept.turn()
    before = kept.view().rollup

    done = copy_jobs(source, target, turn(), policy=Policy.REPLACE)
    kept.turn()
    after = kept.view().rollup
    kept.stop()

    assert (done.jobs.inserted, done.jobs.replaced) == (300, 1)
    assert after.totals == before.totals
    assert {key: jobs for key, jobs in after.gauges.items() if jobs} == {
        ("vsphere", "completed"): 300,
        ("aws", "failed"): 1,
    }


def test_an_import_that_is_killed_goes_on_to_the_same_end(tmp_path):
    source, target, file = store(tmp_path, *many(20_000)), store(tmp_path, name="b"), tmp_path / "x.jsonl"
    export_jobs(source, file, turn())
    command = [sys.executable, "-m", "hyperjobs", "import", str(file), "--yes", "--store", str(target)]
    for _ in range(3):
        process = subprocess.Popen(command, env={**os.environ, "HOME": str(tmp_path)}, stdout=subprocess.DEVNULL)
        db = apsw.Connection(str(target))
        before = db.execute("SELECT count(*) FROM jobs").fetchall()[0][0]
        enough = min(before + 2_000, 20_000)
        until(
            lambda: process.poll() is not None or db.execute("SELECT count(*) FROM jobs").fetchall()[0][0] >= enough,  # noqa: B023 - called at once
            "some jobs",
        )
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        left = db.execute("SELECT count(*) FROM jobs").fetchall()[0][0]
        db.close()
        assert left > before

    assert left < 20_000
    assert import_jobs(target, file, turn()).jobs.inserted == 20_000 - left
    assert content_of(target).digest == content_of(source).digest
