"""A directory as a destination: what a disk can do to it."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hyperjobs.errors import (
    BackupRunningError,
    ConfigError,
    DestinationError,
    DestinationMissingError,
    StoreFullError,
    StorePermissionError,
    StoreRefusedError,
)
from hyperjobs.maintenance.backup.destination.directory import DirectoryDestination
from hyperjobs.maintenance.backup.destination.facts import read_facts
from hyperjobs.maintenance.backup.destination.opening import DestinationSettings, open_destination
from hyperjobs.maintenance.backup.destination.s3 import S3Destination
from hyperjobs.maintenance.backup.mark import mark_failed
from hyperjobs.maintenance.disk import require_locks
from hyperjobs.secret import Secret
from support.destinations import JOBS, Home, There, make_home

DEADLINE_S = 60


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


@pytest.fixture
def there(tmp_path: Path) -> There:
    root = tmp_path / "second"
    root.mkdir(mode=0o700)
    return There(DirectoryDestination("second", root), root)


def test_a_directory_that_is_not_there_is_not_made_and_does_not_look_empty(home, there):
    name = home.take()
    there.root.rmdir()

    for attempt in (
        lambda: there.destination.put(home.path, name),
        there.destination.names,
        lambda: read_facts(there.destination),
        lambda: there.destination.delete(name),
        there.destination.room,
    ):
        with pytest.raises(
            DestinationMissingError, match="mount its disk, or make it once with 'mkdir -m 0700"
        ) as said:
            attempt()
        assert str(said.value).startswith(f"{there.root}: ")

    assert not there.root.exists()


def test_a_file_in_its_place_is_no_directory(there):
    there.root.rmdir()
    there.root.write_text("")

    with pytest.raises(DestinationMissingError, match="is no directory"):
        there.destination.names()


@pytest.mark.parametrize(("mode", "is_refused"), [(0o770, True), (0o750, False)])
def test_a_directory_that_others_may_write_to_is_refused(home, there, mode, is_refused):
    there.root.chmod(mode)
    name = home.take()

    if is_refused:
        with pytest.raises(StoreRefusedError, match="chmod"):
            there.destination.put(home.path, name)
        assert there.destination.names() == []
    else:
        there.destination.put(home.path, name)
        assert there.destination.names() == [name]


def test_one_that_is_marked_as_failed_there_does_not_count_and_its_mark_goes_with_it(home, there):
    name = home.take()
    there.destination.put(home.path, name)
    mark_failed(there.root, name, found="a flipped bit", now=home.clock.now())

    assert read_facts(there.destination).failed == 1
    there.destination.delete(name)

    assert there.files() == []


def test_its_room_is_what_the_file_system_says(there):
    system = os.statvfs(there.root)

    assert there.destination.room() == pytest.approx(system.f_bavail * system.f_frsize, rel=0.1)


def _put(home: Home, name: object, root: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    code = (
        "import os, resource, signal, sys\n"
        "from pathlib import Path\n"
        "from hyperjobs.maintenance.backup.destination.directory import DirectoryDestination\n"
        "from hyperjobs.maintenance.backup.name import BackupName\n"
        f"{before}\n"
        "there = DirectoryDestination('second', Path(sys.argv[1]))\n"
        "there.put(Path(sys.argv[2]), BackupName.parse(sys.argv[3]))\n"
    )
    words = [sys.executable, "-c", code, root, home.path, str(name)]
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=DEADLINE_S)


_COUNTED = """
left = {number}
def counted(call):
    def wrapped(*args, **kwargs):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return call(*args, **kwargs)
    return wrapped
for name in ("link", "fsync", "mkdir", "posix_fadvise", "open"):
    setattr(os, name, counted(getattr(os, name)))
"""


def test_killed_at_any_point_a_put_lists_nothing_half_and_the_next_clears_it(home, there):
    name, outcomes = home.take(), set()
    for number in range(40):
        killed = _put(home, name, there.root, _COUNTED.format(number=number))
        assert killed.returncode in {0, -signal.SIGKILL}, killed.stderr
        for listed in there.destination.names():
            there.destination.prove(listed)
        outcomes.add((killed.returncode, len(list(there.root.iterdir()))))

        there.destination.put(home.path, name)

        assert there.files() == [str(name), name.manifest]
        assert there.destination.prove(name).jobs == JOBS
        there.destination.delete(name)
        if killed.returncode == 0:
            break

    assert killed.returncode == 0
    assert len(outcomes) > 3


def test_clearing_needs_no_put(home, there):
    name = home.take()
    for number in itertools.count():
        killed = _put(home, name, there.root, _COUNTED.format(number=number))
        assert killed.returncode == -signal.SIGKILL
        if there.files():
            break

    there.destination.clear(home.path)

    assert there.files() == []


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(home, there):
    """The system's word for it comes from the one call that can find it out late, when the blocks are written."""
    name = home.take()
    full = (
        "import errno\n"
        "real = os.fsync\n"
        "def fsync(descriptor):\n"
        "    if os.fstat(descriptor).st_size > 4096: raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\n"
        "    real(descriptor)\n"
        "os.fsync = fsync\n"
    )

    said = _put(home, name, there.root, full)

    assert StoreFullError.__name__ in said.stderr
    assert f"{there.root}: No space left on device; make room" in said.stderr
    assert there.files() == []


