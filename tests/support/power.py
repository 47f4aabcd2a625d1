"""Power cuts: what a run did to its disk is recorded, and the disk as it may be found after a cut is built from that.

What was synced is there. Of what was not, each write may be there, missing or torn at a sector, and each name may be
given, or taken, or not: POSIX promises nothing else until the file, or the directory that the name is in, was synced.
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import apsw

from hyperjobs.errors import HyperjobsError
from support import system_calls
from support.upkeep import UPKEEP, User

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Iterator

    from support.upkeep import Upkeep

Event = tuple[Any, ...]
State = dict[str, tuple[int, bytes]]
"""Path → the file it names, which may have two names, and what is in that."""

_TESTS = Path(__file__).parents[1]
_SECTOR_BYTES: Final = 512
_JOURNALS: Final = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL


class Recorder(system_calls.Watch):
    """Writes down what happens below a folder, by SQLite and by us, in order.

    Attributes:
        before: what was there; all of it on the disk.
        events: what happened then.
    """

    def __init__(self, folder: Path) -> None:
        self.events: list[Event] = []
        self._root = os.path.realpath(folder) + os.sep
        self._files: dict[int, int] = {}
        self._count = 0
        self.before: State = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.before[str(path)] = (self._new(path.stat().st_ino), path.read_bytes())

    def told(self, *event: Any) -> None:
        """Keep an event of ours; files go by numbers that are not used twice, as the system's are."""
        kind, *rest = event
        if kind == "create":
            self.events.append((kind, rest[0], self._new(rest[1])))
        elif kind in {"write", "truncate", "sync"}:
            self.events.append((kind, self._files[rest[0]], *rest[1:]))
        else:
            self.events.append(event)

    def note(self, *event: Any) -> None:
        """Keep what somebody was told: that a job is saved, or the work done."""
        self.events.append(event)

    def is_ours(self, path: str | None) -> bool:
        """Whether it is to be watched; a -shm is made anew after a power cut."""
        return path is not None and path.startswith(self._root) and not path.endswith("-shm")

    def _new(self, inode: int) -> int:
        self._count += 1
        self._files[inode] = self._count
        return self._count


