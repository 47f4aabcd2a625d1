"""A bucket of an S3 server as a destination."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hyperjobs.errors import BackupDamagedError, DestinationError, StoreRefusedError
from hyperjobs.maintenance.backup.destination.claim import claimed
from hyperjobs.maintenance.backup.destination.local import parts_of
from hyperjobs.maintenance.backup.destination.protocol import go_on
from hyperjobs.maintenance.backup.destination.receive import receive, told
from hyperjobs.maintenance.backup.directory import BackupDirectory
from hyperjobs.maintenance.backup.manifest import LONGEST_BYTES, manifest_of
from hyperjobs.maintenance.backup.name import MANIFEST, BackupName
from hyperjobs.maintenance.backup.proof import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hyperjobs.maintenance.backup.destination.access import Access
    from hyperjobs.maintenance.backup.destination.bucket import Bucket
    from hyperjobs.maintenance.backup.destination.claim import Claim
    from hyperjobs.maintenance.backup.manifest import Manifest

PART_BYTES = 8 * 1024 * 1024
_MOST_PARTS = 10_000


class S3Destination:
    """Backups as objects ``prefix/NAME``, each with its manifest ``prefix/NAME.json``; other objects are let alone.

    An object appears whole or not at all, so the order is: the file, which is read back, then the manifest, which lists
    it. Give each store a prefix of its own.

    Args:
        name: a short word.
        access: how the bucket is reached.
        prefix: under which the backups are; empty for the bucket's top.
        part_bytes: size of the parts of a large upload, held in memory; S3 asks for 5 MiB at least.

    Raises:
        ConfigError: the driver is missing, or the access cannot be right.
    """

    def __init__(self, name: str, access: Access, *, prefix: str = "", part_bytes: int = PART_BYTES) -> None:
        access.require_usable(name)
        self.name = name
        self.place = f"s3://{access.bucket}/{prefix.strip('/')}".rstrip("/")
        self._access = access
        self._prefix = prefix.strip("/") and prefix.strip("/") + "/"
        self._part_bytes = part_bytes

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.place!r})"

    @functools.cached_property
    def _bucket(self) -> Bucket:
        from hyperjobs.maintenance.backup.destination.bucket import Bucket  # noqa: PLC0415 - the driver is heavy

        return Bucket(self._access, self.place)

    def sizes(self, keep_on: Callable[[], None] = go_on) -> dict[BackupName, int]:
        """See the protocol; a file without its manifest, or the other way round, is not listed."""
        found = self._found(keep_on)
        names = {BackupName.parse(entry): size for entry, size in found.items()}
        return {name: size for name, size in names.items() if name is not None and name.manifest in found}

    def names(self, keep_on: Callable[[], None] = go_on) -> list[BackupName]:
        """See the protocol."""
        return sorted(self.sizes(keep_on))

    def failed(self, keep_on: Callable[[], None] = go_on) -> set[BackupName]:
        """See the protocol; objects carry no marks."""
        keep_on()
        return set()

    def manifest(self, name: BackupName, keep_on: Callable[[], None] = go_on) -> Manifest:
        """See the protocol."""
        text = bytearray()
        key = self._prefix + name.manifest
        is_there = self._bucket.read(key, text.extend, keep_on, most_bytes=LONGEST_BYTES)
        with _scratch() as folder:
            if is_there:
                (Path(folder) / name.manifest).write_bytes(text)
            try:
                return manifest_of(Path(folder), name)
            except BackupDamagedError as exc:
                raise BackupDamagedError(str(exc).replace(folder, self.place)) from exc

    def put(self, directory: Path, name: BackupName, keep_on: Callable[[], None] = go_on) -> None:
        """See the protocol."""
        manifest = manifest_of(directory, name)
        with claimed(directory, self.name) as claim:
            found = self._cleared(claim, name, keep_on)
            if name.manifest in found:
                self._require_same(name, manifest, keep_on)
            else:
                is_ours = claim.left is not None and claim.left.name == name
                claim.begin(name)
                if str(name) not in found or not self._is_kept(name, manifest, keep_on, is_ours=is_ours):
                    self._send(directory, name, manifest, claim, keep_on)
                self._list(name, manifest, keep_on)
            claim.end()

    def clear(self, directory: Path, keep_on: Callable[[], None] = go_on) -> None:
        """See the protocol."""
        with claimed(directory, self.name) as claim:
            self._cleared(claim, None, keep_on)
            claim.end()

    def verify(self, name: BackupName, keep_on: Callable[[], None] = go_on) -> Manifest:
        """See the protocol."""
        manifest = self.manifest(name, keep_on)
        if (difference := self._difference(name, manifest, keep_on)) is not None:
            raise BackupDamagedError(f"{self.place}/{name}: {difference}")
        return manifest

    def prove(self, name: BackupName, keep_on: Callable[[], None] = go_on, *, scratch: Path | None = None) -> Manifest:
        """See the protocol; it is fetched for it."""
        with _scratch(scratch) as folder:
            self.fetch(name, Path(folder), keep_on)
            try:
                return verify(Path(folder), name, keep_on)
            except BackupDamagedError as exc:
                raise BackupDamagedError(str(exc).replace(folder, self.place)) from exc

    def fetch(self, name: BackupName, into: Path, keep_on: Callable[[], None] = go_on) -> Manifest:
        """See the protocol."""
        manifest = self.manifest(name, keep_on)

        def write(take: Callable[[bytes], object]) -> None:
            if not self._bucket.read(self._prefix + str(name), take, keep_on, most_bytes=manifest.bytes):
                raise BackupDamagedError(f"{self.place}/{name}: there is a manifest and no backup")

        receive(BackupDirectory(into), name, manifest, source=f"{self.place}/{name}", write=write, keep_on=keep_on)
        return manifest

    def delete(self, name: BackupName, keep_on: Callable[[], None] = go_on) -> None:
        """See the protocol."""
        for entry in (str(name), name.manifest):
            self._bucket.delete(self._prefix + entry, keep_on)

    def room(self) -> int | None:
        """See the protocol; a bucket does not say."""
        return None

    def _found(self, keep_on: Callable[[], None], start: str = "") -> dict[str, int]:
        """The objects under the prefix that begin so, without it, with their sizes."""
        found = self._bucket.sizes(self._prefix + start, keep_on)
        return {key.removeprefix(self._prefix): size for key, size in found.items()}

    def _cleared(self, claim: Claim, name: BackupName | None, keep_on: Callable[[], None]) -> dict[str, int]:
        """What is under the prefix, once what a dead upload left is gone; its file stays if it is of ``name``."""
        found = self._found(keep_on)
        left = claim.left
        if left is not None:
            key = self._prefix + str(left.name)
            uploads = {*self._bucket.uploads(key, keep_on), *([left.upload] if left.upload else [])}
            for upload in uploads:
                self._bucket.abort(key, upload, keep_on)
            if left.name != name and str(left.name) in found and left.name.manifest not in found:
                self._bucket.delete(key, keep_on)
                del found[str(left.name)]
        for entry in [entry for entry in found if _is_lone_manifest(entry, found)]:
            # looked at again: pages of a list are not of one moment, and its file may have come between two
            if _is_lone_manifest(entry, self._found(keep_on, entry.removesuffix(MANIFEST))):
                self._bucket.delete(self._prefix + entry, keep_on)
            del found[entry]
        return found

    def _require_same(self, name: BackupName, manifest: Manifest, keep_on: Callable[[], None]) -> None:
        """Return when what is listed under this name is this backup, and is whole."""
        if self.manifest(name, keep_on).sha256 != manifest.sha256:
            raise self._other(name)
        self.verify(name, keep_on)

    def _is_kept(self, name: BackupName, manifest: Manifest, keep_on: Callable[[], None], *, is_ours: bool) -> bool:
        """Whether the file that lies there without a manifest is this backup's; a dead upload's other one is deleted.

        Raises:
            StoreRefusedError: it is somebody else's.
        """
        if self._difference(name, manifest, keep_on) is None:
            return True
        if not is_ours:
            raise self._other(name)
        self._bucket.delete(self._prefix + str(name), keep_on)
        return False

    def _send(
        self, directory: Path, name: BackupName, manifest: Manifest, claim: Claim, keep_on: Callable[[], None]
    ) -> None:
        """Upload the file and read it back."""
        key = self._prefix + str(name)
        if manifest.bytes <= self._part_bytes:
            parts = parts_of(directory / str(name), manifest, self._part_bytes)
            is_made = self._bucket.put(key, b"".join(parts), keep_on)
        else:
            part_bytes = max(self._part_bytes, -(-manifest.bytes // _MOST_PARTS))
            parts = parts_of(directory / str(name), manifest, part_bytes)
            is_made = self._bucket.upload(key, parts, keep_on, lambda upload: claim.begin(name, upload))
        difference = self._difference(name, manifest, keep_on)
        if difference is None:  # also when a request that was repeated found what its first attempt had made
            return
        if not is_made:
            raise self._other(name)
        self._bucket.delete(key, keep_on)
        raise DestinationError(
            f"{self.place}/{name}: what comes back is not what was sent ({difference}); it was deleted there: try again",
            reason="altered",
        )

    def _list(self, name: BackupName, manifest: Manifest, keep_on: Callable[[], None]) -> None:
        """Upload the manifest, which makes the backup one of those listed, and read it back."""
        self._bucket.put(self._prefix + name.manifest, manifest.text().encode(), keep_on)
        if self.manifest(name, keep_on) != manifest:
            raise self._other(name)

    def _difference(self, name: BackupName, manifest: Manifest, keep_on: Callable[[], None]) -> str | None:
        """Read a file back in full; in what it differs from its manifest, ``None`` when in nothing."""
        digest, size = hashlib.sha256(), 0

        def take(block: bytes) -> None:
            nonlocal size
            size += len(block)
            digest.update(block)

        if not self._bucket.read(self._prefix + str(name), take, keep_on, most_bytes=manifest.bytes):
            return "there is a manifest and no backup"
        if size != manifest.bytes:
            more = "or more " if size > manifest.bytes else ""
            return f"{size} bytes {more}where its manifest says {manifest.bytes}"
        if digest.hexdigest() != manifest.sha256:
            return "its bytes are not those of its manifest (sha256 differs)"
        return None

    def _other(self, name: BackupName) -> StoreRefusedError:
        return StoreRefusedError(
            f"{self.place}/{name}: another backup has this name there; it is left alone: move it away, or give each "
            "store a prefix of its own",
            reason="exists",
        )


@contextlib.contextmanager
def _scratch(directory: Path | None = None) -> Iterator[str]:
    """A private directory that goes with the block."""
    with (
        told(directory or Path(tempfile.gettempdir())),
        tempfile.TemporaryDirectory(prefix="hyperjobs-fetched-", dir=directory) as folder,
    ):
        yield folder


def _is_lone_manifest(entry: str, found: dict[str, int]) -> bool:
    backup = entry.removesuffix(MANIFEST)
    return entry in found and backup != entry and backup not in found and BackupName.parse(backup) is not None
