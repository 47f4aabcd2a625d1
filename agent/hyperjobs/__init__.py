"""hyperjobs looks after hypersdk's SQLite job store.

The public names are looked up when they are first used, so that ``hyperjobs --version`` loads no SQLite.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperjobs.errors import (
        AgentRunningError,
        ConfigError,
        HyperjobsError,
        InvalidJobError,
        JobNotFoundError,
        NotAJobStoreError,
        StoreBusyError,
        StoreClosedError,
        StoreDamagedError,
        StoreError,
        StoreFullError,
        StoreInterruptedError,
        StoreNotFoundError,
        StorePermissionError,
        StoreReadOnlyError,
        StoreRefusedError,
        TransactionError,
    )
    from hyperjobs.store.models import Job, JobCursor, JobEvent, JobFilter, JobStats, JobStatus
    from hyperjobs.store.protocols import JobStore
    from hyperjobs.store.sqlite import SQLiteJobStore, open_store

__version__ = "0.1.0"

__all__ = [
    "AgentRunningError",
    "ConfigError",
    "HyperjobsError",
    "InvalidJobError",
    "Job",
    "JobCursor",
    "JobEvent",
    "JobFilter",
    "JobNotFoundError",
    "JobStats",
    "JobStatus",
    "JobStore",
    "NotAJobStoreError",
    "SQLiteJobStore",
    "StoreBusyError",
    "StoreClosedError",
    "StoreDamagedError",
    "StoreError",
    "StoreFullError",
    "StoreInterruptedError",
    "StoreNotFoundError",
    "StorePermissionError",
    "StoreReadOnlyError",
    "StoreRefusedError",
    "TransactionError",
    "__version__",
    "open_store",
]

_HOMES = {
    "JobStore": "hyperjobs.store.protocols",
    "SQLiteJobStore": "hyperjobs.store.sqlite",
    "open_store": "hyperjobs.store.sqlite",
    **dict.fromkeys(("Job", "JobCursor", "JobEvent", "JobFilter", "JobStats", "JobStatus"), "hyperjobs.store.models"),
}


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "hyperjobs.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
