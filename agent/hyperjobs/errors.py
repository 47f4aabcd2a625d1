"""Every error hyperjobs raises, in one tree.

::

    HyperjobsError                exit 1   base of all
    ├── ConfigError               exit 2   the configuration cannot be used
    │   └── ReloadRefusedError    exit 6   it would delete much more than the one in force
    ├── InvalidJobError           exit 2   a value that a job or filter cannot hold (also a ValueError)
    ├── JobNotFoundError          exit 7   no job has this id (also a LookupError)
    ├── AgentRunningError         exit 4   another agent holds this store
    ├── AgentUnhealthyError       exit 1   the agent is not well, or does not answer
    ├── BackupRunningError        exit 4   somebody else is at work in this directory of backups
    ├── BackupDamagedError        exit 3   a backup is not what its manifest says
    ├── BackupNotFoundError       exit 7   there is no such backup
    ├── ArchiveBusyError          exit 4   somebody else is at work in this directory of archives
    ├── ArchiveDamagedError       exit 3   an archive of pruned jobs is not what its manifest says
    ├── ArchiveNotFoundError      exit 7   there is no such archive
    ├── SourcesDamagedError       exit 3   of what a store is to be rebuilt from, something is damaged
    ├── TaskRunningError          exit 4   this task is running already
    ├── MaintenanceHeldError      exit 6   maintenance is frozen or paused
    ├── BackupUploadError         exit 1   a backup is safe here, and not at every other destination
    ├── DestinationError          exit 1   a destination of backups could not do it
    │   ├── DestinationMissingError exit 7 there is no such directory or bucket
    │   └── DestinationDeniedError  exit 6 it refuses us: the wrong key, or no right to do this
    └── StoreError                exit 1   the store could not do it
        ├── StoreNotFoundError    exit 7   there is no file
        ├── NotAJobStoreError     exit 7   there is a file, but it is no job store
        ├── StoreDamagedError     exit 3   SQLite says the file is malformed
        ├── StoreBusyError        exit 4   another process held the lock past the deadline
        ├── StoreFullError        exit 5   the disk or quota is full
        ├── StorePermissionError  exit 6   the system refuses access to the file or its -wal/-shm
        ├── StoreRefusedError     exit 6   it could be done, but it would not be safe
        │   └── TransitionRefusedError exit 6  a job in this status cannot become that
        ├── StoreReadOnlyError    exit 6   the file can be read only
        ├── JobChangedError       exit 4   a writer changed the job after it was looked at
        ├── StoreInterruptedError exit 1   a stop or a deadline ended the statement
        ├── StoreClosedError      exit 1   the handle is closed, or was carried into a child process
        └── TransactionError      exit 1   transactions do not nest

The message says what failed, on which path, why, and what to do. ``reason`` is a short fixed word, used as a
metric label and in logs; ``exit_code`` is what the command line answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class HyperjobsError(Exception):
    """Something hyperjobs was asked to do did not work."""

    exit_code: ClassVar[int] = 1
    reason: str = "failed"


class ConfigError(HyperjobsError):
    """The configuration cannot be used."""

    exit_code = 2
    reason = "config"


class ReloadRefusedError(ConfigError):
    """The configuration would delete much more than the one in force, and nobody has acknowledged that."""

    exit_code = 6
    reason = "deletes"


class InvalidJobError(HyperjobsError, ValueError):
    """A value that a job or a filter cannot hold."""

    exit_code = 2
    reason = "invalid"


class JobNotFoundError(HyperjobsError, LookupError):
    """No job has this id."""

    exit_code = 7
    reason = "no_job"


class AgentRunningError(HyperjobsError):
    """Another agent looks after this store."""

    exit_code = 4
    reason = "agent_running"


class AgentUnhealthyError(HyperjobsError):
    """The agent is not as it was asked to be, or does not answer."""

    reason = "unhealthy"


class BackupRunningError(HyperjobsError):
    """Somebody else is at work in this directory of backups."""

    exit_code = 4
    reason = "backup_running"


class BackupDamagedError(HyperjobsError):
    """A backup is not what its manifest says, or has none."""

    exit_code = 3
    reason = "backup_damaged"


class BackupNotFoundError(HyperjobsError):
    """There is no such backup."""

    exit_code = 7
    reason = "no_backup"


class TaskRunningError(HyperjobsError):
    """This task is running already, here or in another process."""

    exit_code = 4
    reason = "running"


class MaintenanceHeldError(HyperjobsError):
    """Maintenance is held; ``reason`` is ``frozen`` or ``paused``."""

    exit_code = 6
    reason = "frozen"

    def __init__(self, message: str, *, reason: str = "frozen") -> None:
        super().__init__(message)
        self.reason = reason


class ArchiveBusyError(HyperjobsError):
    """Somebody else is at work in this directory of archives."""

    exit_code = 4
    reason = "archive_busy"


class ArchiveDamagedError(HyperjobsError):
    """An archive of pruned jobs is not what its manifest says."""

    exit_code = 3
    reason = "archive_damaged"


class ArchiveNotFoundError(HyperjobsError):
    """There is no such archive of pruned jobs."""

    exit_code = 7
    reason = "no_archive"


class SourcesDamagedError(HyperjobsError):
    """Of the pieces that a store is to be rebuilt from some are damaged, and nobody said to leave those out."""

    exit_code = 3
    reason = "sources_damaged"


class BackupUploadError(HyperjobsError):
    """A backup is safe in its directory, and could not be brought to every other destination.

    Attributes:
        detail: what the run did all the same, for its record.
    """

    reason = "upload"

    def __init__(self, message: str, *, detail: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.detail = dict(detail)


class DestinationError(HyperjobsError):
    """A destination of backups could not do what it was asked.

    ``reason`` is ``unreachable``, ``server`` (it answers with an error of its own), ``setting`` (what we were told of
    it does not fit), ``altered`` (what came back is not what was sent) or ``destination``.
    """

    reason = "destination"

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason or type(self).reason


class DestinationMissingError(DestinationError):
    """There is no such directory or bucket."""

    exit_code = 7
    reason = "no_destination"


class DestinationDeniedError(DestinationError):
    """The destination refuses us: the wrong key, or no right to do this."""

    exit_code = 6
    reason = "denied"


class StoreError(HyperjobsError):
    """The store could not do what it was asked."""

    reason = "io"


class StoreNotFoundError(StoreError):
    """There is no file at the store's path."""

    exit_code = 7
    reason = "missing"


