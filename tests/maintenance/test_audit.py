"""The audit log has each change of a status once, whatever is killed or full; and no line of it can be touched unseen."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperjobs.errors import ArchiveNotFoundError, HyperjobsError, StoreBusyError, StoreRefusedError
from hyperjobs.maintenance.audit.files import all_files, read_key
from hyperjobs.maintenance.audit.line import NOTHING, digest, has_code, make_line, parse_line
from hyperjobs.maintenance.audit.log import AuditLog, AuditSettings
from hyperjobs.maintenance.audit.sink import AuditSink
from hyperjobs.maintenance.audit.verify import verify_log
from hyperjobs.store.connection import Connection
from hyperjobs.store.ledger import outbox
from hyperjobs.store.ledger.install import schema_rows, uninstall
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.returning import bring_back
from hyperjobs.testing import FakeClock
from support.disks import fill, small_disk
from support.ledgers import Kept, insert, make_store
from support.pruning import Pruned

TESTS = Path(__file__).parents[1]
KEY = b"0123456789abcdef"


class Audited(Kept):
    """A store whose keeper writes an audit log."""

    def __init__(self, directory, *, path=None, log=None, is_audited=True, **settings):
        self.log = log or directory / "audit.jsonl"
        clock = FakeClock()
        sink = AuditSink(AuditSettings(path=self.log, fsync=False, **settings), clock=clock)
        super().__init__(
            path or directory / "jobs.db",
            directory / "state",
            options=LedgerOptions(is_audited=is_audited),
            clock=clock,
            audit=sink if is_audited else None,
        )

    def anchor(self):
        connection = Connection(self.path, read_only=True)
        try:
            return connection.read(outbox.read_anchor)
        finally:
            connection.close()

    def verdict(self, **options):
        return verify_log(self.log, **{"anchor": self.anchor(), **options})


@pytest.fixture
def kept(tmp_path):
    make_store(tmp_path / "jobs.db")
    kept = Audited(tmp_path)
    kept.turn()
    yield kept
    kept.stop()


@contextmanager
def writing(path):
    db = apsw.Connection(str(path))
    db.set_busy_timeout(30_000)
    try:
        yield db
    finally:
        db.close()


def live(path, *jobs):
    """Three changes for each job, and its end."""
    with writing(path) as db:
        for job in jobs:
            insert(db, job, "pending")
            insert(db, job, "running")
            db.execute("UPDATE jobs SET status='failed' WHERE id=?", (job,))
            db.execute("DELETE FROM jobs WHERE id=?", (job,))


LIFE = [(None, "pending"), ("pending", "running"), ("running", "failed"), ("failed", None)]


def lines_of(log):
    return [line for file in all_files(log) for line in file.read_bytes().splitlines(keepends=True)]


def changes(log):
    """What the log says of jobs, in order."""
    found = [parse_line(line).entry for line in lines_of(log)]
    return [(e.job_id, e.old, e.new, e.source) for e in found if e.job_id is not None]


def notes(log):
    return [e.source for e in (parse_line(line).entry for line in lines_of(log)) if e.job_id is None]


def test_each_change_of_a_status_is_a_line_with_provider_time_and_source(kept):
    live(kept.path, "a", "b")
    kept.turn()

    assert changes(kept.log) == [(job, *change, "writer") for job in ("a", "b") for change in LIFE]
    first = json.loads(lines_of(kept.log)[1])
    assert (first["n"], first["provider"], first["at"][-1]) == (2, "vsphere", "Z")
    assert kept.log.stat().st_mode & 0o777 == 0o600
    assert kept.verdict().is_whole
    assert kept.verdict().is_anchored
    assert kept.anchor().waiting == 0


def test_a_change_of_anything_else_is_no_line(kept):
    with writing(kept.path) as db:
        insert(db, "a", "running")
        db.execute("UPDATE jobs SET total_size=5, progress=3, provider='aws'")
    kept.turn()

    assert changes(kept.log) == [("a", None, "running", "writer")]


def test_a_prune_is_a_line_for_each_job_and_what_comes_back_is_marked(tmp_path):
    jobs = Pruned(tmp_path)
    ids = jobs.add(5, "failed") + jobs.add(5)
    kept = Audited(tmp_path)
    kept.turn()
    jobs.prune()
    kept.turn()
    jobs.undo()
    kept.turn()
    kept.stop()
    found = changes(kept.log)

    assert sorted(found[:10]) == sorted((job, job.partition("-")[0], None, "prune") for job in ids)
    assert sorted(found[10:]) == sorted((job, None, job.partition("-")[0], "returned") for job in ids)
    assert verify_log(kept.log).is_whole


def test_jobs_that_come_back_are_marked(kept):
    connection = Connection(kept.path)
    row = ("x", "n", "v", "p", "aws", "o", "failed", "2026-01-01 10:00:00+00:00", None, None, 0.0, "", "null", "", 0, 0)
    list(bring_back(connection, [row], clock=kept.clock, pause=lambda _seconds: None))
    connection.close()
    kept.turn()

    assert changes(kept.log) == [("x", None, "failed", "returned")]


def test_a_keeper_that_is_killed_at_any_moment_leaves_each_change_once_and_in_order(tmp_path):
    path, log = make_store(tmp_path / "jobs.db"), tmp_path / "audit.jsonl"
    jobs = [f"job-{number}" for number in range(2_000)]
    left, chance = list(jobs), random.Random(7)  # noqa: S311 - no secret
    command = [sys.executable, "-m", "support.auditor", path, tmp_path / "state", log]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    for _ in range(8):
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b".\n"
            part, left = left[:250], left[250:]
            writer = threading.Thread(target=live, args=(path, *part))
            writer.start()
            for _ in range(chance.randrange(1, 30)):
                process.stdout.readline()
            process.kill()
            writer.join()
    with settled(tmp_path, path, log) as kept:
        assert changes(log) == [(job, *change, "writer") for job in jobs for change in LIFE]
        assert notes(log) == ["begun"]
        assert kept.verdict().is_whole
        assert len(all_files(log)) > 5


@contextmanager
def settled(directory, path, log):
    """The keeper after the last kill, once it has caught up."""
    kept = Audited(directory, path=path, log=log, rotate_bytes=20_000, keep=10_000)
    for _ in range(100):
        kept.turn()
    assert unfolded(path) == 0
    yield kept
    kept.stop()


def unfolded(path):
    with writing(path) as db:
        return db.execute("SELECT count(*) FROM hyperjobs_log").fetchall()[0][0]


@pytest.mark.parametrize("torn", [b'{"n":', b"x" * 200_000, b'{"n":99,"at":"2026"}'])
def test_what_a_kill_left_of_a_line_is_taken_off(kept, torn):
    live(kept.path, "a")
    kept.turn()
    kept.keeper.close()
    with kept.log.open("ab") as file:
        file.write(torn)
    live(kept.path, "b")
    kept.turn()

    assert changes(kept.log) == [(job, *change, "writer") for job in ("a", "b") for change in LIFE]
    assert kept.verdict().is_whole


def test_lines_written_and_not_yet_forgotten_are_not_written_twice(kept):
    kept.keeper.close()
    connection = Connection(kept.path)
    with writing(kept.path) as db:
        insert(db, "a")
    kept.keeper._audit.write = lambda *_: None  # the kill: the fold is committed, the log is not written
    kept.turn()
    del kept.keeper._audit.write
    kept.keeper.close()
    waiting = connection.read(lambda db: outbox.waiting(db, most=10))
    connection.close()
    log = AuditLog(AuditSettings(path=kept.log, fsync=False))
    log.append(
        kept.anchor().store, waiting, lambda _number: None
    )  # the next one: written, and killed before it is forgotten
    log.close()

    kept.turn()
    kept.turn()

    assert changes(kept.log) == [("a", None, "pending", "writer")]
    assert kept.anchor().waiting == 0


def test_a_full_disk_stops_no_fold_and_what_waited_is_written_later(tmp_path):
    make_store(tmp_path / "jobs.db")
    with small_disk(tmp_path, 1 << 20) as place:
        kept = Audited(tmp_path, log=place / "audit.jsonl")
        kept.turn()
        ballast = fill(place, leave_bytes=0)
        live(kept.path, *(f"a{number}" for number in range(100)))
        kept.turn()
        assert unfolded(kept.path) == 0  # folded all the same
        assert kept.anchor().waiting == 400
        assert kept.verdict().is_whole
        assert kept.verdict().waiting == 400

        ballast.unlink()
        kept.clock.advance(10)
        kept.turn()

        assert kept.anchor().waiting == 0
        assert len(changes(kept.log)) == 400
        assert kept.verdict().is_whole
        kept.stop()


def test_a_log_that_cannot_be_opened_stops_no_fold(kept):
    kept.keeper.close()
    away = kept.log.rename(kept.log.with_name("away"))
    kept.log.mkdir()
    live(kept.path, "a")
    kept.turn()
    assert unfolded(kept.path) == 0
    kept.log.rmdir()
    away.rename(kept.log)
    kept.clock.advance(10)
    kept.turn()

    assert changes(kept.log) == [("a", *change, "writer") for change in LIFE]


def test_changes_folded_without_an_audit_are_taken_from_the_history(tmp_path):
    make_store(tmp_path / "jobs.db")
    kept = Audited(tmp_path)
    kept.turn()
    kept.stop()
    kept = Audited(tmp_path, is_audited=False)
    live(kept.path, "a")
    kept.turn()
    kept.stop()
    kept = Audited(tmp_path)
    live(kept.path, "b")
    kept.turn()
    kept.stop()

    assert changes(kept.log) == [("a", *c, "history") for c in LIFE] + [("b", *c, "writer") for c in LIFE]
    assert notes(kept.log) == ["begun", "gap"]
    assert verify_log(kept.log).is_whole


@pytest.mark.parametrize("more", [0, 3, 40])
def test_a_store_that_was_rolled_back_goes_on_in_the_log_and_says_so(tmp_path, more):
    make_store(tmp_path / "jobs.db")
    kept = Audited(tmp_path)
    kept.turn()
    live(kept.path, "a")
    kept.turn()
    kept.stop()
    shutil.copy(kept.path, tmp_path / "old.db")
    kept = Audited(tmp_path)
    live(kept.path, "b", "c")
    kept.turn()
    kept.stop()
    shutil.copy(tmp_path / "old.db", kept.path)
    live(kept.path, *(f"d{number}" for number in range(more)))
    kept = Audited(tmp_path)
    kept.turn()
    live(kept.path, "e")
    kept.turn()

    jobs = ["a", "b", "c", *(f"d{number}" for number in range(more)), "e"]
    assert changes(kept.log) == [(job, *change, "writer") for job in jobs for change in LIFE]
    assert notes(kept.log) == ["begun", "rolled_back"]
    assert kept.verdict().is_whole
    kept.stop()


def test_the_chain_goes_on_across_files_and_only_so_many_are_kept(tmp_path):
    make_store(tmp_path / "jobs.db")
    kept = Audited(tmp_path, rotate_bytes=4_000, keep=3)
    kept.turn()
    for number in range(40):
        live(kept.path, f"job-{number}")
        kept.turn()

    verdict = kept.verdict()
    assert len(all_files(kept.log)) == 4
    assert verdict.is_whole
    assert verdict.first > 1
    assert verdict.last == 161
    assert verdict.lines == 161 - verdict.first + 1
    all_files(kept.log)[0].unlink()
    assert not kept.verdict().is_whole
    kept.stop()


def test_a_second_agent_may_not_write_the_same_log(kept):
    with pytest.raises(StoreBusyError):
        AuditLog(AuditSettings(path=kept.log))


def test_a_log_that_cannot_be_used_is_let_go_however_often_it_is_tried(tmp_path):
    log = tmp_path / "audit.jsonl"
    log.write_bytes(b"no line of ours\n")
    log.chmod(0o600)
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(3):
        with pytest.raises(StoreRefusedError, match="its last line is none of an audit log"):
            AuditLog(AuditSettings(path=log))

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_log_that_others_may_write_is_refused(tmp_path):
    file = tmp_path / "audit.jsonl"
    file.touch(0o600)
    file.chmod(0o666)

    with pytest.raises(StoreRefusedError, match="0600"):
        AuditLog(AuditSettings(path=file))


def entry(number):
    return outbox.Entry(number, 1_700_000_000 + number, f"job-{number}", "aws", None, "pending", "writer")


def chain(path, number, key=None):
    """A log of so many lines, and its anchor."""
    if key is not None:
        (path.parent / "key").write_bytes(key)
    log = AuditLog(AuditSettings(path=path, fsync=False, key_file=path.parent / "key" if key else None))
    log.append("store", [entry(n) for n in range(1, number + 1)], lambda _number: None)
    anchor = outbox.Anchor("store", number, log.digest, 1, 0)
    log.close()
    return anchor


def tampered(path, lines):
    path.write_bytes(b"".join(lines))


TOUCHES = {
    "altered": lambda lines, at: [*lines[:at], lines[at].replace(b"aws", b"gcp"), *lines[at + 1 :]],
    "removed": lambda lines, at: lines[:at] + lines[at + 1 :],
    "doubled": lambda lines, at: lines[: at + 1] + lines[at:],
    "moved": lambda lines, at: (
        [*lines[:at], *reversed(lines[at : at + 2]), *lines[at + 2 :]] if at < 9 else [lines[9], *lines[:9]]
    ),
    "garbled": lambda lines, at: [*lines[:at], b"hello\n", *lines[at + 1 :]],
    "cut off": lambda lines, at: lines[:at],
    "renumbered": lambda lines, at: [*lines[:at], lines[at].replace(b'{"n":', b'{"n":9'), *lines[at + 1 :]],
}


@pytest.mark.parametrize("at", range(10))
@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize("key", [None, KEY])
def test_any_touch_of_any_line_is_found_where_it_is(tmp_path, touch, at, key):
    log = tmp_path / "audit.jsonl"
    anchor = chain(log, 10, key)
    assert verify_log(log, key=key, anchor=anchor).is_whole
    lines = lines_of(log)
    tampered(log, TOUCHES[touch](lines, at))

    verdict = verify_log(log, key=key, anchor=anchor)

    assert not verdict.is_whole
    assert any(fault.line in {0, at, at + 1, at + 2} or (touch, at) == ("moved", 9) for fault in verdict.faults)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_bit_turned_anywhere_is_found(tmp_path_factory, data):
    log = tmp_path_factory.mktemp("bit") / "audit.jsonl"
    anchor = chain(log, 3)
    content = bytearray(log.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    log.write_bytes(content)

    assert not verify_log(log, anchor=anchor).is_whole


def forged(path, number):
    """The whole chain made anew with one change in it, by who can write the file and has no key."""
    prev, lines = NOTHING, []
    for n in range(1, 11):
        lines.append(
            make_line(n, "store", entry(n)._replace(provider="forged") if n == number else entry(n), prev, None)
        )
        prev = digest(lines[-1])
    tampered(path, lines)


def test_a_chain_made_anew_is_found_by_what_the_store_remembers_by_a_head_or_by_the_key(tmp_path):
    log = tmp_path / "audit.jsonl"
    anchor = chain(log, 10)
    head = f"{anchor.number}:{anchor.digest}"
    forged(log, 4)

    assert verify_log(log).is_whole  # alone it proves nothing
    assert not verify_log(log, anchor=anchor).is_whole
    assert not verify_log(log, head=head).is_whole
    assert not verify_log(log, key=KEY).is_whole


def test_a_log_that_is_gone_is_found_by_the_store_alone(tmp_path):
    log = tmp_path / "audit.jsonl"
    anchor = chain(log, 10)
    log.unlink()

    assert not verify_log(log, anchor=anchor).is_whole
    with pytest.raises(ArchiveNotFoundError):
        verify_log(log)


@pytest.mark.parametrize(("length", "is_taken"), [(15, False), (16, True), (4096, True), (4097, False)])
def test_a_key_is_neither_too_short_nor_too_long(tmp_path, length, is_taken):
    file = tmp_path / "key"
    file.write_bytes(b"k" * length + b"\n"[: length < 4097])
    if is_taken:
        assert read_key(file) == b"k" * length
    else:
        with pytest.raises(HyperjobsError, match="16 to 4096"):
            read_key(file)


@given(st.one_of(st.none(), st.text(), st.binary(), st.integers()), st.text(max_size=5))
def test_a_line_is_one_line_of_ascii_whatever_a_job_is_called(job, word):
    line = make_line(7, "store", outbox.Entry(1, 5, job, word, word, None, "writer"), NOTHING, KEY)

    assert line.isascii()
    assert line.count(b"\n") == 1
    assert not set(line[:-1]) & set(range(32))
    assert has_code(line, KEY)
    assert not has_code(line, KEY + b"x")
    assert parse_line(line) is not None
    assert parse_line(line).entry.new is None


def test_uninstall_takes_the_waiting_entries_along(kept):
    kept.keeper.close()
    connection = Connection(kept.path)
    before = json.loads(connection.value("SELECT value FROM hyperjobs_meta WHERE key='schema_before'"))
    uninstall(connection)

    assert connection.read(schema_rows) == before
    assert connection.rows("SELECT name FROM sqlite_schema WHERE name LIKE 'hyperjobs%'") == []
    connection.close()
