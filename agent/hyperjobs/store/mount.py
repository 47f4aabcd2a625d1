"""Which file system a store lies on, and whether it is one of the network.

SQLite's WAL is shared through memory that every process of *one* host maps; two hosts, or a host and its guest, that
share a file through a network file system do not share that memory, and each overwrites what the other acknowledged:
https://sqlite.org/wal.html#overview. Their locks are not to be relied on either: https://sqlite.org/useovernet.html.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from hyperjobs.errors import StoreRefusedError

MOUNTS: Final = Path("/proc/self/mountinfo")
OPTION: Final = "store.network_filesystem"
_NETWORK: Final = frozenset(
    [
        "9p",
        "afs",
        "ceph",
        "cifs",
        "coda",
        "gfs2",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "smb3",
        "smbfs",
        "vboxsf",
        "vmhgfs",
        "virtiofs",
    ]
)
_REMOTE_FUSE: Final = frozenset(
    [
        "beegfs",
        "blobfuse",
        "blobfuse2",
        "ceph",
        "curlftpfs",
        "davfs",
        "davfs2",
        "gcsfuse",
        "glusterfs",
        "goofys",
        "grpcfuse",
        "gvfsd-fuse",
        "juicefs",
        "mount.s3",
        "mountpoint-s3",
        "moosefs",
        "osxfs",
        "portal",
        "rclone",
        "s3fs",
        "seaweedfs",
        "sshfs",
        "vmhgfs-fuse",
    ]
)
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")

_allowed: set[Path] = set()
"""Real paths of stores whose operator said that one host alone uses them."""


def set_allowed(store: str | os.PathLike[str], *, is_allowed: bool) -> None:
    """Remember, for this process, whether a store may be opened although it lies on a network file system."""
    path = Path(os.path.realpath(store))
    if is_allowed:
        _allowed.add(path)
    else:
        _allowed.discard(path)


def refuse_network(real: Path, device: int, *, mounts: Path = MOUNTS) -> None:
    """Return when a store may be opened where it lies.

    Args:
        real: its real path.
        device: of the file, as ``stat`` gives it. A block device is this host's, and nothing more is looked at.
        mounts: the table of mounts, in the format of ``/proc/self/mountinfo``.

    Raises:
        StoreRefusedError: it is on a network file system (reason ``network_filesystem``).
    """
    if os.major(device) != 0 or real in _allowed:
        return
    kind = network_filesystem(real, mounts=mounts)
    if kind is not None:
        raise StoreRefusedError(
            f"{real}: lies on a network file system ({kind}), where two hosts would overwrite each other's -wal; move the "
            f"store to a disk of this host, or, if this host alone uses it, set {OPTION}: allow",
            reason="network_filesystem",
        )


def network_filesystem(real: Path, *, mounts: Path = MOUNTS) -> str | None:
    """The type of the file system that a path lies on, if it is one of the network: ``nfs4``, ``fuse.sshfs``."""
    kind = filesystem_of(real, mounts=mounts)
    if kind is None:
        return None
    family, _, name = kind.partition(".")
    is_network = name in _REMOTE_FUSE if family == "fuse" and name else family in _NETWORK
    return kind if is_network else None


def filesystem_of(real: Path, *, mounts: Path = MOUNTS) -> str | None:
    """The type of the file system that a real path lies on; ``None`` where the system does not tell."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    found, longest = None, -1
    for line in lines:
        fields, _, rest = line.partition(" - ")
        words, kinds = fields.split(" "), rest.split(" ")
        if len(words) < 5 or not kinds[0]:  # noqa: PLR2004 - the fifth is the mount point
            continue
        point = Path(_ESCAPED.sub(lambda code: chr(int(code[1], 8)), words[4]))
        # of two on one another the later one is on top
        if real.is_relative_to(point) and len(point.parts) >= longest:
            found, longest = kinds[0], len(point.parts)
    return found