class NotAJobStoreError(StoreError):
    """The file is not a job store; ``reason`` is ``not_a_store`` or ``foreign``."""

    exit_code = 7
    reason = "not_a_store"

    def __init__(self, message: str, *, reason: str = "not_a_store") -> None:
        super().__init__(message)
        self.reason = reason


class StoreDamagedError(StoreError):
    """SQLite says the file is malformed."""

    exit_code = 3
    reason = "damaged"


class StoreBusyError(StoreError):
    """Another process held the lock past the deadline.

    Attributes:
        waited_seconds: how long we waited for the lock.
        holder: who held it, as ``"pid 123 (hypervisord)"``; ``None`` when the system does not tell.
    """

    exit_code = 4
    reason = "busy"

    def __init__(self, message: str, *, waited_seconds: float = 0.0, holder: str | None = None) -> None:
        super().__init__(message)
        self.waited_seconds = waited_seconds
        self.holder = holder


class StoreFullError(StoreError):
    """The disk or the quota is full."""

    exit_code = 5
    reason = "no_space"


class StorePermissionError(StoreError):
    """The system refuses access to the file or to its -wal or -shm."""

    exit_code = 6
    reason = "permission"


class StoreRefusedError(StoreError):
    """It could be done, but it would not be safe; ``reason`` says which rule."""

    exit_code = 6
    reason = "refused"

    def __init__(self, message: str, *, reason: str = "refused") -> None:
        super().__init__(message)
        self.reason = reason


class StoreReadOnlyError(StoreError):
    """The file, its directory or its file system can only be read."""

    exit_code = 6
    reason = "readonly"


class JobChangedError(StoreError):
    """A writer changed the job after it was looked at; it was left as the writer has it."""

    exit_code = 4
    reason = "changed"


class TransitionRefusedError(StoreRefusedError):
    """A job in this status cannot become that one."""

    def __init__(self, message: str, *, reason: str = "transition") -> None:
        super().__init__(message, reason=reason)


class StoreInterruptedError(StoreError):
    """A stop or a deadline ended the statement."""

    reason = "interrupted"


class StoreClosedError(StoreError):
    """The handle is closed, or was carried into a child process."""

    reason = "closed"


class TransactionError(StoreError):
    """Transactions do not nest."""

    reason = "nested_transaction"
