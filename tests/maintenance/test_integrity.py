"""Damage is found, told and frozen; what is merely odd is counted; and no check says more than it saw."""

from __future__ import annotations

import os
import random
import shutil
import time
from typing import TYPE_CHECKING

import apsw
import pytest

from hyperjobs.clock import SystemClock
from hyperjobs.errors import (
    BackupDamagedError,
    HyperjobsError,
    NotAJobStoreError,
    StoreDamagedError,
    StoreInterruptedError,
    StoreNotFoundError,
)
from hyperjobs.maintenance.backup.catalogue import read_catalogue
from hyperjobs.maintenance.backup.create import create_backup
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.maintenance.integrity.full import FullTask
from hyperjobs.maintenance.integrity.quick import QuickTask
from hyperjobs.store.connection import Connection
from hyperjobs.store.content import read_content
from hyperjobs.store.ledger.drift import check_drift
from hyperjobs.store.snapshot import Pace
from hyperjobs.store.soundness import MOST_MESSAGES, uncover
from hyperjobs.testing import START, FakeClock
from support import stores
from support.holders import execute, held
from support.ledgers import Kept, insert, make_store
from support.stores import RawText, go_store, script
from support.turns import make_turn, stop_after

if TYPE_CHECKING:
    from pathlib import Path

PAGE = 4096
CREATED = "2026-01-01 10:00:00+00:00"


class Told:
    """What a task told the rest of the agent, in order."""

    def __init__(self) -> None:
        self.frozen: list[tuple[str, str]] = []
        self.integrity: list[tuple[bool, list[str]]] = []
        self.distrusted: list[tuple[str, str]] = []

    def freeze(self, reason: str, message: str) -> None:
        self.frozen.append((reason, message))

    def set_integrity(self, is_whole: bool, messages: list[str]) -> None:  # noqa: FBT001 - as it is called
        self.integrity.append((is_whole, messages))

    def distrust(self, name: BackupName, message: str) -> None:
        self.distrusted.append((str(name), message))

    def quick(self, store: Path, **options) -> QuickTask:
        return QuickTask(store, freeze=self.freeze, set_integrity=self.set_integrity, **options)

    def full(self, store: Path, directory: BackupDirectory, **options) -> FullTask:
        return FullTask(
            store,
            directory,
            newest=lambda: next(reversed(directory.names()), None),
            distrust=self.distrust,
            freeze=self.freeze,
            set_integrity=self.set_integrity,
            **options,
        )


def fill(path: Path, jobs: int) -> Path:
    db = apsw.Connection(str(path))
    with db:
        for number in range(jobs):
            insert(db, f"job-{number}", "completed", started=CREATED, completed=CREATED, size=number)
    db.close()
    return path


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return fill(make_store(tmp_path / "jobs.db"), 2000)


@pytest.fixture
def directory(tmp_path: Path) -> BackupDirectory:
    return BackupDirectory(tmp_path / "backups")


