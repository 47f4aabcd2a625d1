"""An audit log read back: whether every line is there, in its place, as it was written."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hyperjobs.errors import ArchiveNotFoundError, StorePermissionError
from hyperjobs.maintenance.audit.files import all_files, rotated
from hyperjobs.maintenance.audit.line import NOTHING, Line, digest, has_code, parse_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hyperjobs.store.ledger.outbox import Anchor

_MOST: Final = 100
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was written.

    Attributes:
        path: of the file.
        line: in the file, from 1; 0 is the file as a whole.
        message: what is wrong.
    """

    path: Path
    line: int
    message: str


@dataclass(slots=True)
class Verdict:
    """What was found.

    Attributes:
        first: number of the oldest line; 0 when there is none.
        last: number of the newest.
        digest: its hash: kept elsewhere with the number, it proves later that nothing was cut off.
        is_anchored: whether the end was compared with what the store remembers.
        waiting: changes that are in the store and not in the log yet.
        is_cut_short: there were more faults than are listed.
    """

    files: int = 0
    lines: int = 0
    first: int = 0
    last: int = 0
    digest: str = NOTHING
    is_anchored: bool = False
    waiting: int = 0
    faults: list[Fault] = field(default_factory=list)
    is_cut_short: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def add(self, path: Path, line: int, message: str) -> None:
        """Note one thing that is wrong."""
        if len(self.faults) >= _MOST:
            self.is_cut_short = True
        else:
            self.faults.append(Fault(path, line, message))


def verify_log(path: Path, *, key: bytes | None = None, anchor: Anchor | None = None, head: str = "") -> Verdict:
    """Look at every line of a log, also while it is written.

    Without an anchor and without a head, lines missing at its end, and a last line altered where there is no key,
    cannot be told.

    Args:
        path: of the file that grows.
        key: of the lines' codes, where it has them.
        anchor: what the store remembers of the log; read before this.
        head: ``NUMBER:HASH`` of a line, as an earlier look gave it.

    Raises:
        ArchiveNotFoundError: there is no log, and none is remembered.
        StorePermissionError: it cannot be read.
    """
    known = dict(filter(None, (_known(anchor.number, anchor.digest) if anchor else None, _parse_head(head))))
    for _ in range(_TRIES):
        before = rotated(path)
        verdict = _look(path, key, anchor, known)
        if rotated(path) == before:
            break  # else a file was put aside meanwhile
    return verdict


def read_log(path: Path) -> Iterator[tuple[Path, int, bytes]]:
    """Every whole line of a log, oldest first, with its file and its place in that.

    Raises:
        StorePermissionError: a file cannot be read.
    """
    with contextlib.ExitStack() as stack:
        try:
            files = [(file, stack.enter_context(file.open("rb"))) for file in all_files(path)]
        except OSError as exc:
            raise StorePermissionError(f"{exc.filename or path}: cannot be read: {exc.strerror}") from exc
        for file, stream in files:
            for number, line in enumerate(stream, 1):
                if line.endswith(b"\n") or file != path:  # the last one may be in the writing
                    yield file, number, line


def checked_log(
    path: Path, verdict: Verdict, key: bytes | None = None, anchor: Anchor | None = None
) -> Iterator[tuple[Path, int, Line]]:
    """Every line that is one of an audit log, with its file and its place in that; what is wrong goes into the verdict.

    Raises:
        StorePermissionError: a file cannot be read.
    """
    due: int | None = None
    for file, place, raw in read_log(path):
        verdict.lines += 1
        line = parse_line(raw)
        if line is None:
            verdict.add(file, place, "is no line of an audit log")
            verdict.digest = digest(raw)
            due = None if due is None else due + 1
            continue
        _check(verdict, line, raw, key, due, (file, place))
        if verdict.first == 0:
            verdict.first = line.number
            _check_start(verdict, line, anchor, (file, place))
        verdict.last, verdict.digest, due = line.number, digest(raw), line.number + 1
        yield file, place, line


def _look(path: Path, key: bytes | None, anchor: Anchor | None, known: dict[int, str]) -> Verdict:
    files = all_files(path)
    verdict = Verdict(files=len(files), is_anchored=bool(known), waiting=anchor.waiting if anchor else 0)
    if not files and not known:
        raise ArchiveNotFoundError(f"{path}: there is no audit log; see audit.path of the configuration")
    for file, place, line in checked_log(path, verdict, key, anchor):
        if known.get(line.number, verdict.digest) != verdict.digest:
            verdict.add(file, place, f"line {line.number} is another than was written")
    for number in known:
        if number > verdict.last:
            verdict.add(path, 0, f"ends with line {verdict.last}, and line {number} was written")
    return verdict


def _check(  # noqa: PLR0913, PLR0917 - all that a line is compared with
    verdict: Verdict, line: Line, raw: bytes, key: bytes | None, due: int | None, where: tuple[Path, int]
) -> None:
    if key is not None and not has_code(raw, key):
        verdict.add(*where, f"line {line.number} was not written with this key, or was altered")
    if due is None:
        if verdict.lines > 1 and line.prev != verdict.digest:
            verdict.add(*where, f"line {line.number} does not follow the one before it")
        return
    if line.number > due:
        verdict.add(*where, f"line {line.number} follows line {due - 1}: {line.number - due} are missing")
    elif line.number < due:
        verdict.add(*where, f"line {line.number} follows line {due - 1}: put in, or in another place than it was")
    elif line.prev != verdict.digest:
        verdict.add(
            *where,
            f"line {line.number - 1} was altered, or line {line.number} was: the hash of the one is not in the other",
        )


def _check_start(verdict: Verdict, line: Line, anchor: Anchor | None, where: tuple[Path, int]) -> None:
    if line.number == 1 and line.prev != NOTHING:
        verdict.add(*where, "line 1 was altered: it follows another")
    first = anchor.first if anchor is not None else None
    if first is not None and line.number > first:
        verdict.add(
            *where, f"begins with line {line.number}, and line {first} was kept: {line.number - first} are missing"
        )


def _known(number: int, line_digest: str) -> tuple[int, str] | None:
    return (number, line_digest) if number else None


def _parse_head(head: str) -> tuple[int, str] | None:
    number, _, line_digest = head.partition(":")
    return (int(number), line_digest) if number.isdecimal() else None
