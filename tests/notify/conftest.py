"""Certificates of receivers, and an event to send."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hyperjobs.notify.event import Event
from support.certificates import Authority


@pytest.fixture(scope="package")
def authority(tmp_path_factory):
    """Who vouches for the receivers."""
    return Authority(tmp_path_factory.mktemp("receivers"))


@pytest.fixture(scope="package")
def certificate(authority):
    """Of a receiver on localhost."""
    return authority.issue("localhost")


@pytest.fixture
def failure():
    """A backup that failed."""
    return Event(
        name="backup.failed",
        subject="task:backup",
        at=datetime(2026, 9, 10, 1, 30, 7, tzinfo=UTC),
        task="backup",
        reason="no_space",
        detail="/var/backups/hyperjobs: needs 12.4 MiB, 1.1 MiB free",
        occasion=31,
    )
