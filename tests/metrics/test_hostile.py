"""Whatever a writer puts into the table: the scrape answers, is valid in both formats, bounded, and counts the rest."""

from __future__ import annotations

import random

import apsw
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from hyperjobs.metrics.catalogue import PREFIX
from support.ledgers import insert, make_store
from support.scrapes import OPENMETRICS, by, hand_turned, read_openmetrics, samples_of, value

NAMES = 50_000
PIECES = [
    "\n",
    "\r",
    '"',
    "\\",
    "}",
    "{",
    ",",
    "=",
    "\0",
    "\t",
    "\x7f",
    "\u2028",
    "\u200f",
    "é",
    "日本",
    "😀",
    " ",
    "#",
    "a",
    "\ufeff",
]


def hostile_names():
    """Distinct names, as bytes: some are no UTF-8 (lone surrogates among them), some are 10 kB long."""
    rng = random.Random(18)  # noqa: S311 - the same names each time
    for number in range(NAMES):
        text = "".join(rng.choices(PIECES, k=rng.randint(0, 8))) + str(number)
        tail = rng.choice([b"", b"\xed\xa0\x80", b"\xff\xfe", b"\xc3"])
        yield text.encode() + tail + (b"x" * 10_000 if number % 500 == 0 else b"")


def write_hostile(db, names):
    """As a writer in another language does: bytes bound as text."""
    sql = "INSERT INTO jobs VALUES(?,?,?,?,CAST(? AS TEXT),?,?,?,?,?,?,?,?,?,?,?)"
    rows = (
        (f"j{n}", "n", "vm", "/vm", name, "/o", "completed", "2026-01-01 10:00:00+00:00", "2026-01-01 10:01:00+00:00",
         "2026-01-01 10:02:00+00:00", 1.0, "", "null", "", 1, 1)
        for n, name in enumerate(names)
    )  # fmt: skip
    with db:
        db.executemany(sql, rows)


@pytest.mark.parametrize(
    ("mode", "is_ledger_first"),
    [("triggers", False), ("triggers", True), ("scan", False)],
    ids=["baseline", "fold", "scan"],
)
def test_50_000_hostile_providers_give_at_most_51_values_in_a_valid_exposition(tmp_path, mode, is_ledger_first):
    store = make_store(tmp_path / "jobs.db")
    with hand_turned(store, tmp_path / "state", store__ledger=mode) as agent:
        if is_ledger_first:
            agent.turn()
        db = apsw.Connection(str(store))
        write_hostile(db, hostile_names())
        db.close()
        agent.turn()
        text = samples_of(list(parse_text(agent.body())))
        openmetrics = samples_of(read_openmetrics(agent.body(OPENMETRICS)))

    assert value(text, "store_up") == 1
    for samples in (text, openmetrics):
        jobs = by(samples, "jobs", "provider", "status")
        assert sum(jobs.values()) == NAMES
        providers = {dict(labels)["provider"] for (_, labels) in samples if "provider" in dict(labels)}
        assert "other" in providers
        assert len(providers) <= 51
        assert all(len(name.encode()) <= 128 and name.isprintable() for name in providers)
    if is_ledger_first:
        assert value(text, "label_overflow_total") > 0
    tables = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)
    if mode == "triggers":
        assert tables.execute("SELECT count(DISTINCT provider) FROM hyperjobs_gauge").fetchall()[0][0] <= 51
        assert tables.execute("SELECT count(DISTINCT provider) FROM hyperjobs_hour").fetchall()[0][0] <= 51
    tables.close()


def test_an_allow_list_is_the_bound_when_there_is_one(tmp_path):
    store = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(store))
    for number, provider in enumerate(["aws", "vsphere", "gcp", "aws"]):
        insert(db, f"j{number}", provider=provider)
    db.close()

    with hand_turned(store, tmp_path / "state", metrics__providers=["aws"]) as agent:
        agent.turn()
        found = by(agent.samples(), "jobs", "provider", "status")

    assert {key: n for key, n in found.items() if n} == {("aws", "pending"): 2, ("other", "pending"): 2}