def leaf_of_jobs(path: Path) -> int:
    """The number of a page in the middle of the table, that holds rows."""
    db = apsw.Connection(str(path))
    pages = db.execute("SELECT pageno FROM dbstat WHERE name='jobs' AND pagetype='leaf' ORDER BY path").fetchall()
    db.close()
    return int(pages[len(pages) // 2][0])


def write_page(path: Path, number: int, data: bytes) -> None:
    """Change the main file as a bad disk does, under SQLite and whatever its -wal holds."""
    with path.open("r+b") as file:
        file.seek((number - 1) * PAGE)
        file.write(data)


def main_file_alone(path: Path, tmp_path: Path) -> list[tuple[str]]:
    """What integrity_check says of the main file without its -wal."""
    alone = shutil.copy(path, tmp_path / "alone.db")
    db = apsw.Connection(alone.as_uri() + "?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        return db.execute("PRAGMA integrity_check(1)").fetchall()
    finally:
        db.close()


def test_a_sound_store_is_whole_and_says_so(store, told):
    report = told.quick(store).run(make_turn())

    assert told.integrity == [(True, [])]
    assert told.frozen == []
    assert report.summary == "the pages are whole; 2,000 sound jobs"
    assert (report.detail["rows"], set(report.detail["anomalies"].values()), report.detail["orphans"]) == (
        2000,
        {0},
        {},
    )


def test_a_store_of_the_go_client_is_whole_and_its_rows_sound(tmp_path, told):
    report = told.quick(go_store(tmp_path)).run(make_turn(clock=FakeClock(START.replace(year=2027))))

    assert told.integrity == [(True, [])]
    assert report.summary == "the pages are whole; 2,985 sound jobs"


def test_damage_fails_the_run_freezes_the_store_and_gives_the_first_messages(store, told):
    write_page(store, leaf_of_jobs(store), os.urandom(PAGE))

    with pytest.raises(StoreDamagedError, match=rf"{store}: damaged: .*hyperjobs restore") as caught:
        told.quick(store).run(make_turn())

    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    [(is_whole, messages)] = told.integrity
    [(reason, brief)] = told.frozen  # repeated by whatever the freeze holds up, so it has the first of them alone
    assert reason == "damaged"
    assert brief.startswith(f"{store}: damaged: {messages[0]}")
    assert not any(message in brief for message in messages[1:])
    assert not is_whole
    assert 1 <= len(messages) <= MOST_MESSAGES
    assert all("\n" not in message and "***" not in message for message in messages)


def test_a_store_that_was_put_right_is_told_whole_again(store, told):
    number = leaf_of_jobs(store)
    sound = store.read_bytes()[(number - 1) * PAGE : number * PAGE]
    write_page(store, number, os.urandom(PAGE))
    with pytest.raises(StoreDamagedError):
        told.quick(store).run(make_turn())
    write_page(store, number, sound)

    told.quick(store).run(make_turn())

    assert [is_whole for is_whole, _ in told.integrity] == [False, True]


def test_a_dry_run_finds_damage_and_tells_nobody(store, told):
    write_page(store, leaf_of_jobs(store), bytes(PAGE))

    with pytest.raises(StoreDamagedError):
        told.quick(store).run(make_turn(is_dry=True))

    assert (told.frozen, told.integrity) == ([], [])


@pytest.mark.parametrize("content", [b"damaged" * 1000, b"\x7fELF" + bytes(5000), b"x"])
def test_a_store_whose_header_is_gone_is_damaged(store, told, content):
    store.write_bytes(content)

    with pytest.raises(StoreDamagedError, match="first bytes are not those of a database"):
        told.quick(store).run(make_turn())

    assert [reason for reason, _ in told.frozen] == ["damaged"]


def test_an_empty_file_is_no_store_and_freezes_nothing(tmp_path, told):
    (tmp_path / "jobs.db").touch()

    with pytest.raises(NotAJobStoreError):
        told.quick(tmp_path / "jobs.db").run(make_turn())

    assert (told.frozen, told.integrity) == ([], [])


def test_a_missing_store_is_not_a_damaged_one(tmp_path, told):
    with pytest.raises(StoreNotFoundError):
        told.quick(tmp_path / "jobs.db").run(make_turn())

    assert (told.frozen, told.integrity) == ([], [])


def test_a_broken_page_under_the_wal_is_healed_by_a_checkpoint_and_the_check_says_what_it_wrote(store, told, tmp_path):
    number = leaf_of_jobs(store)
    with held(store, "PRAGMA wal_autocheckpoint=0", "UPDATE jobs SET progress=50"):
        write_page(store, number, os.urandom(PAGE))
        assert main_file_alone(store, tmp_path) != [("ok",)]

        report = told.quick(store).run(make_turn())

        assert main_file_alone(store, tmp_path) == [("ok",)]
    assert report.detail["rewritten_pages"] > 0
    assert report.detail["masked_pages"] == 0
    assert told.integrity == [(True, [])]


def test_a_broken_page_that_the_wal_masks_is_never_passed_over_in_silence(store, told, tmp_path):
    """A reader that holds an older snapshot keeps the -wal from being written back."""
    number = leaf_of_jobs(store)
    with (
        held(store, "BEGIN", "SELECT count(*) FROM jobs"),
        held(store, "PRAGMA wal_autocheckpoint=0", "UPDATE jobs SET progress=50"),
    ):
        write_page(store, number, os.urandom(PAGE))

        masked = told.quick(store).run(make_turn())

        assert main_file_alone(store, tmp_path) != [("ok",)]
    assert "pages of the main file are masked by the -wal and were not looked at" in masked.summary
    assert masked.detail["masked_pages"] > 0

    # with its readers gone the -wal was written back, and nothing is masked any more
    after = told.quick(store).run(make_turn())
    assert main_file_alone(store, tmp_path) == [("ok",)]
    assert after.summary == "the pages are whole; 2,000 sound jobs"


def test_a_broken_page_beside_those_that_the_wal_holds_is_damage(store, told):
    with held(store, "PRAGMA wal_autocheckpoint=0", "UPDATE jobs SET progress=50 WHERE id='job-1'"):
        write_page(store, leaf_of_jobs_in(store), os.urandom(PAGE))

        with pytest.raises(StoreDamagedError):
            told.quick(store).run(make_turn())

    assert [reason for reason, _ in told.frozen] == ["damaged"]


def leaf_of_jobs_in(path: Path) -> int:
    """As ``leaf_of_jobs``, of a store that others have open: seen from a copy."""
    copy = shutil.copy(path, path.with_name("copy.db"))
    return leaf_of_jobs(copy)


def test_a_dry_run_writes_nothing_back(store, told):
    with held(store, "PRAGMA wal_autocheckpoint=0", "UPDATE jobs SET progress=50"):
        before = store.read_bytes()
        report = told.quick(store).run(make_turn(is_dry=True))

        assert store.read_bytes() == before
    assert report.detail["masked_pages"] > 0


def test_a_reader_counts_what_the_wal_could_mask_by_its_size(store):
    with held(store, "PRAGMA wal_autocheckpoint=0", "UPDATE jobs SET progress=50"):
        writer, reader = Connection(store), Connection(store, read_only=True)
        try:
            assert uncover(reader).frames == uncover(writer, write=False).frames > 0
        finally:
            writer.close()
            reader.close()


def test_rows_that_cannot_be_are_counted_and_are_no_damage(store, told):
    stores.insert(
        store,
        {"id": "a", "error": None},
        {"id": "b", "user": RawText(b"\xff")},
        {"id": "c", "name": "a\0b"},
        {"id": "d", "metadata": "[1"},
        {"id": "e", "created_at": "0001-01-01 00:00:00+00:00"},
        {"id": "f", "error": "x" * 20_000_000},
        {"id": "g", "error": b"\0" * 100},
    )

    report = told.quick(store).run(make_turn())

    found = {kind: rows for kind, rows in report.detail["anomalies"].items() if rows}
    assert found == dict.fromkeys(
        ("null_value", "not_utf8", "nul_character", "metadata_not_object", "time_impossible", "not_text"), 1
    )
    assert report.detail["examples"]["null_value"] == ["a"]
    assert "hypersdk's own client cannot list any job" in report.summary
    assert told.frozen == []
    assert told.integrity == [(True, [])]


DAEMON = """
CREATE TABLE jobs (id TEXT PRIMARY KEY, name TEXT, vm_path TEXT, output_path TEXT, status TEXT, created_at TIMESTAMP,
  started_at TIMESTAMP, completed_at TIMESTAMP, progress_json TEXT, result_json TEXT, error TEXT, definition_json TEXT);
CREATE TABLE job_history (id INTEGER PRIMARY KEY, job_id TEXT, FOREIGN KEY (job_id) REFERENCES jobs(id) ON DELETE CASCADE);
INSERT INTO jobs(id,name,vm_path,output_path,status,created_at) VALUES('a','n','/v','/o','running','2026-01-21 10:00:00+00:00');
INSERT INTO job_history(job_id) VALUES('a'),('gone'),('gone'),('lost');
"""


def test_orphans_are_a_warning_and_never_damage(tmp_path, told):
    script(tmp_path / "jobs.db", DAEMON)

    report = told.quick(tmp_path / "jobs.db").run(make_turn())

    assert report.detail["orphans"] == {"job_history": 3}
    assert "3 rows whose job is gone" in report.summary
    assert told.frozen == []
    assert told.integrity == [(True, [])]


@pytest.mark.parametrize(
    ("drift", "words"), [(0, "2,000 sound jobs"), (3, "the ledger was off by 3 jobs and was put right")]
)
def test_drift_of_the_ledger_is_told(store, told, drift, words):
    report = told.quick(store, check_drift=lambda _is_stopping: drift).run(make_turn())

    assert report.detail["drift_jobs"] == drift
    assert report.summary.endswith(words)


def test_a_stop_while_the_ledger_is_compared_is_obeyed_and_puts_nothing_right(store, told, tmp_path):
    kept = Kept(store, tmp_path / "state")
    kept.turn()
    fill(store, 20_000)
    execute(store, "UPDATE hyperjobs_gauge SET jobs=jobs+5")
    is_comparing = False

    def compare(is_stopping):
        nonlocal is_comparing
        is_comparing = True
        return check_drift(store, kept.options, clock=FakeClock(), is_stopping=is_stopping)

    with pytest.raises(StoreInterruptedError):
        told.quick(store, check_drift=compare).run(make_turn(is_stopping=lambda: is_comparing))

    assert is_comparing
    assert told.quick(store, check_drift=compare).run(make_turn()).detail["drift_jobs"] == 5
    kept.stop()


def test_a_stop_ends_the_wait_for_a_locked_store_and_freezes_nothing(store, told):
    script(store, "PRAGMA journal_mode=DELETE")
    with held(store, "BEGIN EXCLUSIVE"), pytest.raises(StoreInterruptedError):
        told.quick(store).run(make_turn(is_stopping=stop_after(30)))

    assert (told.frozen, told.integrity) == ([], [])


def test_a_store_without_a_wal_has_nothing_masked(store, told):
    script(store, "PRAGMA journal_mode=DELETE")

    report = told.quick(store).run(make_turn())

    assert report.summary == "the pages are whole; 2,000 sound jobs"
    assert (report.detail["masked_pages"], report.detail["rewritten_pages"]) == (0, 0)


@pytest.mark.parametrize("looks", [0, 1, 2, 3, 5])
def test_a_stop_ends_the_check_without_a_word_to_anybody(store, told, looks):
    with pytest.raises(StoreInterruptedError):
        told.quick(store).run(make_turn(is_stopping=stop_after(looks)))

    assert told.frozen == []
    assert (False, []) not in told.integrity


def back_up(store: Path, directory: BackupDirectory, compression: str = "none") -> BackupName:
    made = create_backup(store, directory, clock=FakeClock(), pace=Pace(), compression=compression)
    name = BackupName.parse(made.name)
    assert name is not None
    return name


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_the_newest_backup_is_checked_in_full_and_the_live_store_left_alone(store, told, directory, compression):
    back_up(store, directory)
    newest = back_up(store, directory, compression)
    before = sorted(path.name for path in directory.path.iterdir())
    store.unlink()

    report = told.full(store, directory).run(make_turn())

    assert report.summary == f"{newest}: 2,000 jobs, whole and as its manifest says"
    assert (report.detail["checked"], report.detail["backup"]) == ("backup", str(newest))
    assert (told.frozen, told.integrity, told.distrusted) == ([], [], [])
    assert sorted(path.name for path in directory.path.iterdir()) == before


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_damaged_backup_stops_the_rotation_and_not_the_live_store(store, told, directory, compression):
    name = back_up(store, directory, compression)
    file = directory.path / str(name)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)

    with pytest.raises(BackupDamagedError) as caught:
        told.full(store, directory).run(make_turn())

    assert told.distrusted == [(str(name), str(caught.value))]
    assert str(caught.value).startswith(f"{file}: ")
    assert str(caught.value).endswith("; it no longer counts")
    assert [entry.name for entry in read_catalogue(directory.path, store) if entry.is_verified] == []
    assert (told.frozen, told.integrity) == ([], [])


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_dry_run_finds_a_damaged_backup_and_tells_nobody_and_marks_nothing(store, told, directory, compression):
    file = directory.path / str(back_up(store, directory, compression))
    file.write_bytes(file.read_bytes()[:-1])
    before = sorted(path.name for path in directory.path.iterdir())

    with pytest.raises(BackupDamagedError):
        told.full(store, directory).run(make_turn(is_dry=True))

    assert told.distrusted == []
    assert sorted(path.name for path in directory.path.iterdir()) == before


def test_without_a_backup_the_live_store_is_checked_and_the_report_says_so(store, told, directory):
    report = told.full(store, directory).run(make_turn())

    assert "there is no verified backup, so the live store itself was checked" in report.summary
    assert report.detail["checked"] == "live"
    assert told.integrity == [(True, [])]


def test_without_a_backup_a_wrong_index_is_found_in_the_live_store(store, told, directory):
    """quick_check does not look into indexes; integrity_check does."""
    execute(
        store,
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_schema SET sql=replace(sql,'(status)','(user)') WHERE name='idx_status'",
    )
    assert told.quick(store).run(make_turn()).detail["rows"] == 2000

    with pytest.raises(StoreDamagedError, match="idx_status"):
        told.full(store, directory).run(make_turn())

    assert [reason for reason, _ in told.frozen] == ["damaged"]


def test_a_stop_ends_the_full_check_and_leaves_nothing(store, told, directory):
    back_up(store, directory, "gzip")
    before = sorted(path.name for path in directory.path.iterdir())

    for looks in range(6):
        with pytest.raises(StoreInterruptedError):
            told.full(store, directory).run(make_turn(is_stopping=stop_after(looks)))

    assert sorted(path.name for path in directory.path.iterdir()) == before
    assert (told.distrusted, told.frozen) == ([], [])


def _bits(data: bytearray, chance: random.Random, count: int, low: int = 0, high: int | None = None) -> None:
    at = chance.randrange(low, high or len(data))
    for offset in range(count):
        data[min(at + offset, len(data) - 1)] ^= 1 << chance.randrange(8) if count == 1 else chance.randrange(1, 256)


def _blank(data: bytearray, chance: random.Random, size: int) -> None:
    # what is all zero already is no harder hit
    places = [at for at in range(0, len(data), size) if any(data[at : at + size])]
    at = chance.choice(places)
    data[at : at + size] = bytes(size)


def _random_page(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) // PAGE) * PAGE
    data[at : at + PAGE] = chance.randbytes(PAGE)


def _swap(data: bytearray, chance: random.Random) -> None:
    one, other = (page * PAGE for page in chance.sample(range(len(data) // PAGE), 2))
    data[one : one + PAGE], data[other : other + PAGE] = data[other : other + PAGE], data[one : one + PAGE]


def _truncate(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(1, len(data)) :]


HARM = {
    "one bit": lambda data, chance: _bits(data, chance, 1),
    "16 bytes": lambda data, chance: _bits(data, chance, 16),
    "a zeroed sector": lambda data, chance: _blank(data, chance, 512),
    "a zeroed page": lambda data, chance: _blank(data, chance, PAGE),
    "a random page": _random_page,
    "two pages swapped": _swap,
    "a lost end": _truncate,
    "a bit of the header": lambda data, chance: _bits(data, chance, 1, 0, 100),
}
LEAST_FOUND = {"one bit": 0.85}
"""The share that must be found; else it is 0.99. SQLite keeps no checksum, so a bit of a text that stays one passes.
The sha256 of a backup tells it."""


@pytest.mark.parametrize("harm", HARM)
def test_damage_of_the_live_store_is_found_at_once_and_nothing_crashes(tmp_path_factory, told, harm):
    """What no check finds must at least have changed no job: much of a file means nothing, as free space."""
    tmp_path = tmp_path_factory.mktemp("harm")
    sound_path = fill(make_store(tmp_path / "sound.db"), 2500)
    sound, content = sound_path.read_bytes(), digest(sound_path)
    chance = random.Random(harm)  # noqa: S311 - the same harm each time
    tries, found, slowest = 40, 0, 0.0
    for number in range(tries):
        data = bytearray(sound)
        HARM[harm](data, chance)
        store = tmp_path / f"{number}.db"
        store.write_bytes(data)
        began = time.monotonic()
        is_known = is_found(told, store, BackupDirectory(tmp_path / "none"))
        slowest = max(slowest, time.monotonic() - began)
        found += is_known or digest(store) == content
        store.unlink()

    assert found >= LEAST_FOUND.get(harm, 0.99) * tries, found
    assert slowest < 2


def digest(path: Path) -> str:
    connection = Connection(path, immutable=True)
    try:
        return connection.read(read_content).digest
    finally:
        connection.close()


def is_found(told: Told, store: Path, directory: BackupDirectory) -> bool:
    """Whether one of the checks finds something; what is no error of ours fails the test."""
    try:
        report = told.quick(store).run(make_turn())
        if any(report.detail["anomalies"].values()) or report.detail["orphans"]:
            return True
        told.full(store, directory).run(make_turn())
    except HyperjobsError as exc:
        return "\n" not in str(exc)  # one line, or it does not count
    return False


def test_between_two_looks_at_rows_the_check_waits_as_long_as_it_looked(tmp_path, told):
    """Else no checkpoint gets to the end of the -wal meanwhile, and every commit of a writer makes one."""
    store = fill(make_store(tmp_path / "jobs.db"), 3500)
    waits: list[float] = []

    told.quick(store).run(make_turn(clock=SystemClock(), wait=waits.append))

    assert len(waits) == 4
    assert min(waits) > 0
