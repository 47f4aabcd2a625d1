"""A reload that would delete much is refused until a person acknowledges exactly that."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import apsw
import pytest

from hyperjobs.maintenance.backup.destination.directory import DirectoryDestination
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.prune.task import PruneTask
from hyperjobs.maintenance.task import Turn
from hyperjobs.store.retention import Retention
from hyperjobs.testing import FakeClock
from support.agents import logged, started
from support.backups import take
from support.ledgers import make_store
from support.processes import get, running

YOUNG_JOBS, OLD_JOBS = 10, 10


def add(path, ages, prefix="job"):
    """Completed jobs that ended so many days ago."""
    db = apsw.Connection(str(path))
    db.set_busy_timeout(5_000)  # the agent may be folding
    with db:
        for number, days in enumerate(ages):
            ended = str(datetime.now(UTC) - timedelta(days=days))
            db.execute(
                "INSERT INTO jobs VALUES(?,'n','vm','/vm','vsphere','/out','completed',?,?,?,100.0,'','null','',1,1)",
                (f"{prefix}-{number}", ended, ended, ended),
            )
    db.close()


class Gated:
    """An agent that keeps completed jobs for 30 days, over a store of which half ended 10 days ago."""

    def __init__(self, process, file, options):
        self.process, self.file, self.options = process, file, options
        self.url = started(process)

    def write(self, *, retention=None, keep=None, **maintenance):
        care = self.options["maintenance"]
        care.update(maintenance)
        care["prune"]["retention"] |= retention or {}
        care["backup"]["keep"] = keep or care["backup"]["keep"]
        self.file.write_text(json.dumps(self.options))

    def hup(self, event):
        before = len(logged(self.process, event))
        self.process.signal(signal.SIGHUP)
        return self.process.until(lambda: logged(self.process, event)[before:], event)[0]

    def is_good(self):
        [line] = [
            line
            for line in get(f"{self.url}/metrics").text.splitlines()
            if line.startswith("hyperjobs_config_last_reload_successful ")
        ]
        return line.endswith((" 1.0", " 1"))

    def command(self, *words):
        return subprocess.run(
            [sys.executable, "-m", "hyperjobs", *words], capture_output=True, text=True, timeout=60, check=False
        )


@pytest.fixture
def gated(tmp_path):
    make_store(tmp_path / "jobs.db")
    add(tmp_path / "jobs.db", [1] * YOUNG_JOBS + [10] * OLD_JOBS)
    options = {
        "store": {"path": str(tmp_path / "jobs.db"), "state_dir": str(tmp_path / "state")},
        "web": {"listen": ["127.0.0.1:0"], "reload": True},
        "maintenance": {
            "reserve": "0",
            "prune": {"retention": {"completed": "30d"}},
            "backup": {"directory": str(tmp_path / "backups"), "minimum": 1, "keep": {"last": 10}},
        },
    }
    file = tmp_path / "hyperjobs.yaml"
    file.write_text(json.dumps(options))
    with running([sys.executable, "-m", "hyperjobs", "run", "--config", file]) as process:
        yield Gated(process, file, options)
        assert process.stop() == 0
        assert "Traceback" not in process.output


def test_a_retention_that_would_delete_half_the_store_is_refused_and_says_so(gated):
    gated.write(retention={"completed": "3d"})

    line = gated.hup("config.reload_failed")

    assert "completed: 30d → 3d would delete 10 of 20 jobs" in line["error"]
    assert f"hyperjobs config ack {gated.file}" in line["error"]
    assert line["reason"] == "deletes"
    assert not gated.is_good()


def test_what_would_delete_no_more_than_the_share_is_put_into_force(gated):
    gated.write(retention={"completed": "11d"})

    gated.hup("config.reloaded")

    assert gated.is_good()


def test_an_acknowledgement_lets_exactly_one_reload_through(gated):
    gated.write(retention={"completed": "3d"})
    gated.hup("config.reload_failed")

    said = gated.command("config", "ack", "--yes", str(gated.file))
    assert (said.returncode, said.stderr) == (0, "")
    gated.hup("config.reloaded")
    assert gated.is_good()

    gated.write(retention={"completed": "30d"})
    gated.hup("config.reloaded")
    gated.write(retention={"completed": "3d"})
    gated.hup("config.reload_failed")


def test_an_acknowledgement_is_of_one_configuration_and_of_no_other(gated):
    gated.write(retention={"completed": "3d"})
    assert gated.command("config", "ack", "--yes", str(gated.file)).returncode == 0
    gated.write(retention={"completed": "2d"})

    assert "30d → 2d" in gated.hup("config.reload_failed")["error"]


def test_the_share_in_force_counts_and_not_that_of_the_new_file(gated):
    gated.write(retention={"completed": "3d"}, reload_max_deletes="100%")

    gated.hup("config.reload_failed")


def test_the_answer_over_http_says_what_would_be_deleted(gated):
    gated.write(retention={"completed": "3d"})

    # compared with what the agent has in force, not with its file
    said = gated.command("config", "diff-effect", str(gated.file))
    assert said.returncode == 6
    assert "would delete 10 of 20 jobs" in said.stdout
    request = urllib.request.Request(f"{gated.url}/-/reload", method="POST")  # noqa: S310 - our own address
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)  # noqa: S310 - as above
    with refused.value as answer:
        assert answer.code == 409
        assert "would delete 10 of 20 jobs" in answer.read().decode()


def test_rules_that_let_most_backups_go_are_refused_too(gated, tmp_path):
    directory = BackupDirectory(tmp_path / "backups")
    for days in range(4):
        take(tmp_path / "jobs.db", directory, at=datetime(2026, 1, 1 + days, tzinfo=UTC))
    gated.write(keep={"last": 1, "daily": 0, "weekly": 0, "monthly": 0})

    line = gated.hup("config.reload_failed")

    assert "would delete 3 of 4 backups" in line["error"]
    assert "keep.last: 10 → 1" in line["error"]


def test_rules_that_let_most_backups_of_a_second_place_go_are_refused_by_its_name(gated, tmp_path):
    directory, there = BackupDirectory(tmp_path / "backups"), tmp_path / "there"
    there.mkdir()
    place = DirectoryDestination("offsite", there)
    names = [take(tmp_path / "jobs.db", directory, at=datetime(2026, 1, 1 + days, tzinfo=UTC)) for days in range(4)]
    for name in names:
        place.put(directory.path, name)
    for name in names[:-1]:  # which are only there
        (directory.path / str(name)).unlink()
        (directory.path / name.manifest).unlink()
    gated.options["maintenance"]["backup"]["destinations"] = [{"name": "offsite", "directory": str(there)}]
    gated.write()
    gated.hup("config.reloaded")
    gated.write(keep={"last": 1, "daily": 0, "weekly": 0, "monthly": 0})

    line = gated.hup("config.reload_failed")

    assert "would delete 3 of 4 backups at offsite" in line["error"]
    said = json.loads(gated.command("config", "diff-effect", str(gated.file), "--json").stdout)
    assert (said["backups"]["more"], said["destinations"]["offsite"]["more"], said["refused"]) == (0, 3, True)


def test_archives_whose_time_would_be_over_at_once_are_counted(gated, tmp_path):
    add(tmp_path / "jobs.db", [60], prefix="old")
    then = datetime.now(UTC) - timedelta(days=20)
    pruning = PruneTask(
        tmp_path / "jobs.db",
        retention=Retention({"completed": timedelta(days=30)}),
        archive_directory=tmp_path / "state" / "archive",
        max_share=1.0,
        max_clock_jump=timedelta(days=999),
    )
    pruning.run(Turn(now=then, clock=FakeClock(then)))
    gated.options["maintenance"]["prune"]["archive"] = {"keep": "10d"}
    gated.write()

    line = gated.hup("config.reload_failed")

    assert "archive.keep: 90" in line["error"]
    assert "would delete 1 of 1 archives of pruned jobs" in line["error"]


def test_while_the_store_cannot_be_read_only_what_is_no_stricter_passes(gated, tmp_path):
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"jobs.db{suffix}").rename(tmp_path / f"away.db{suffix}")

    gated.write(reload_max_deletes="50%")
    gated.hup("config.reloaded")
    gated.write(retention={"completed": "29d"})

    assert "how many nobody can tell" in gated.hup("config.reload_failed")["error"]


def test_the_effect_is_one_line_of_json_too(gated):
    gated.write(retention={"completed": "3d"})

    found = json.loads(gated.command("config", "diff-effect", "--json", str(gated.file)).stdout)

    assert found["jobs"] == {"more": 10, "total": 20, "unknown": "", "changes": ["completed: 30d → 3d"]}
    assert found["refused"] is True
    assert found["backups"]["more"] == 0