def test_what_the_disk_gives_back_altered_is_not_listed(home, there, monkeypatch):
    name = home.take()
    monkeypatch.setattr(os, "posix_fadvise", lambda descriptor, *_: os.pwrite(descriptor, b"\xff", 4000))

    with pytest.raises(DestinationError, match="reads back as something else than was written") as said:
        there.destination.put(home.path, name)

    assert said.value.reason == "altered"
    assert there.files() == []


def test_a_put_while_another_is_at_work_there_is_refused_and_the_next_completes(home, there):
    name = home.take()
    other = DirectoryDestination("second", there.root)
    refused: list[BackupRunningError] = []

    def keep_on() -> None:
        if not refused:
            with pytest.raises(BackupRunningError) as said:
                other.put(home.path, name)
            refused.append(said.value)

    # asked before the lock is taken only where nothing is copied yet
    there.destination.put(home.path, name, keep_on)
    other.put(home.path, name)

    assert len(refused) == 1
    assert there.files() == [str(name), name.manifest]


def test_a_directory_that_may_not_be_written_is_refused(home, there):
    if os.geteuid() == 0:
        target = Path("/proc/self/fd")  # not even root makes files there
        with pytest.raises((StorePermissionError, DestinationError)):
            DirectoryDestination("second", target).put(home.path, home.take())
        return
    there.root.chmod(0o500)
    with pytest.raises(StorePermissionError):
        there.destination.put(home.path, home.take())


def test_settings_make_a_directory_or_a_bucket(tmp_path):
    key, secret = tmp_path / "key", tmp_path / "secret"
    key.write_text("the-key\n")
    secret.write_text("  the-secret\n")

    directory = open_destination(DestinationSettings(name="nas", directory=tmp_path))
    bucket = open_destination(
        DestinationSettings(name="s3", bucket="b", prefix="/p/q/", access_key_file=key, secret_key_file=secret)
    )

    assert isinstance(directory, DirectoryDestination)
    assert isinstance(bucket, S3Destination)
    assert (directory.place, bucket.place) == (str(tmp_path), "s3://b/p/q")
    assert (bucket._access.access_key, bucket._access.secret_key) == (Secret("the-key"), Secret("the-secret"))


@pytest.mark.parametrize(
    ("endpoint", "said", "is_path"),
    [(None, None, False), ("https://s3.lan", None, True), ("https://s3.lan", False, False), (None, True, True)],
)
def test_a_bucket_is_in_the_path_where_an_endpoint_is_named_unless_the_settings_say(endpoint, said, is_path):
    there = open_destination(DestinationSettings(name="s3", bucket="b", endpoint=endpoint, path_style=said))

    assert isinstance(there, S3Destination)
    assert there._access.path_style is is_path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "a 'directory' or a 'bucket'"),
        ({"directory": Path("/srv"), "bucket": "b"}, "and not both"),
        ({"directory": Path("srv")}, "the whole path"),
        ({"name": "Off Site", "directory": Path("/srv")}, "1 to 32"),
        ({"name": "../x", "directory": Path("/srv")}, "1 to 32"),
        ({"bucket": "b", "access_key_file": Path("/nonexistent/key")}, "/nonexistent/key: cannot be read"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        open_destination(DestinationSettings(**{"name": "offsite"} | changes))


@pytest.mark.parametrize("text", ["", "\n", "two words", "two\nlines", "caf\xe9", "x" * 5000])
def test_a_file_that_holds_no_key_is_refused_and_not_shown(tmp_path, text):
    file = tmp_path / "key"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match=r"hold one (key|word)") as said:
        open_destination(DestinationSettings(name="s3", bucket="b", access_key_file=file, secret_key_file=file))

    assert not text.strip() or text.strip() not in str(said.value)


def test_a_lock_that_somebody_has_is_told_from_a_file_system_without_locks(tmp_path):
    require_locks(BlockingIOError(errno.EWOULDBLOCK, "taken"), tmp_path)

    for number in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
        with pytest.raises(StoreRefusedError, match="keeps no locks") as caught:
            require_locks(OSError(number, os.strerror(number)), tmp_path)
        assert caught.value.reason == "no_locks"
