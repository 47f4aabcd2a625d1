"""The state file: one for each store, moved aside when damaged, refused with a reason when it cannot be written."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from hyperjobs.errors import StorePermissionError
from hyperjobs.store.state import StateFile, state_stem
from hyperjobs.testing import FakeClock


def _open(folder: Path, store: str = "jobs.db") -> StateFile:
    return StateFile(folder / "state", folder / store, clock=FakeClock())


def test_each_path_has_a_state_file_of_its_own_and_a_link_has_that_of_its_target(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "jobs.db")

    assert state_stem(tmp_path / "jobs.db") != state_stem(tmp_path / "a" / "jobs.db")
    assert state_stem(tmp_path / "jobs.db").startswith("jobs-")
    assert state_stem(tmp_path / "link.db").split("-")[-1] == state_stem(tmp_path / "jobs.db").split("-")[-1]


def test_all_that_is_saved_is_there_after_a_reopening(tmp_path: Path) -> None:
    state = _open(tmp_path)
    state.save_facts(epoch=3, uuid="u")
    state.save_facts(epoch=4)
    state.save_counters([("finished", "aws", "failed", 0, 7, 2)])
    state.save_progress({"a": (0.5, 10.0)})
    state.save_progress({"b": (1.0, 20.0)})
    state.close()

    again = _open(tmp_path)

    assert again.facts() == {"epoch": 4, "uuid": "u"}
    assert list(again.counters()) == [(("finished", "aws", "failed", 0), 7, 2)]
    assert again.progress() == {"b": (1.0, 20.0)}
    assert not again.was_damaged
    again.close()


@pytest.mark.parametrize("content", ["no database", "SQLite format 3"])
def test_a_damaged_one_is_moved_aside_under_a_dated_name(tmp_path: Path, content: str) -> None:
    state = _open(tmp_path)
    state.save_facts(epoch=3)
    state.close()
    subprocess.run(["sh", "-c", f"yes '{content}' | head -c 9000 > '{state.path}'"], check=True)

    again = _open(tmp_path)

    assert again.was_damaged
    assert again.facts() == {}
    assert [path.name for path in (tmp_path / "state").iterdir() if "damaged" in path.name] == [
        f"{state.path.stem}.damaged-20260121t100000z"
    ]
    again.close()


def test_an_empty_one_is_as_good_as_none(tmp_path: Path) -> None:
    state = _open(tmp_path)
    state.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{state.path}{suffix}").unlink(missing_ok=True)
    state.path.touch()

    again = _open(tmp_path)

    assert (again.was_damaged, again.facts()) == (False, {})
    again.close()


def test_a_directory_that_cannot_be_made_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "state").touch()

    with pytest.raises(StorePermissionError, match=r"set store\.state_dir to one the agent can write"):
        _open(tmp_path)


def test_the_directory_is_not_open_to_all(tmp_path: Path) -> None:
    _open(tmp_path).close()

    assert (tmp_path / "state").stat().st_mode & 0o007 == 0


def test_threads_share_it(tmp_path: Path) -> None:
    state = _open(tmp_path)
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            for value in range(30):
                state.save_counters([("m", f"p{number}", "", 0, value, 0)])
                state.save_facts(**{f"f{number}": value})
                state.facts()
                list(state.counters())
        except Exception as exc:  # noqa: BLE001 - whatever it is, the test reports it
            errors.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert state.facts() == {f"f{number}": 29 for number in range(4)}
    state.close()


def test_one_with_a_damaged_page_is_moved_aside_too(tmp_path: Path) -> None:
    state = _open(tmp_path)
    state.save_facts(epoch=3)
    state.close()
    data = bytearray(state.path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)  # its header and schema are sound, its tables are not
    state.path.write_bytes(data)

    again = _open(tmp_path)

    assert again.was_damaged
    assert again.facts() == {}
    assert list(again.counters()) == []
    again.close()
