"""The live store under check: what its pages say, and the alarm when they are damaged."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.errors import (
    NotAJobStoreError,
    StoreBusyError,
    StoreDamagedError,
    StorePermissionError,
    StoreReadOnlyError,
)
from hyperjobs.maintenance.opened import opened
from hyperjobs.store.flavour import Flavour, recognise, require_job_store
from hyperjobs.store.soundness import Cover, check_pages, uncover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hyperjobs.maintenance.task import Turn
    from hyperjobs.store.connection import Connection
    from hyperjobs.store.soundness import Depth

    Freeze = Callable[[str, str], object]
    SetIntegrity = Callable[[bool, list[str]], object]

FREEZE_REASON = "damaged"
_SHORT_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Whole:
    """A store whose pages were found whole."""

    flavour: Flavour
    cover: Cover

    @property
    def said_of_wal(self) -> str:
        """What must be said of the -wal, to follow a sentence; empty when it hid nothing."""
        if self.cover.frames:
            return (
                f"; up to {self.cover.frames:,} pages of the main file are masked by the -wal and were not looked at, "
                "as a reader keeps it from being written back: see 'hyperjobs checkpoint', then check again"
            )
        return ""


class LiveStore:
    """One live store, with what is told and frozen when it is found damaged.

    Args:
        path: the store.
        freeze: told a reason and a message; stops prune, vacuum and rotation until a person unfreezes.
        set_integrity: told whether the store is whole, and SQLite's first messages.
    """

    def __init__(self, path: Path, *, freeze: Freeze, set_integrity: SetIntegrity) -> None:
        self.path = path
        self._freeze = freeze
        self._set_integrity = set_integrity

    def check(self, turn: Turn, depth: Depth) -> Whole:
        """Check the pages, beside writers that go on.

        The -wal is first written back as far as that goes without waiting, since SQLite reads its pages instead of
        those of the main file: a check would say nothing of these.

        Raises:
            StoreDamagedError: they are damaged; the store is frozen now.
            StoreError: it cannot be looked at.
        """
        with self.alarm(turn):
            cover = self._uncovered(turn)
            with opened(self.path, turn, read_only=True) as connection:
                if cover is None:
                    cover = uncover(connection, write=False)
                recognition = recognise(connection)
                require_job_store(recognition, self.path)
                messages = check_pages(connection, depth)
            if messages:
                raise _DescribedDamageError(self.path, messages)
        if not turn.is_dry:
            self._set_integrity(True, [])  # noqa: FBT003 - a yes or no is what it is told
        return Whole(recognition.flavour, cover)

    @contextlib.contextmanager
    def reading(self, turn: Turn) -> Iterator[Connection]:
        """A connection to read with; damage that is met on the way sounds the alarm."""
        with self.alarm(turn), opened(self.path, turn, read_only=True) as connection:
            yield connection

    @contextlib.contextmanager
    def alarm(self, turn: Turn) -> Iterator[None]:
        """Freeze and tell when the block meets damage."""
        try:
            yield
        except _DescribedDamageError as exc:
            self._sound(turn, exc.brief, exc.messages)
            raise
        except StoreDamagedError as exc:
            self._sound(turn, str(exc), [str(exc)])
            raise
        except UnicodeDecodeError as exc:
            damage = StoreDamagedError(f"{self.path}: the schema holds text that is no UTF-8: the file is damaged")
            self._sound(turn, str(damage), [str(damage)])
            raise damage from exc
        except NotAJobStoreError as exc:
            if exc.reason != "not_a_store" or not _has_bytes(self.path):
                raise  # an empty file, or another program's: a wrong path, more likely
            damage = StoreDamagedError(
                f"{self.path}: its first bytes are not those of a database: they are damaged, or another file was put "
                "there; restore the newest verified backup, or see 'hyperjobs salvage --dry-run'"
            )
            self._sound(turn, str(damage), [str(damage)])
            raise damage from exc

    def _sound(self, turn: Turn, message: str, messages: list[str]) -> None:
        if not turn.is_dry:
            self._set_integrity(False, messages)  # noqa: FBT003 - a yes or no is what it is told
            self._freeze(FREEZE_REASON, message)

    def _uncovered(self, turn: Turn) -> Cover | None:
        """What lies over the main file after a checkpoint; ``None`` where we may not write, or must not."""
        try:
            with opened(self.path, turn, busy_timeout_s=_SHORT_WAIT_S) as connection:
                return uncover(connection, write=not turn.is_dry)
        except (StoreBusyError, StorePermissionError, StoreReadOnlyError):
            return None


class _DescribedDamageError(StoreDamagedError):
    """Damage that SQLite described."""

    def __init__(self, path: Path, messages: list[str]) -> None:
        super().__init__(
            f"{path}: damaged: {'; '.join(messages)}: restore the newest verified backup with 'hyperjobs restore', or get "
            "what can be read with 'hyperjobs salvage'"
        )
        self.messages = messages
        more = f", and {len(messages) - 1} more: 'hyperjobs runs' has them" if len(messages) > 1 else ""
        self.brief = f"{path}: damaged: {messages[0]}{more}"
        """For a freeze, which every command that it holds up repeats."""


def _has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0 and path.is_file()
    except OSError:
        return False
