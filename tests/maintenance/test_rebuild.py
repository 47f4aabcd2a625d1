"""A store that is gone is made again from what is left of it, to the bit where the pieces have it, and never by guessing."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import shutil
import threading
from contextlib import closing

import apsw
import pytest

from hyperjobs.errors import (
    ArchiveNotFoundError,
    InvalidJobError,
    SourcesDamagedError,
    StoreInterruptedError,
    StoreNotFoundError,
    StoreRefusedError,
)
from hyperjobs.maintenance.audit.log import AuditSettings
from hyperjobs.maintenance.audit.sink import AuditSink
from hyperjobs.maintenance.publish import publish
from hyperjobs.maintenance.rebuild import Kind, State
from hyperjobs.maintenance.rebuild.decide import AUDIT_ALONE, Origin
from hyperjobs.maintenance.rebuild.finding import find_sources
from hyperjobs.maintenance.transfer.exporting import export_jobs
from hyperjobs.store.connection import Connection
from hyperjobs.store.ledger.options import LedgerOptions
from hyperjobs.store.ledger.schema import has_triggers, ours
from support.ledgers import Kept, make_store
from support.lives import OLD, Life, histories_of, pinned_in, rows_of, statuses_of
from support.spaces import content_of, turn
from support.stores import RawText, go_store, insert


@pytest.fixture
def life(tmp_path):
    return Life(tmp_path)


def whole_life(life):
    """Jobs of every fate, with a backup and an export somewhere in between."""
    for number in range(12):
        life.save(f"job-{number:02}", "pending", created=OLD)
    life.keep()
    for number in range(9):
        life.save(f"job-{number:02}", "running", created=OLD, started=OLD)
    for number in range(3):
        life.save(f"job-{number:02}", "completed", created=OLD, started=OLD, completed=OLD, size=7)
    life.keep()
    life.backup()
    life.export()
    life.pin("job-03")
    life.prune()  # 00 to 02
    life.keep()
    life.sql("DELETE FROM jobs WHERE id='job-11'")
    for number in range(3, 6):
        life.save(f"job-{number:02}", "failed", created=OLD, started=OLD, completed=OLD)
    life.keep()
    life.prune()  # 04 and 05; 03 is pinned
    life.undo()
    life.keep()


def rebuilt_rows(life, *sources, **options):
    done = life.rebuild(*(sources or life.pieces()), **options)
    return done, rows_of(life.folder / "new.db")


def test_a_store_whose_pieces_cover_its_life_comes_back_to_the_bit_with_its_history_and_pins(life):
    whole_life(life)
    life.backup()
    life.end()
    ids = statuses_of(rows_of(life.store))
    histories = histories_of(life.store, ids)
    lost = life.lose()

    done, found = rebuilt_rows(life)

    assert found == lost
    assert len(found) == 8
    assert {"job-03", "job-04", "job-05", "job-06"} <= found.keys()
    assert not {"job-00", "job-11"} & found.keys()
    assert histories_of(life.folder / "new.db", ids) == histories
    assert pinned_in(life.folder / "new.db") == {"job-03"}
    assert (done.jobs, done.origins[Origin.ROW], done.pins) == (8, 8, 1)
    assert done.origins[Origin.PRUNED] == 3
    assert [source.state for source in done.sources if source.kind is Kind.BACKUP] == [State.READ, State.OLDER]


def test_what_happened_since_the_last_backup_is_taken_from_the_audit_log(life):
    whole_life(life)
    life.save("job-99", "running", created=OLD)  # no backup and no export has it
    life.set("job-06", "completed")
    life.end()
    lost = life.lose()

    done, found = rebuilt_rows(life)

    assert statuses_of(found) == statuses_of(lost)
    assert done.ids[Origin.AUDIT] == ["job-99"]
    assert {"job-03", "job-06"} <= set(done.ids[Origin.MOVED])
    assert found["job-99"][12] == ("str", AUDIT_ALONE)
    assert found["job-07"] == lost["job-07"]


def test_with_pruned_brings_back_what_prunes_took_and_not_what_was_deleted(life):
    whole_life(life)
    life.end()
    lost = life.lose()

    done, found = rebuilt_rows(life, is_pruned_wanted=True)

    assert found.keys() == lost.keys() | {"job-00", "job-01", "job-02"}
    assert done.origins[Origin.PRUNED] == 0
    assert done.ids[Origin.DELETED] == ["job-11"]


def test_archives_alone_make_no_empty_store(life):
    life.save("a", "completed", created=OLD, completed=OLD)
    life.prune()
    life.end()
    life.lose()

    with pytest.raises(StoreRefusedError, match="all 1 jobs found had been pruned; --with-pruned"):
        life.rebuild(life.archives.path)
    assert not (life.folder / "new.db").exists()
    assert life.rebuild(life.archives.path, is_pruned_wanted=True).jobs == 1


class Chance:
    """What happens to a store at random, and the status that each of its jobs has by then."""

    def __init__(self, life, seed):
        self.life, self.known, self.exports = life, {}, []
        self.random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._numbers = itertools.count()

    def create(self):
        job = f"job-{next(self._numbers):03}"
        self.life.save(job, "pending", created=OLD)
        self.known[job] = "pending"

    def move(self, before, to):
        for job in [job for job, status in sorted(self.known.items()) if status == before][:1]:
            ended = self.random.choice([OLD, None]) if to == "failed" else None
            self.life.save(job, to, created=OLD, started=OLD, completed=ended)
            self.known[job] = to

    def delete(self):
        for job in [job for job, status in sorted(self.known.items()) if status == "failed"][:1]:
            self.life.sql(("DELETE FROM jobs WHERE id=?", (job,)))
            del self.known[job]

    def prune(self):
        self.life.prune()  # all that failed, for they were created long ago
        self.known = {job: status for job, status in self.known.items() if status != "failed"}

    def export(self):
        self.exports.append(self.life.export(self.random.choice([".jsonl", ".json", ".csv", ".jsonl.gz"])))

    def step(self):
        steps = {
            self.create: 6,
            lambda: self.move("pending", "running"): 5,
            lambda: self.move("running", "failed"): 4,
            lambda: self.move("failed", "pending"): 1,
            self.delete: 1,
            self.prune: 1,
            self.life.backup: 1,
            self.export: 1,
            self.life.keep: 4,
        }
        self.random.choices(list(steps), list(steps.values()))[0]()


@pytest.mark.parametrize("seed", range(12))
def test_any_life_comes_back_whatever_the_order_of_its_pieces(tmp_path, seed):
    """Jobs made, started, ended, retried, deleted and pruned at random, with backups and exports between."""
    life = Life(tmp_path)
    chance = Chance(life, seed)
    for _ in range(40):
        chance.step()
    chance.create()
    life.end()
    assert statuses_of(life.lose()) == chance.known
    pieces = [*life.pieces(), *chance.exports]

    digests = set()
    for number in range(3):
        chance.random.shuffle(pieces)
        life.rebuild(*pieces, name=f"new-{number}.db")
        assert statuses_of(rows_of(tmp_path / f"new-{number}.db")) == chance.known
        digests.add(content_of(tmp_path / f"new-{number}.db").digest)
    assert len(digests) == 1


def test_counters_neither_fall_nor_grow_when_the_new_store_takes_the_old_ones_place(life):
    whole_life(life)
    life.backup()
    life.keep()
    before = life.keeper.exported()
    gauges = life.keeper.view().rollup.gauges
    life.end()
    life.lose()

    life.rebuild(*life.pieces())
    (life.folder / "new.db").rename(life.store)
    kept = Kept(life.store, life.folder / "state", clock=life.clock)
    for _ in range(3):
        kept.turn()

    assert kept.view().rollup.gauges == {key: jobs for key, jobs in gauges.items() if jobs}
    after = kept.exported()
    assert {key: value for key, value in before.items() if after[key] != value} == {}
    kept.stop()


def test_the_new_store_is_one_as_hypersdk_lays_it_out_with_a_ledger_where_a_history_is_known(life, tmp_path):
    whole_life(life)
    life.end()
    schema = (
        "SELECT type,name,sql FROM sqlite_schema WHERE name NOT LIKE 'hyperjobs%' AND sql IS NOT NULL ORDER BY name"
    )
    life.rebuild(*life.pieces())
    export = life.export()
    life.rebuild(export, name="bare.db")

    with closing(Connection(tmp_path / "new.db", read_only=True)) as new, closing(Connection(life.store)) as old:
        assert [sql.split() for *_, sql in new.rows(schema)] != []
        assert {name for _, name, _ in new.rows(schema)} == {name for _, name, _ in old.rows(schema)}
        assert new.value("PRAGMA journal_mode") == "wal"
        assert new.value("PRAGMA auto_vacuum") == 2
        assert new.value("SELECT version FROM schema_version") == 1
        assert has_triggers(new.read(ours))
        assert new.value("SELECT count(*) FROM hyperjobs_log") == 0
    with closing(Connection(tmp_path / "bare.db", read_only=True)) as bare:
        assert bare.read(ours) == {}
    assert (tmp_path / "new.db").stat().st_mode & 0o777 == 0o640


def test_rows_of_any_kind_come_back_to_the_bit(tmp_path):
    odd = [
        {"id": "null-end", "completed_at": None},
        {"id": "nulls", "error": None, "metadata": None, "user": None, "progress": None, "total_size": None},
        {"id": "blob", "name": b"\xff\x00", "output_dir": RawText(b"\xff/out")},
        {"id": RawText(b"job-\xff")},
        {"id": "inf", "progress": float("inf"), "total_size": 1.5, "files_count": "many"},
        {"id": "when", "created_at": 1769000000, "started_at": "yesterday", "completed_at": 9e12},
        {"id": "nul", "error": "a\0b"},
        {"id": "status", "status": "paused"},
        {"id": None, "name": "one without an id"},
        {"id": None, "name": "another"},
    ]
    make_store(tmp_path / "jobs.db")
    insert(tmp_path / "jobs.db", *odd)
    export_jobs(tmp_path / "jobs.db", tmp_path / "odd.jsonl", turn())
    life = Life.__new__(Life)
    life.folder, life.clock = tmp_path, turn().clock

    for name, piece in (("a.db", "odd.jsonl"), ("b.db", "jobs.db")):
        done = life.rebuild(tmp_path / piece, name=name, turn=turn())
        assert done.jobs == len(odd)
        assert content_of(tmp_path / name).digest == content_of(tmp_path / "jobs.db").digest


def test_what_hypersdk_wrote_comes_back_from_its_file_and_from_every_form(tmp_path):
    source = go_store(tmp_path)
    for number, suffix in enumerate([".db", ".jsonl.zst", ".json", ".csv.gz"]):
        piece = source if suffix == ".db" else tmp_path / f"out{suffix}"
        if suffix != ".db":
            export_jobs(source, piece, turn())
        found = Life.rebuild(_at(tmp_path), piece, name=f"{number}.db", turn=turn())
        assert found.sources[0].kind is (Kind.STORE if suffix == ".db" else Kind(suffix.split(".")[1]))
        assert rows_of(tmp_path / f"{number}.db") == rows_of(source)


def _at(folder):
    life = Life.__new__(Life)
    life.folder = folder
    return life


def test_a_history_of_hyperexport_becomes_jobs(tmp_path):
    entry = {
        "timestamp": "2026-09-01T10:00:00Z",
        "vm_name": "web",
        "vm_path": "/dc/vm/web",
        "provider": "vsphere",
        "success": True,
        "duration": 60_000_000_000,
        "total_size": 5,
        "files_count": 1,
        "output_dir": "/x",
        "format": "ova",
    }
    (tmp_path / "history.json").write_text(json.dumps([entry, {**entry, "success": False, "error_message": "no"}]))

    done = Life.rebuild(_at(tmp_path), tmp_path / "history.json", turn=turn())

    assert sorted(statuses_of(rows_of(tmp_path / "new.db")).values()) == ["completed", "failed"]
    assert done.sources[0].kind is Kind.HISTORY


def test_a_piece_is_told_by_its_content_and_not_by_its_name(life, tmp_path):
    whole_life(life)
    life.backup("none")
    export = life.export()
    life.end()
    plain = next(life.backups.path.glob("*.db"))
    odd = tmp_path / "odd"
    odd.mkdir()
    shutil.copy(plain, odd / "a.txt")
    (odd / "b").write_bytes(gzip.compress(plain.read_bytes()))
    shutil.copy(export, odd / "c.csv")
    shutil.copy(next(life.archives.path.glob("*.zst")), odd / "d.json")
    shutil.copy(life.log, odd / "e.db")
    (odd / "f.txt").write_text("notes\n")
    (odd / "g.json").write_text('{"level":"info","event":"agent.ready"}\n')

    found = {source.path.name: source for source in find_sources([odd])}

    kinds = [Kind.STORE, Kind.STORE, Kind.JSONL, Kind.ARCHIVE, Kind.AUDIT, None, None]
    assert [source.kind for _, source in sorted(found.items())] == kinds
    assert found["f.txt"].state is State.UNKNOWN
    lost = life.lose()
    assert life.rebuild(odd).jobs >= len(lost)


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".json.zst"])
def test_an_export_of_nothing_is_a_piece(tmp_path, suffix):
    make_store(tmp_path / "jobs.db")
    export_jobs(tmp_path / "jobs.db", tmp_path / f"none{suffix}", turn())

    assert find_sources([tmp_path / f"none{suffix}"])[0].state is State.READ


def test_a_pattern_and_a_rotated_file_stand_for_their_pieces(life):
    whole_life(life)
    life.end()
    rotated = sorted(life.folder.glob("audit.jsonl.*"))
    assert rotated

    assert [s.path for s in find_sources([rotated[0]])] == [life.log]
    assert [s.path for s in find_sources([str(life.folder / "audit.jsonl*")])] == [life.log]
    assert {s.kind for s in find_sources([str(life.folder / "*.jsonl")])} == {Kind.AUDIT, Kind.JSONL}
    with pytest.raises(StoreNotFoundError, match="nothing matches"):
        find_sources([str(life.folder / "*.none")])


def test_a_compressed_audit_log_is_told_to_be_one(life):
    whole_life(life)
    life.end()
    packed = life.folder / "audit.gz"
    packed.write_bytes(gzip.compress(life.log.read_bytes()))

    with pytest.raises(SourcesDamagedError, match="is a compressed audit log; decompress it first"):
        life.rebuild(packed)


def test_what_is_named_and_is_no_piece_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("notes")

    with pytest.raises(InvalidJobError, match="none of the pieces"):
        find_sources([tmp_path / "a.txt"])
    with pytest.raises(StoreNotFoundError, match="no such file"):
        find_sources([tmp_path / "b.txt"])
    with pytest.raises(ArchiveNotFoundError):
        Life.rebuild(_at(tmp_path), tmp_path, turn=turn())


def damaged(path, place=0.5):
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 0x55
    path.write_bytes(data)


def test_damaged_pieces_are_named_and_left_out_only_when_that_is_said(life):
    whole_life(life)
    life.backup()
    life.end()
    old, new = sorted(life.backups.path.glob("*.db.zst"))
    damaged(new)
    archive = next(life.archives.path.glob("*.zst"))
    damaged(archive)
    lost = life.lose()

    with pytest.raises(SourcesDamagedError) as refused:
        life.rebuild(*life.pieces())
    assert new.name in str(refused.value)
    assert archive.name in str(refused.value)
    assert not (life.folder / "new.db").exists()

    done, found = rebuilt_rows(life, may_skip=True)
    assert statuses_of(found) == statuses_of(lost)  # by the older backup and the audit log
    assert {source.path: source.state for source in done.sources if source.kind is Kind.BACKUP} == {
        new: State.DAMAGED,
        old: State.READ,
    }


def test_a_damaged_backup_that_a_newer_whole_one_follows_is_no_obstacle(life):
    whole_life(life)
    life.backup()
    life.end()
    damaged(min(life.backups.path.glob("*.db.zst")))
    lost = life.lose()

    assert rebuilt_rows(life)[1] == lost


def test_an_export_that_was_cut_short_is_damaged_and_its_whole_rows_can_be_had(life):
    whole_life(life)
    export = life.export()
    life.end()
    lost = life.lose()
    export.write_bytes(export.read_bytes()[:-40])

    with pytest.raises(SourcesDamagedError, match="1 rows cannot be taken; the first, 8: is no JSON"):
        life.rebuild(export)
    done, found = rebuilt_rows(life, export, may_skip=True)
    assert len(found) == len(lost) - 1
    assert done.sources[0].state is State.DAMAGED


def test_a_torn_last_line_of_the_audit_log_is_survived_and_said(life):
    whole_life(life)
    life.end()
    lost = life.lose()
    with life.log.open("ab") as file:
        file.write(b'{"n":999,"at":"2026-')

    done, found = rebuilt_rows(life)

    assert statuses_of(found) == statuses_of(lost)
    [audit] = [source for source in done.sources if source.kind is Kind.AUDIT]
    assert (audit.state, "torn" in audit.message) == (State.READ, True)


def test_a_broken_chain_is_shown_and_the_lines_that_can_be_read_are_used_when_that_is_said(life):
    whole_life(life)
    life.end()
    lost = life.lose()
    lines = life.log.read_bytes().splitlines(keepends=True)
    assert len(lines) > 2
    life.log.write_bytes(b"".join([lines[0], b"garbage\n", *lines[1:]]))

    with pytest.raises(SourcesDamagedError, match=r"faults in its chain: line 2: is no line of an audit log"):
        life.rebuild(*life.pieces())
    _, found = rebuilt_rows(life, may_skip=True)
    assert statuses_of(found) == statuses_of(lost)


def test_lines_of_the_audit_log_without_a_code_of_the_key_are_damage(life):
    whole_life(life)
    life.end()

    with pytest.raises(SourcesDamagedError, match="was not written with this key"):
        life.rebuild(life.log, key=b"0123456789abcdef")


def test_copies_of_pieces_change_nothing(life, tmp_path):
    whole_life(life)
    life.end()
    life.lose()
    life.rebuild(*life.pieces())
    copies = tmp_path / "copies"
    for path in life.pieces():
        if path.is_dir():
            shutil.copytree(path, copies / path.name)
    shutil.copy(life.log, copies / "audit.jsonl")
    for path in tmp_path.glob("audit.jsonl.*"):
        shutil.copy(path, copies / path.name)

    life.rebuild(*life.pieces(), copies, *(copies / name for name in ("backups", "archive")), name="twice.db")

    ids = rows_of(tmp_path / "new.db")
    assert rows_of(tmp_path / "twice.db") == ids
    assert histories_of(tmp_path / "twice.db", ids) == histories_of(tmp_path / "new.db", ids)


def test_changes_that_a_power_cut_doubled_in_the_log_are_in_the_history_once(life, tmp_path):
    life.save("a", "pending", created=OLD)
    life.keep()
    saved = tmp_path / "saved"
    saved.mkdir()
    life.save("a", "running", created=OLD)
    life.end()
    state = life.folder / "state"
    shutil.copytree(state, saved / "state")
    with closing(Connection(life.store)) as connection:  # the change is waiting once more, as before it was written
        last = json.loads(life.log.read_bytes().splitlines()[-1])
        connection.rows(
            "INSERT INTO hyperjobs_audit SELECT ?,at,?,?,old,new,'writer' FROM hyperjobs_history WHERE job_id='a' AND new='running'",
            (last["seq"] - 1, "a", "vsphere"),
        )
    again = Life.__new__(Life)
    again.__dict__ |= life.__dict__
    sink = AuditSink(AuditSettings(path=life.log, fsync=False), clock=life.clock)
    again.keeper = Kept(life.store, state, options=LedgerOptions(is_audited=True), clock=life.clock, audit=sink)
    again.end()
    export = life.export()
    told = [json.loads(line) for line in life.log.read_bytes().splitlines()]
    assert [line["source"] for line in told if line["job"] is None and line["source"] != "begun"] == ["rolled_back"]
    assert [line["new"] for line in told if line["job"] == "a"].count("running") == 2

    life.rebuild(life.log, export)

    assert [new for _, _, new in histories_of(tmp_path / "new.db", ["a"])["a"]] == ["pending", "running"]


def test_of_the_backups_of_a_store_the_newest_counts_wherever_they_are_and_however_they_are_named(life, tmp_path):
    whole_life(life)
    life.backup()
    life.end()
    lost = life.lose()
    old, new = sorted(life.backups.path.glob("*.db.zst"))
    away = tmp_path / "away"
    away.mkdir()
    for path in life.backups.path.glob(f"{new.name}*"):
        shutil.move(path, away)

    for pieces in ([old, away], [away, str(old)], [away / new.name, life.backups.path], [str(away / "*"), old]):
        done = life.rebuild(*pieces)
        assert rows_of(tmp_path / "new.db") == lost
        assert [source.state for source in done.sources] == [State.READ, State.OLDER]
        (tmp_path / "new.db").unlink()


def test_a_directory_of_several_stores_backups_is_refused_unless_one_is_named(tmp_path):
    lives = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        lives.append(Life(tmp_path / name))
        lives[-1].save(name, "running")
        lives[-1].backup()
        lives[-1].end()
    for path in lives[1].backups.path.iterdir():
        if path.name.startswith("jobs"):
            shutil.copy(path, lives[0].backups.path / path.name.replace("0001", "0002"))
    manifest = max(lives[0].backups.path.glob("*.json"))
    manifest.write_text(manifest.read_text().replace("-0001", "-0002").replace('"sequence": 1', '"sequence": 2'))

    with pytest.raises(StoreRefusedError, match="several stores"):
        find_sources([lives[0].backups.path])
    kept = find_sources([lives[0].backups.path], store=lives[0].store)
    assert {source.path.name[-11:-7]: source.state for source in kept} == {"0001": State.READ, "0002": State.OTHER}


def test_a_store_with_a_wal_beside_it_is_not_read(tmp_path):
    make_store(tmp_path / "jobs.db")
    db = apsw.Connection(str(tmp_path / "jobs.db"))
    db.execute("DELETE FROM schema_version")

    with pytest.raises(SourcesDamagedError, match="-wal beside it"):
        Life.rebuild(_at(tmp_path), tmp_path / "jobs.db", turn=turn())
    db.close()


def test_a_path_that_is_taken_is_refused_and_left_as_it_is(life):
    whole_life(life)
    life.end()
    (life.folder / "new.db").write_text("mine")

    with pytest.raises(StoreRefusedError, match="is there already"):
        life.rebuild(*life.pieces())
    assert (life.folder / "new.db").read_text() == "mine"
    assert list(life.folder.glob(".new.db*")) == []
    with pytest.raises(StoreNotFoundError, match="no directory"):
        life.rebuild(*life.pieces(), name="none/new.db")


def test_what_came_to_be_there_meanwhile_is_not_replaced(tmp_path):
    made, target = tmp_path / "made", tmp_path / "new.db"
    made.write_text("ours")
    target.write_text("theirs")

    with pytest.raises(StoreRefusedError, match="is there already"):
        publish(made, target)
    assert (made.read_text(), target.read_text()) == ("ours", "theirs")
    target.unlink()
    publish(made, target)
    assert (target.read_text(), target.stat().st_nlink, made.exists()) == ("ours", 1, False)


def test_a_dry_run_says_the_same_and_leaves_nothing(life):
    whole_life(life)
    life.end()
    before = sorted(path.name for path in life.folder.iterdir())

    foretold = life.rebuild(*life.pieces(), turn=life.turn(is_dry=True))
    assert sorted(path.name for path in life.folder.iterdir()) == before
    done = life.rebuild(*life.pieces())

    assert {**foretold.shape(), "bytes": done.bytes} == done.shape()


@pytest.mark.parametrize("after", [0, 1, 3, 8])
def test_a_stop_at_any_point_leaves_nothing(life, after):
    whole_life(life)
    life.end()
    looks = itertools.count()
    before = sorted(path.name for path in life.folder.iterdir())

    with pytest.raises(StoreInterruptedError):
        life.rebuild(*life.pieces(), turn=life.turn(is_stopping=lambda: next(looks) >= after))
    assert sorted(path.name for path in life.folder.iterdir()) == before


def test_of_two_rebuilds_to_one_path_one_makes_it(life):
    whole_life(life)
    life.end()
    ends, start = [], threading.Barrier(2)

    def run():
        start.wait()
        try:
            ends.append(life.rebuild(*life.pieces()).jobs)
        except StoreRefusedError as exc:
            ends.append(exc.reason)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(str, ends)) == ["8", "exists"]
