"""``config check --host`` finds what would keep the agent from its work here; without it no machine is looked at."""

from __future__ import annotations

import json

import pytest
import yaml


class Checked:
    """A configuration that fits this machine, to be spoilt."""

    def __init__(self, hj, folder):
        self.hj, self.folder, self.file = hj, folder, folder / "hyperjobs.yaml"
        for name in ("state", "backups", "state/archive"):
            (folder / name).mkdir(mode=0o700)
        self.options = {
            "store": {"path": str(hj.store), "state_dir": str(folder / "state")},
            "maintenance": {"reserve": "0", "backup": {"directory": str(folder / "backups")}},
        }

    def check(self, *words):
        self.file.write_text(yaml.safe_dump(self.options))
        return self.hj.run_bare("config", "check", "--config", str(self.file), *words)

    def findings(self):
        """Exit code, and each finding's level, option and message."""
        done = self.check("--host", "--json")
        assert done.stderr == ""
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, [(each["level"], each["option"], each["message"]) for each in found]


@pytest.fixture
def checked(hj, tmp_path):
    return Checked(hj, tmp_path)


def test_a_machine_that_fits_has_no_findings(checked):
    assert checked.findings() == (0, [])
    assert checked.check("--host").stdout.startswith("ok: ")


def test_without_the_flag_no_machine_is_looked_at(checked):
    checked.hj.store.unlink()

    assert checked.check().returncode == 0
    assert checked.check("--host").returncode == 2


def test_a_store_that_is_missing_or_none_is_wrong(checked):
    checked.options["store"]["path"] = str(checked.file)
    code, [(level, option, _)] = checked.findings()
    assert (code, level, option) == (2, "wrong", "store.path")

    checked.options["store"]["path"] = str(checked.folder / "none.db")
    code, [(level, option, message)] = checked.findings()
    assert (code, level, option) == (2, "wrong", "store.path")
    assert "none.db" in message


@pytest.mark.parametrize(("mode", "level", "code"), [(0o700, None, 0), (0o750, "warning", 0), (0o770, "wrong", 2)])
def test_a_directory_of_backups_that_others_may_write_is_wrong_and_one_they_may_read_a_warning(
    checked, mode, level, code
):
    (checked.folder / "backups").chmod(mode)

    found_code, found = checked.findings()

    assert (found_code, [each[0] for each in found]) == (code, [level] if level else [])


def test_a_directory_that_will_be_made_is_a_warning_and_one_that_cannot_be_is_wrong(checked):
    backup = checked.options["maintenance"]["backup"]
    backup["directory"] = str(checked.folder / "new")
    assert [each[0] for each in checked.findings()[1]] == ["warning"]

    backup["directory"] = str(checked.folder / "not-mounted" / "new")
    code, [(level, option, message)] = checked.findings()
    assert (code, level, option) == (2, "wrong", "maintenance.backup.directory")
    assert "is its disk mounted" in message


def test_what_a_destination_needs_must_be_there(checked):
    (checked.folder / "nas").mkdir(mode=0o700)
    nas = {"name": "nas", "directory": str(checked.folder / "nas")}
    checked.options["maintenance"]["backup"]["destinations"] = [nas]
    assert checked.findings() == (0, [])

    nas["directory"] = str(checked.folder / "gone")
    code, [(_, option, _)] = checked.findings()
    assert (code, option) == (2, "maintenance.backup.destinations.nas")


def test_a_key_that_cannot_be_read_is_wrong_and_one_that_others_can_a_warning(checked):
    pytest.importorskip("boto3", reason="S3 needs its driver, which the extra s3 brings")
    keys = {name: checked.folder / name for name in ("access", "secret")}
    s3 = {"name": "off", "bucket": "b", "endpoint": "https://s3.example.net"}
    checked.options["maintenance"]["backup"]["destinations"] = [
        s3 | {f"{name}_key_file": str(path) for name, path in keys.items()}
    ]
    assert [each[0] for each in checked.findings()[1]] == ["wrong"]

    for path in keys.values():
        path.write_text("key\n")
        path.chmod(0o644)
    code, found = checked.findings()
    assert (code, [each[0] for each in found]) == (0, ["warning", "warning"])


def test_a_disk_without_the_room_that_is_asked_for_is_wrong(checked):
    checked.options["maintenance"]["reserve"] = "1TiB"

    code, found = checked.findings()

    assert [each[1] for each in found] == ["maintenance.reserve"]
    assert code == (2 if found[0][0] == "wrong" else 0)