BAD_ROWS = {
    "invalid UTF-8 in every text": "INSERT INTO jobs SELECT id||CAST(x'ff' AS TEXT),CAST(x'fe' AS TEXT),vm_name,CAST(x'c328' AS TEXT),"
    "CAST(x'eda080' AS TEXT),output_dir,status,created_at,CAST(x'ff' AS TEXT),completed_at,progress,CAST(x'ff' AS TEXT),"
    "CAST(x'ff' AS TEXT),user,total_size,files_count FROM jobs WHERE id='good'",
    "a status that is no UTF-8": "INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at)"
    " VALUES('u','n','v','/v','vsphere','/o',CAST(x'ff' AS TEXT),'2026-01-01 10:00:00+00:00')",
    "NUL within text": "INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at)"
    " VALUES('n','n'||char(0)||'x','v','/v','a'||char(0)||'b','/o','run'||char(0),'2026'||char(0))",
    "blobs in text": "INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at,completed_at,total_size)"
    " VALUES(x'00ff',x'00',x'00',x'00',x'ff00',x'00',x'636f',x'32',x'00',x'0102')",
    "numbers in text": "INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at,started_at,completed_at,total_size)"
    " VALUES(1,2,3,4,5.5,6,'completed',7,8e300,-9e300,1e300)",
    "infinite and huge sizes": "INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at,total_size,files_count,progress)"
    " VALUES('h','n','v','/v','vsphere','/o','failed','2026-01-01 10:00:00+00:00',9223372036854775807,-9223372036854775808,9e999)",
    "years 0001 and 9999": "INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at,started_at,completed_at)"
    " VALUES('y','n','v','/v','vsphere','/o','completed','0001-01-01 00:00:00+14:00','0001-01-01 00:00:00+14:00','9999-12-31 23:59:59-12:00')",
    "ages from the year 0001": "INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at)"
    " VALUES('p','n','v','/v','vsphere','/o','pending','0001-01-01 00:00:00+00:00')",
    "completed before started": "INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at,started_at,completed_at)"
    " VALUES('b','n','v','/v','vsphere','/o','completed','2026-01-01 10:00:00+00:00','2026-01-01 12:00:00+00:00','2026-01-01 11:00:00+00:00')",
    "no JSON": "INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at,metadata)"
    " VALUES('m','n','v','/v','vsphere','/o','running','2026-01-01 10:00:00+00:00','{{{')",
    "a text of 100 MB": "INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at,error)"
    " VALUES('l','n','v','/v',printf('%.*c',5000000,'x'),'/o','running','2026-01-01 10:00:00+00:00',printf('%.*c',100000000,'x'))",
    "an empty provider and status": "INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at)"
    " VALUES('e','n','v','/v','','/o','','')",
    "a NULL id": "INSERT INTO jobs(id,name,vm_name,vm_path,provider,output_dir,status,created_at)"
    " VALUES(NULL,'n','v','/v','vsphere','/o','pending','2026-01-01 10:00:00+00:00')",
}  # fmt: skip


@pytest.mark.parametrize("mode", ["baseline", "fold", "scan"])
@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_counted_as_a_job_and_costs_no_other_its_numbers(tmp_path, name, mode):
    store = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(store))
    insert(
        db,
        "good",
        "completed",
        provider="aws",
        started="2026-01-01 11:00:00+00:00",
        completed="2026-01-01 12:00:00+00:00",
        size=7,
    )
    with hand_turned(store, tmp_path / "state", store__ledger="scan" if mode == "scan" else "triggers") as agent:
        if mode == "fold":
            agent.turn()
        db.execute(BAD_ROWS[name])
        db.close()
        unfolded = agent.samples() if mode == "fold" else None
        agent.turn()
        agent.care._sample(lambda: False)
        text = samples_of(list(parse_text(agent.body())))
        read_openmetrics(agent.body(OPENMETRICS))

    for samples in filter(None, (text, unfolded)):
        assert value(samples, "store_up") == 1
        assert sum(by(samples, "jobs", "provider", "status").values()) == 2
        assert value(samples, "jobs", provider="aws", status="completed") == 1
        assert value(samples, "job_duration_seconds_sum", provider="aws", status="completed") == 3600
        assert value(samples, "job_bytes_total", provider="aws") == 7
        assert all(found == 1 for found in by(samples, "collector_success", "collector").values())


@pytest.mark.parametrize("mode", ["triggers", "scan"])
def test_a_negative_duration_counts_as_0_and_is_said_so(tmp_path, mode):
    store = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(store))
    db.execute(BAD_ROWS["completed before started"])
    db.close()

    with hand_turned(store, tmp_path / "state", store__ledger=mode) as agent:
        agent.turn()
        samples = agent.samples()

    assert value(samples, "rows_skipped_total", reason="negative_duration") == 1
    assert value(samples, "job_duration_seconds_count", provider="vsphere", status="completed") == 1
    assert value(samples, "job_duration_seconds_sum", provider="vsphere", status="completed") == 0


def test_no_label_carries_an_id_a_machine_a_user_or_a_message(tmp_path):
    store = make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(store))
    sql = "INSERT INTO jobs VALUES('SECRET-ID','SECRET-NAME','SECRET-VM','/SECRET','vsphere','/SECRET','failed',?,?,?,1,'SECRET-ERROR','{\"k\":\"SECRET\"}','SECRET-USER',1,1)"
    db.execute(sql, ("2026-01-01 10:00:00+00:00",) * 3)
    db.close()

    with hand_turned(store, tmp_path / "state") as agent:
        agent.turn()
        body = agent.body()

    assert PREFIX in body
    assert "SECRET" not in body