def watch_sqlite(recorder: Recorder) -> apsw.VFS:  # noqa: C901 - SQLite's methods, each a few lines
    """Make a recording disk SQLite's default in this process, for good.

    SQLite syncs the directory of a new journal with its first sync by the connection that made it; where another
    connection is the first, it relies on what ext4, XFS and Btrfs do: who syncs a new file has its name synced too.
    """
    unsynced: dict[int, str] = {}

    class File(apsw.VFSFile):
        def __init__(self, name: Any, flags: list[int]) -> None:
            path = name.filename() if isinstance(name, apsw.URIFilename) else name
            self.inode: int | None = None
            is_new = recorder.is_ours(path) and not os.path.lexists(path)
            super().__init__("unix", name, flags)
            if not recorder.is_ours(path):
                return
            self.inode = Path(path).stat().st_ino
            if is_new:
                recorder.told("create", path, self.inode)
                if flags[0] & _JOURNALS:
                    unsynced[self.inode] = str(Path(path).parent)

        def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
            super().xWrite(data, offset)
            if self.inode is not None:
                recorder.told("write", self.inode, offset, bytes(data))

        def xTruncate(self, newsize: int) -> None:  # noqa: N802 - as above
            super().xTruncate(newsize)
            if self.inode is not None:
                recorder.told("truncate", self.inode, newsize)

        def xSync(self, flags: int) -> None:  # noqa: N802 - as above
            super().xSync(flags)
            if self.inode is not None:
                recorder.told("sync", self.inode)
                if self.inode in unsynced:
                    recorder.told("sync names", unsynced.pop(self.inode))

    class Disk(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("hyperjobs-power", base="unix", makedefault=True)

        def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - as above
            return File(name, flags)

        def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802 - as above
            super().xDelete(filename, syncdir)
            if recorder.is_ours(filename):
                recorder.told("unlink", filename)
                if syncdir:
                    recorder.told("sync names", str(Path(filename).parent))

        def excepthook(self, *_: object) -> None:
            """A file that is not there is no news."""

    return Disk()


class Disk:
    """A disk as events change it: what is on it for sure, and what is still on the way."""

    def __init__(self, before: State) -> None:
        self._data = {file: bytearray(content) for file, content in before.values()}
        self._names = {path: file for path, (file, _) in before.items()}
        self._seen = dict(self._names)  # as the running system sees it
        self._writes: dict[int, list[Event]] = {}
        self._moves: list[tuple[set[str], dict[str, int | None]]] = []

    def apply(self, event: Event) -> None:  # noqa: C901, PLR0912 - one branch for each kind of event
        """Let one thing happen."""
        kind, *rest = event
        if kind == "create":
            self._data[rest[1]] = bytearray()
            self._move({rest[0]: rest[1]})
        elif kind in {"write", "truncate"}:
            self._writes.setdefault(rest[0], []).append((kind, *rest[1:]))
        elif kind == "sync":
            for write in self._writes.pop(rest[0], []):
                _put(self._data[rest[0]], write)
        elif kind == "sync names":
            kept: list[tuple[set[str], dict[str, int | None]]] = []
            for directories, names in self._moves:
                if rest[0] in directories:
                    _name(self._names, names)
                    for _, before in kept:  # what a name was before is over
                        for path in names:
                            before.pop(path, None)
                else:
                    kept.append((directories, dict(names)))
            self._moves = kept
        elif kind == "link":
            self._move({rest[1]: self._seen[rest[0]]})
        elif kind == "rename" and rest[0] in self._seen:
            self._move({rest[0]: None, rest[1]: self._seen[rest[0]]})
        elif kind == "unlink":
            self._move({rest[0]: None})

    def cut(self, chance: random.Random) -> State:
        """What may be found when the power goes now."""
        names = dict(self._names)
        for _, move in _some(self._moves, chance):
            _name(names, move)
        data = {file: bytearray(self._data[file]) for file in set(names.values())}
        for file, content in data.items():
            is_tearing = chance.random() < 0.5
            for write in _some(self._writes.get(file, []), chance):
                _put(content, write, chance if is_tearing else None)
        return {path: (file, bytes(data[file])) for path, file in names.items()}

    def _move(self, names: dict[str, int | None]) -> None:
        _name(self._seen, names)
        self._moves.append(({str(Path(path).parent) for path in names}, names))


def _name(names: dict[str, int], changes: dict[str, int | None]) -> None:
    for path, file in changes.items():
        if file is None:
            names.pop(path, None)
        else:
            names[path] = file


def _some(things: list[Any], chance: random.Random) -> list[Any]:
    """None, all, the first ones, or any of them."""
    match chance.randrange(4):
        case 0:
            return []
        case 1:
            return things
        case 2:
            return things[: chance.randint(0, len(things))]
        case _:
            return [thing for thing in things if chance.random() < 0.5]


def _put(content: bytearray, write: Event, tearing: random.Random | None = None) -> None:
    kind, *rest = write
    if kind == "truncate":
        content[rest[0] :] = b""
        content.extend(bytes(rest[0] - len(content)))
        return
    offset, data = rest
    for start in range(0, len(data), _SECTOR_BYTES):
        if tearing is not None and tearing.random() < 0.3:
            continue
        sector = data[start : start + _SECTOR_BYTES]
        content.extend(bytes(max(0, offset + start - len(content))))
        content[offset + start : offset + start + len(sector)] = sector


def lay_out(folder: Path, state: State) -> None:
    """Make a folder hold exactly this."""
    directories = [path for path in folder.rglob("*") if path.is_dir()]
    shutil.rmtree(folder)
    first: dict[int, Path] = {}
    for place in [folder, *directories]:
        place.mkdir(parents=True, exist_ok=True)
    for name, (file, content) in state.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if file in first:
            os.link(first[file], path)
        else:
            first[file] = path
            path.write_bytes(content)


def record_in_child(name: str, directory: Path) -> tuple[State, list[Event]]:
    """One real run of this work in ``directory / "work"``, in a process of its own."""
    command = [sys.executable, "-m", "support.power", name, directory]
    path = os.pathsep.join([str(_TESTS), *sys.path])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    before, events = pickle.loads((directory / "events").read_bytes())  # noqa: S301 - our own
    return before, events


def cuts(  # noqa: PLR0913 - all but the first two by name
    name: str,
    directory: Path,
    *,
    number: int,
    chance: random.Random,
    without: str | None = None,
    after: Collection[str] = (),
) -> Iterator[tuple[int, str]]:
    """Cut the power so often, evenly over a run, or right after some of its events; how many events there were before, and what was wrong, empty for nothing.

    Args:
        name: of the work.
        directory: an empty one.
        number: of cuts.
        chance: what is found after each.
        without: a kind of event that the disk is to forget, such as ``sync``.
        after: kinds of event; what comes between them is not cut.
    """
    before, events = record_in_child(name, directory)
    events = [event for event in events if event[0] != without]
    upkeep = UPKEEP[name](directory / "work")
    disk, saved, is_done, at = Disk(before), set[str](), False, 0
    places = [place for place, event in enumerate(events, 1) if event[0] in after] or range(len(events) + 1)
    for place in sorted(chance.choice(places) for _ in range(number)):
        for event in events[at:place]:
            if event[0] == "saved":
                saved.add(event[1])
            elif event[0] == "done":
                is_done = True
            else:
                disk.apply(event)
        at = place
        lay_out(upkeep.folder, disk.cut(chance))
        try:
            wrong = upkeep.wrong(set(saved), is_done=is_done and upkeep.lasts)
        except HyperjobsError as exc:
            wrong = f"{type(exc).__name__}: {exc}"
        yield place, wrong


def main() -> None:
    """Answer one call of :func:`record_in_child`."""
    directory = Path(sys.argv[2])
    upkeep: Upkeep = UPKEEP[sys.argv[1]](directory / "work")
    upkeep.folder.mkdir()
    upkeep.prepare()
    recorder = Recorder(upkeep.folder)
    disk = watch_sqlite(recorder)
    system_calls.install(upkeep.folder, recorder)
    user = User(upkeep.store, lambda job: recorder.note("saved", job)) if upkeep.is_user_connected else None
    upkeep.work(user)
    recorder.note("done")
    if user is not None:
        user.close()
    del disk
    (directory / "events").write_bytes(pickle.dumps((recorder.before, recorder.events)))


if __name__ == "__main__":
    main()
