"""What docs/upgrade.md promises: older layouts are read, newer ones refused, and no number is lost on either way."""

from __future__ import annotations

import json
import re
import subprocess

import apsw
import pytest

from hyperjobs.doctor import images
from hyperjobs.maintenance.backup import manifest as backups_manifest
from hyperjobs.maintenance.prune import manifest as archives_manifest
from hyperjobs.store.connection import Connection
from hyperjobs.store.flavour import SUPPORTED_LEDGER
from support.catastrophes import lives_on
from support.doc_world import DAEMON, acknowledged, backups
from support.ledgers import downgrade
from support.pages import text_of
from support.processes import get, until
from support.stores import script

PAGE = text_of("docs/upgrade.md")
COUNTED = re.compile(r"^hyperjobs_(?:jobs|job_\w+|jobs_\w+_total)\{.*$", re.MULTILINE)
SHORT = re.compile(r"hyperjobs_job_queue|stalled|_age|oldest|longest")


@pytest.fixture
def alive(here):
    """A world whose writer and agent have been at work, and a backup of it."""
    here.start(DAEMON)
    here.start("hyperjobs")
    lives_on(here)
    assert here.run("hyperjobs backup create").code == 0
    return here


def counts(world):
    """What the agent says of jobs: every total, gauge and bucket."""
    lines = COUNTED.findall(get(f"{world.url}/metrics").text)
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not SHORT.search(line)}


def created(numbers):
    return sum(value for name, value in numbers.items() if name.startswith("hyperjobs_jobs_created_total"))


def settled(world):
    """The counts once the writer has been stopped and all of it is folded."""
    world.stop(DAEMON)
    until(lambda: "\nhyperjobs_ledger_unfolded_rows 0.0\n" in get(f"{world.url}/metrics").text, "the last fold")
    return counts(world)


def older(world):
    """Make of the store a version 1, and of the state file the first there was."""
    connection = Connection(world.store)
    downgrade(connection)
    connection.close()
    [state] = (world.root / "var/lib/hyperjobs").glob("jobs-*.db")
    script(state, *(f"DROP TABLE {name}" for name in ("run", "task", "tally", "hold", "event")))


def ledger_version(world):
    db = apsw.Connection(str(world.store), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        return db.execute("SELECT value FROM hyperjobs_meta WHERE key='schema_version'").fetchall()[0][0]
    finally:
        db.close()


def contents(path):
    """What is in a file, as a process sees it that has no SQLite."""
    return subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout


def test_an_agent_brings_an_older_layout_up_and_every_number_goes_on_where_it_was(alive):
    before = settled(alive)
    assert alive.stop("hyperjobs") == 0
    older(alive)

    alive.start("hyperjobs")

    assert ledger_version(alive) == SUPPORTED_LEDGER
    assert counts(alive) == before
    assert alive.run("hyperjobs runs").written == ""  # of which the first layout had none
    assert alive.run("hyperjobs doctor --only store --only ledger --only holds").code == 0


def test_what_writers_did_before_the_new_agent_started_is_counted_by_it(alive):
    before = settled(alive)
    assert alive.stop("hyperjobs") == 0
    older(alive)
    known = len(acknowledged(alive))
    alive.start(DAEMON)
    lives_on(alive)

    alive.start("hyperjobs")
    after = settled(alive)

    assert created(after) - created(before) == len(acknowledged(alive)) - known


def test_a_ledger_that_is_newer_is_refused_and_left_as_it_is(alive):
    settled(alive)
    alive.stop("hyperjobs")
    newer = SUPPORTED_LEDGER + 1
    script(alive.store, f"UPDATE hyperjobs_meta SET value={newer} WHERE key='schema_version'")  # noqa: S608 - our own number
    before = contents(alive.store)

    codes = {line: alive.run(f"hyperjobs {line}").code for line in ("stats", "uninstall --yes", "backup create")}
    alive.start("hyperjobs")
    scraped = get(f"{alive.url}/metrics").text
    alive.stop("hyperjobs")

    assert set(codes.values()) == {6}
    assert "\nhyperjobs_store_up 0.0\n" in scraped
    assert 'hyperjobs_store_errors_total{reason="newer"}' in scraped
    assert contents(alive.store) == before
    assert f"schema version {newer} is newer than {SUPPORTED_LEDGER}" in PAGE


def test_no_counter_falls_on_the_way_back(alive):
    before = settled(alive)
    for line in ("systemctl stop hyperjobs", "hyperjobs uninstall --yes", "systemctl start hyperjobs"):
        assert alive.run(line).code == 0

    seen = []
    until(lambda: seen.append(counts(alive)) or seen[-1].keys() >= before.keys(), "every count")

    # what is not counted yet is not said
    assert [{name: after.get(name, value) for name, value in before.items()} for after in seen] == [before] * len(seen)


@pytest.mark.parametrize("gone", [("host",), ("host", "found"), ()])
def test_a_backup_by_an_older_version_counts(alive, gone):
    path = alive.root / f"var/backups/hyperjobs/{backups(alive)[-1]}.json"
    written = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in written.items() if name not in gone}))

    assert alive.run("hyperjobs backup verify").code == 0
    assert "\tverified\t" in alive.run("hyperjobs backup list").written


def test_a_backup_of_a_format_that_is_not_known_does_not_count_and_stays(alive):
    path = alive.root / f"var/backups/hyperjobs/{backups(alive)[-1]}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    for _ in range(3):
        assert alive.run("hyperjobs backup create").code == 0

    listed = alive.run("hyperjobs backup list").written
    pruned = alive.run("hyperjobs backup prune --yes --keep-last 1 --minimum 1")

    assert f"{path.stem}\t" in [
        f"{line.split(chr(9))[0]}\t" for line in listed.splitlines() if "\tunverified\t" in line
    ]
    assert pruned.code == 0
    assert path.exists()
    assert path.with_suffix("").exists()


def test_a_table_that_hypersdk_has_changed_is_refused_while_the_agent_counts_on(alive):
    script(alive.store, "PRAGMA busy_timeout=5000", "ALTER TABLE jobs ADD COLUMN priority INTEGER DEFAULT 0")
    lives_on(alive)

    codes = {line: alive.run(f"hyperjobs {line}").code for line in ("stats", "backup create", "doctor --only store")}
    numbers = settled(alive)
    alive.run("systemctl restart hyperjobs")
    refused = get(f"{alive.url}/metrics").text
    script(alive.store, "ALTER TABLE jobs DROP COLUMN priority")
    until(lambda: "\nhyperjobs_store_up 1.0\n" in get(f"{alive.url}/metrics").text, "the table that is known")

    assert set(codes.values()) == {7}
    assert 'hyperjobs_store_errors_total{reason="foreign"}' in refused
    until(lambda: counts(alive) == numbers, "the numbers of before")


def test_the_versions_on_the_page_are_those_of_the_code():
    rows = re.findall(r"^\| ([^|]+) \| (?:(\d+)|none)[^|]* \| ([^|]+) \|", PAGE, re.MULTILINE)
    versions = {what: int(version) for what, version, _ in rows if version}

    assert versions == {
        "the `jobs` table, which is hypersdk's": 1,
        "the ledger beside it": SUPPORTED_LEDGER,
        "a backup and its manifest": backups_manifest.FORMAT,
        "an archive of pruned jobs and its manifest": archives_manifest.FORMAT,
        "rows as a `doctor --fix` found them": images.FORMAT,
    }
