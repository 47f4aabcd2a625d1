"""Whatever retention decides, a rotation keeps what it must and touches nothing else."""

from __future__ import annotations

import hashlib
import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hyperjobs.maintenance.backup.destination.directory import DirectoryDestination
from hyperjobs.maintenance.backup.destination.facts import read_facts
from hyperjobs.maintenance.backup.destination.rotation import rotate_destination
from hyperjobs.maintenance.backup.manifest import Manifest
from hyperjobs.maintenance.backup.name import BackupName
from hyperjobs.testing import START


def publish(root: Path, name: BackupName, state: str) -> None:
    """A file with its manifest; a rotation reads bytes, and no jobs."""
    data = str(name).encode()
    (root / str(name)).write_bytes(data[:-1] if state == "failed" else data)
    manifest = Manifest(
        name=str(name),
        sequence=name.sequence,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        database_bytes=len(data),
        pages=1,
        jobs=0,
        digest="",
        flavour="",
        schema_sha256="",
        started_at=name.at.isoformat(),
        ended_at="",
        copy_seconds=0.0,
        verify_seconds=0.0,
        sqlite_version="",
        hyperjobs_version="",
        source_sha256="",
        state="damaged" if state == "damaged" else "verified",
    )
    (root / name.manifest).write_text("{}" if state == "unverified" else manifest.text())


BACKUPS = st.lists(
    st.tuples(
        st.sampled_from(["verified", "verified", "unverified", "failed", "damaged"]), st.integers(0, 50), st.booleans()
    ),
    max_size=8,
)


@given(BACKUPS, st.integers(-1, 5))
def test_a_rotation_keeps_the_newest_and_what_is_to_be_kept_and_deletes_the_rest(backups, minimum):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        there = DirectoryDestination("second", root)
        states, wanted = {}, set()
        for sequence, (state, hours, is_wanted) in enumerate(backups, 1):
            name = BackupName(sequence, START + timedelta(hours=hours), "jobs")
            publish(root, name, state)
            states[name] = state
            wanted |= {str(name)} if is_wanted else set()
        verified = [name for name in states if states[name] == "verified"]
        least = max(minimum, 1)
        newest = {*sorted(verified)[-least:], *sorted(verified, key=lambda name: (name.at, name.sequence))[-least:]}

        rotated = rotate_destination(there, lambda _found: wanted, minimum)

        stay = {name for name in states if states[name] != "verified" or str(name) in wanted or name in newest}
        assert set(there.names()) == stay
        assert rotated.deleted == [str(name) for name in sorted(states) if name not in stay]
        assert set(rotated.left) == {str(name) for name in states if states[name] != "verified"}
        facts = read_facts(there)
        assert (facts.unverified, facts.failed, facts.damaged) == tuple(
            list(states.values()).count(state) for state in ("unverified", "failed", "damaged")
        )
        assert facts.verified == len(rotated.kept) >= min(len(verified), least)
        assert facts.newest_at == max((name.at for name in verified), default=None)
