"""Every trouble that users are told of is found by a check, each made here for real; on a sound host nothing is."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from hyperjobs.config import Config, load_config
from hyperjobs.doctor.case import Case
from hyperjobs.doctor.check import Check
from hyperjobs.doctor.finding import Finding, Level, exit_code
from hyperjobs.doctor.fix import plan_fix
from hyperjobs.doctor.registry import FIRST, NAMES, OTHERS
from hyperjobs.doctor.round import is_any_left, visit
from hyperjobs.errors import HyperjobsError
from hyperjobs.maintenance.scratch import private_folder
from hyperjobs.maintenance.task import Turn
from hyperjobs.store.connection import Connection
from hyperjobs.store.holds import Holds
from hyperjobs.store.ledger.install import install
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.mend import KINDS
from hyperjobs.store.state import StateFile
from hyperjobs.testing import FakeClock
from support.disks import MIB, fill, remount_read_only, small_disk
from support.doctor_host import Host
from support.holders import held
from support.processes import agent, running

PAGE = 4096


def levels(findings):
    return {each["check"]: each["level"] for each in findings}


def damage(path, pages):
    """Overwrite pages with noise, nobody having the file open."""
    noise = random.Random(7)  # noqa: S311 - no secret
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * PAGE)
            file.write(noise.randbytes(PAGE))


def test_a_sound_host_has_no_failure_and_answers_0(host):
    code, findings = host.doctor()

    assert code == 0
    assert {each["check"] for each in findings} == set(NAMES)
    assert [each for each in findings if each["level"] == "failed"] == []
    # what is to be expected before an agent ran here
    assert {each["check"] for each in findings if each["level"] == "warning"} == {"agent", "backup", "drill"}


def test_a_sound_host_with_its_agent_and_a_backup_has_no_warning_but_of_what_never_ran(host, tmp_path):
    arguments = ["--config", str(host.file)]
    with agent(host.store, state_dir=tmp_path / "state", arguments=arguments) as running_agent:
        host.options["web"]["listen"] = [running_agent.url.removeprefix("http://")]
        host.write()
        running_agent.get("/metrics")
        subprocess.run(
            [sys.executable, "-m", "hyperjobs", "backup", "create", *arguments], check=True, capture_output=True
        )
        code, findings = host.doctor()

    assert code == 0
    assert {each["check"] for each in findings if each["level"] == "warning"} == {"drill"}
    assert [e["detail"]["drift"] for e in findings if e["check"] == "ledger"] == [0]


def test_to_be_asked_by_the_doctor_is_not_to_be_scraped(host, tmp_path):
    with agent(host.store, state_dir=tmp_path / "state", arguments=["--config", str(host.file)]) as running_agent:
        host.options["web"]["listen"] = [running_agent.url.removeprefix("http://")]
        host.write()

        found = [next(each for each in host.doctor()[1] if each["check"] == "agent") for _ in range(2)]

    assert [each["level"] for each in found] == ["warning", "warning"]
    assert all("nobody has scraped it since it started" in each["message"] for each in found)


# "Database Locked Error": test_locks.py; and its second half, WAL that is off


def test_a_store_without_wal_is_a_warning(bare):
    bare.make({}, mode="delete")

    found = bare.one("journal")

    assert (found["level"], found["detail"]) == ("warning", {"journal_mode": "delete"})
    assert "PRAGMA journal_mode=WAL" in found["remedy"]


# "Corrupted Database"


def test_damaged_pages_answer_3_with_the_first_messages(bare):
    bare.make(*({} for _ in range(3000)))
    bare.sql("PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA journal_mode=DELETE")
    damage(bare.store, range(20, 60))

    code, findings = bare.doctor()

    [found] = [each for each in findings if each["check"] == "integrity"]
    assert (code, found["level"], found["exit_code"]) == (3, "failed", 3)
    assert len(found["detail"]["messages"]) == 10
    assert findings[0]["level"] == "failed"


def test_a_damaged_schema_answers_3_too(host):
    host.sql("PRAGMA journal_mode=DELETE")
    with host.store.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 400)

    assert host.doctor()[0] == 3


def test_a_store_whose_header_was_zeroed_is_sent_to_restore_and_salvage(host):
    with host.store.open("r+b") as file:
        file.write(bytes(100))

    code, (found,) = host.doctor("--only", "store")

    assert code == 7
    assert "hyperjobs salvage --dry-run" in found["remedy"]
    assert "hyperjobs restore --dry-run" in found["remedy"]


def test_who_goes_on_with_a_store_that_was_removed_is_named_and_not_to_be_stopped(host):
    with held(host.store, "SELECT count(*) FROM jobs") as pid:
        for path in host.store.parent.glob(f"{host.store.name}*"):
            path.unlink()

        code, findings = host.doctor("--only", "store")

    assert code == 7
    (found,) = findings
    assert found["detail"]["open_in"] == [pid]
    assert found["remedy"].startswith("do not stop it")
    assert f"/proc/{pid}/fd" in found["remedy"]


@pytest.mark.parametrize("kind", ["empty", "text", "program", "directory", "missing", "foreign"])
def test_what_is_no_store_answers_7_and_stays_as_it_was(bare, kind):
    if kind == "directory":
        bare.store.mkdir()
    elif kind == "foreign":
        bare.sql("CREATE TABLE songs(title)")
    elif kind != "missing":
        content = {"empty": b"", "text": b"hello\n" * 900, "program": b"\x7fELF" + bytes(9000)}[kind]
        bare.store.write_bytes(content)
    before = sorted(bare.folder.rglob("*")), bare.store.read_bytes() if bare.store.is_file() else None

    code, findings = bare.doctor()

    assert code == 7
    assert levels(findings)["store"] == "failed"
    assert (sorted(bare.folder.rglob("*")), bare.store.read_bytes() if bare.store.is_file() else None) == before


def test_a_ledger_of_a_newer_version_answers_6(host):
    host.sql("CREATE TABLE hyperjobs_meta(key,value)", "INSERT INTO hyperjobs_meta VALUES('schema_version',9)")

    code, findings = host.doctor()

    assert code == 6
    assert "schema version 9 is newer" in findings[0]["message"]


# "Slow Queries"


def test_an_index_that_is_missing_is_named_and_its_queries_are_slow(host):
    host.sql("DROP INDEX idx_status")

    _, findings = host.doctor("--only", "indexes", "--only", "plans")

    found = {each["check"]: each for each in findings}
    assert found["indexes"]["detail"] == {"missing": ["idx_status"]}
    assert "CREATE INDEX idx_status ON jobs(status)" in found["indexes"]["remedy"]
    assert found["plans"]["detail"] == {"slow": ["by status"]}


def test_many_free_pages_are_a_warning_that_leads_to_vacuum(host):
    host.sql("CREATE TABLE pad(x)", f"INSERT INTO pad VALUES(zeroblob({20 * MIB}))", "DROP TABLE pad")

    found = host.one("free-pages")

    assert found["level"] == "warning"
    assert "hyperjobs vacuum" in found["remedy"]


# the disk


def test_a_full_disk_answers_5_and_one_with_room_does_not(tmp_path):
    with small_disk(tmp_path, 64 * MIB) as disk:
        host = Host(tmp_path, disk / "jobs.db")
        host.make({})
        assert host.one("room")["level"] == "ok"
        fill(disk, leave_bytes=0)

        code, findings = host.doctor()

    assert code == 5
    assert levels(findings)["room"] == "failed"


def test_a_disk_mounted_read_only_is_read_and_is_a_warning_or_a_refusal(tmp_path):
    with small_disk(tmp_path, 32 * MIB) as disk:
        host = Host(tmp_path, disk / "jobs.db")
        host.make({}, mode="delete")
        remount_read_only(disk)

        code, findings = host.doctor()

    assert levels(findings)["store"] == "ok"
    assert levels(findings)["permissions"] in {"warning", "failed"}
    assert code in {0, 5, 6}


def test_a_network_file_system_is_refused_by_its_type(host, tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 35 0:50 / / rw - ext4 x rw\n37 36 0:51 / {tmp_path} rw - nfs4 server:/x rw\n")
    case = Case(path=host.store, config=Config(), clock=FakeClock(), environ={}, mounts=mounts)

    [check] = [check for check in OTHERS if check.name == "filesystem"]
    _, [found] = visit(case, FIRST, [check])

    assert (found.level, found.code) == (Level.FAILED, 6)
    assert "nfs4" in found.message


# users


@pytest.mark.tool("root")
def test_files_are_looked_at_as_the_agents_user(tmp_path):
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        host = Host(tmp_path, Path(open_to_all, "jobs.db"))
        host.make({})
        host.store.chmod(0o600)

        found = host.one("permissions", "--user", "nobody")

        assert (found["level"], found["exit_code"]) == ("failed", 6)
        assert f"{host.store} (owner root, group 0, mode 0600)" in found["message"]
        assert host.one("permissions")["level"] == "ok"


@pytest.mark.tool("root")
def test_a_directory_that_keeps_the_agents_user_out_is_told(host):
    found = host.one("permissions", "--user", "nobody")

    assert (found["level"], found["exit_code"]) == ("failed", 6)
    assert "keeps this user out" in found["message"]


@pytest.mark.tool("root")
def test_a_wal_of_another_user_is_named(host):
    keeper = apsw.Connection(str(host.store))
    keeper.execute("UPDATE jobs SET progress=1")
    os.chown(f"{host.store}-wal", 65534, 65534)
    try:
        found = host.one("permissions")
    finally:
        keeper.close()

    assert found["level"] == "warning"
    assert f"{host.store}-wal (owner nobody" in found["message"]
    assert "chown --reference" in found["remedy"]


def test_an_unknown_user_is_a_mistake_of_usage(host):
    done = host.run("--user", "nobody-of-that-name")

    assert done.returncode == 2
    assert "there is no user" in done.stderr


# rows


@pytest.mark.parametrize(
    "cell", [{"error": None}, {"metadata": "[1]"}, {"total_size": "big"}, {"started_at": 2460000.5}]
)
def test_a_row_that_breaks_hypersdks_client_is_a_failure_with_the_remedy_that_mends_it(bare, cell):
    bare.make({}, cell)

    found = bare.one("rows")

    assert found["level"] == "failed"
    assert found["remedy"] == "hyperjobs doctor --fix --dry-run"
    assert "job-1" in found["message"]


def test_a_finished_job_without_an_end_is_a_warning(bare):
    bare.make({}, {"completed_at": None})

    found = bare.one("rows")

    assert (found["level"], found["detail"]["completed_at_missing"]) == ("warning", 1)
    assert "nothing can be mended" in found["remedy"]


# time


@pytest.mark.parametrize(("at", "level"), [("1970-01-02", "failed"), ("2200-01-01", "failed"), ("2026-09-20", "ok")])
def test_a_clock_that_is_years_off_is_a_failure(host, at, level):
    clock = FakeClock(datetime.fromisoformat(at).replace(tzinfo=UTC))
    case = Case(path=host.store, config=Config(), clock=clock, environ={})

    [check] = [check for check in OTHERS if check.name == "clock"]
    _, [found] = visit(case, FIRST, [check])

    assert found.level == level


def test_a_job_that_is_created_in_the_future_casts_doubt_on_the_clock(bare):
    bare.make({"created_at": f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%d %H:%M:%S}+00:00"})

    assert bare.one("clock")["level"] == "warning"


@pytest.mark.parametrize(
    ("care", "words"),
    [
        ({"prune": {"schedule": "0 1 * * *"}}, "before the backup"),
        ({"timezone": "Europe/Berlin", "backup": {"schedule": "30 2 * * *"}}, "skip"),
        ({"backup": {"schedule": None}}, "no backup is scheduled"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_a_warning_and_the_default_is_not(host, care, words):
    assert host.one("schedule")["level"] == "ok"
    for name, value in care.items():
        section = host.options["maintenance"]
        section[name] = {**section.get(name, {}), **value} if isinstance(value, dict) else value
    host.write()

    found = host.one("schedule")

    assert found["level"] == "warning"
    assert words in found["message"]


# the host


def test_a_configuration_that_cannot_be_used_is_a_failure_and_the_rest_is_looked_at(host):
    host.options["stroe"] = {}
    host.write()

    code, findings = host.doctor("--store", str(host.store))

    found = levels(findings)
    assert (code, found["config"], found["store"]) == (1, "failed", "ok")


def test_a_port_that_another_program_has_is_told_from_a_free_one(host):
    assert "is free" in host.one("agent")["message"]
    server = [sys.executable, "-m", "http.server", str(host.port), "--bind", "127.0.0.1"]
    with running(server, cwd=host.folder / "state") as process:
        process.until(lambda: "another program" in host.one("agent")["message"], "a server on the port")
        assert host.one("agent")["level"] == "failed"


def test_an_agent_that_is_gone_leaves_triggers_that_log_for_nobody(host, tmp_path):
    with agent(host.store, state_dir=tmp_path / "state", arguments=["--config", str(host.file)]) as found:
        found.until(lambda samples: samples.get("hyperjobs_ledger_ready") == 1 or True, "the ledger")
        found.stop()
    host.sql("UPDATE jobs SET status='failed'")

    found = host.one("ledger")

    assert found["level"] == "warning"
    assert found["detail"]["unfolded_rows"] == 3


def test_a_freeze_and_a_pause_are_told(host):
    words = ["--config", str(host.file), "--reason", "work on the disk"]
    subprocess.run([sys.executable, "-m", "hyperjobs", "freeze", *words], check=True, capture_output=True)

    found = host.one("holds")

    assert found["level"] == "warning"
    assert "work on the disk" in found["message"]


def test_what_a_restore_replaced_is_told(host):
    shutil.copy(host.store, host.folder / "jobs.db.before-restore-20260901T000000Z")

    assert "1 store that restores replaced" in host.one("leftovers")["message"]


def test_what_a_killed_salvage_left_is_told_and_one_at_work_is_not(host):
    with private_folder(host.folder, ".new.db.hyperjobs-salvage-"):
        assert "salvage" not in host.one("leftovers")["message"]
    (host.folder / ".new.db.hyperjobs-salvage-dead").mkdir()

    assert "a salvage that was killed left" in host.one("leftovers")["message"]


# the command itself


def test_the_worst_comes_first_and_every_trouble_has_its_remedy(bare):
    bare.make({"error": None}, mode="delete")

    _, findings = bare.doctor()

    order = ["failed", "warning", "skipped", "ok"]
    assert [each["level"] for each in findings] == sorted((e["level"] for e in findings), key=order.index)
    assert all(each["remedy"] for each in findings if each["level"] in {"failed", "warning"})
    assert all("\n" not in each["message"] for each in findings)


def test_an_unknown_check_is_a_mistake_with_the_nearest_name(host):
    done = host.run("--only", "lokc")

    assert done.returncode == 2
    assert "'lock'" in done.stderr


@pytest.mark.parametrize("words", [["--yes"], ["--dry-run"], ["--fix", "--undo", "x"], ["--fix", "--full"]])
def test_options_that_do_not_go_together_are_refused(host, words):
    assert host.run(*words).returncode == 2


@pytest.mark.parametrize(
    ("codes", "answer"),
    [((), 0), ((1,), 1), ((6, 1), 6), ((4, 6), 4), ((5, 4), 5), ((3, 5, 1), 3), ((7, 3), 7)],
)
def test_of_several_failures_the_gravest_answers(codes, answer):
    findings = [Finding(level=Level.FAILED, message="", code=code) for code in codes]

    assert exit_code([*findings, Finding(level=Level.WARNING, message="")]) == answer


def test_the_doctor_looks_at_the_daemons_own_store_as_far_as_it_goes(bare):
    bare.sql(
        "PRAGMA journal_mode=WAL",
        "CREATE TABLE jobs(id TEXT PRIMARY KEY,name TEXT,vm_path TEXT,output_path TEXT,status TEXT,created_at TIMESTAMP,"
        "started_at TIMESTAMP,completed_at TIMESTAMP,progress_json TEXT,result_json TEXT,error TEXT,definition_json TEXT)",
    )

    code, findings = bare.doctor()

    found = levels(findings)
    assert (code, found["store"], found["ledger"], found["rows"]) == (0, "ok", "skipped", "ok")


@pytest.mark.parametrize("count", [150, pytest.param(20_000, marks=pytest.mark.long)])
def test_mutated_stores_neither_hang_nor_trace(host, count):
    """In this process, for many are wanted; each is looked at whole, and its rows as if they were to be mended."""
    connection = Connection(host.store)
    install(connection, now=FakeClock().now(), bounds=LedgerOptions().bounds)
    connection.close()
    host.sql("PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA journal_mode=DELETE")
    sound, path = host.store.read_bytes(), host.folder / "mutant.db"
    noise = random.Random(11)  # noqa: S311 - no secret
    state = Config().store.model_copy(update={"state_dir": host.folder / "state"})
    wanted = [check for check in OTHERS if check.needs_store or check.name == "integrity"]
    for _ in range(count):
        for beside in host.folder.glob("mutant.db-*"):
            beside.unlink()
        path.write_bytes(mutated(sound, noise))
        case = Case(path=path, config=Config(store=state), clock=FakeClock(), environ={})
        began_s = time.monotonic()
        findings = [each for found in visit(case, FIRST, wanted) for each in found]
        with contextlib.suppress(HyperjobsError):
            plan_fix(path, KINDS, Turn(now=case.clock.now(), clock=case.clock))
        assert time.monotonic() - began_s < 10
        strange = [each.message for each in findings if "unexpected" in each.message or "no answer" in each.message]
        assert strange == []
        json.dumps([each.detail for each in findings])


def mutated(sound, noise):
    """A file with a few bytes of it changed, sometimes cut short: anywhere, in its header, or in the head of a page."""
    data = bytearray(sound)
    for _ in range(noise.choice((1, 3, 20))):
        places = (
            noise.randrange(len(data)),
            noise.randrange(100),
            noise.randrange(0, len(data), PAGE) + noise.randrange(16),
        )
        at, width = noise.choice(places), noise.choice((1, 1, 16))
        data[at : at + width] = noise.randbytes(width)
    return data[: len(data) - noise.choice((0, 0, 0, 1, 5000))]


def test_an_agent_that_hangs_does_not_hang_the_doctor(host, tmp_path):
    with agent(host.store, state_dir=tmp_path / "state", arguments=["--config", str(host.file)]) as found:
        host.options["web"]["listen"] = [found.url.removeprefix("http://")]
        host.write()
        found.process.signal(signal.SIGSTOP)
        try:
            finding = host.one("agent")
        finally:
            found.process.signal(signal.SIGCONT)

    assert finding["level"] == "failed"
    assert f"pid {found.process.pid}" in finding["message"]


def test_a_check_that_never_answers_is_left_alone_and_the_others_are_told(host):
    stuck = threading.Event()

    def hang(_case):
        stuck.wait()
        yield Finding(level=Level.OK, message="at last")

    case = Case(path=host.store, config=Config(), clock=FakeClock(), environ={})
    checks = [Check(name="stuck", question="?", look=hang, limit_s=0.2), OTHERS[0]]
    try:
        _, [first], [second] = visit(case, FIRST, checks)
        assert is_any_left()
    finally:
        stuck.set()

    assert (first.level, first.code) == (Level.FAILED, 1)
    assert "no answer" in first.message
    assert second.level == Level.OK


def test_without_a_store_what_is_said_of_it_is_skipped_and_the_rest_looked_at(bare):
    _, findings = bare.doctor()

    found = levels(findings)
    assert {found[name] for name in ("lock", "wal", "permissions", "sqlite", "rows")} == {"skipped"}
    assert (found["clock"], found["zones"], found["config"]) == ("ok", "ok", "ok")


def test_a_row_that_has_no_one_right_answer_is_not_sent_to_the_fix(bare):
    bare.make({"status": "exploded"})

    assert "--fix" not in bare.one("rows")["remedy"]


@pytest.mark.tool("root")
def test_another_user_is_told_what_root_would_see(tmp_path):
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        store = Path(open_to_all, "jobs.db")
        host = Host(tmp_path, store)
        host.make({}, mode="delete")
        script = (
            "import os,sys; os.setgid(65534); os.setuid(65534); os.chdir('/');"
            f"from hyperjobs.cli.program import main; sys.exit(main(['doctor','--store',{str(store)!r}]))"
        )
        environment = {"PATH": os.environ["PATH"], "HOME": open_to_all}
        preload = "import ctypes,encodings.ascii,encodings.idna,hyperjobs.cli.doctor,hyperjobs.cli.doctor_fix,hyperjobs.doctor.registry,hyperjobs.config,rich;"
        done = subprocess.run(
            [sys.executable, "-c", preload + script], env=environment, capture_output=True, text=True, check=False
        )

    assert "Traceback" not in done.stderr
    assert "processes of other users" in done.stdout, done.stdout + done.stderr


def test_a_backup_that_is_too_old_is_a_warning_and_a_fresh_one_is_not(host):
    subprocess.run(
        [sys.executable, "-m", "hyperjobs", "backup", "create", "--config", str(host.file)],
        check=True,
        capture_output=True,
    )
    assert host.one("backup")["level"] == "ok"

    config = load_config(host.file, environ={})
    case = Case(path=host.store, config=config, clock=FakeClock(datetime.now(UTC) + timedelta(days=3)), environ={})
    [check] = [check for check in OTHERS if check.name == "backup"]
    _, [found] = visit(case, FIRST, [check])

    assert (found.level, found.detail["backups"]) == (Level.WARNING, 1)
    assert "hyperjobs backup create" in found.remedy


@pytest.mark.parametrize(("reason", "code"), [("integrity", 3), ("clock", 6)])
def test_a_freeze_by_doubt_is_a_failure_of_its_own_code(host, reason, code):
    state = StateFile(host.folder / "state", host.store, clock=FakeClock())
    Holds(state).freeze(reason, "page 7 is not what it was", FakeClock().now())
    state.close()

    answered, findings = host.doctor("--only", "holds")

    assert answered == code
    assert "page 7" in findings[0]["message"]


def test_litestream_beside_the_store_is_told(host):
    (host.folder / ".jobs.db-litestream").mkdir()

    assert "Litestream looks after it too" in host.one("litestream")["message"]


def test_a_person_sees_the_worst_first_with_the_remedy_below(bare):
    bare.make({"error": None})
    command = [sys.executable, "-m", "hyperjobs", "doctor", "--config", str(bare.file), "--only", "rows"]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, env=environment) as process:
        process.wait(30)
    os.close(theirs)
    lines = os.read(ours, 65_536).decode().splitlines()
    os.close(ours)

    assert lines[0].startswith("failed rows hypersdk's own client cannot list jobs")
    assert "→ hyperjobs doctor --fix --dry-run" in " ".join(line.strip() for line in lines)
    assert lines[-1] == "1 failed, 0 warning, 0 skipped, 0 ok"
