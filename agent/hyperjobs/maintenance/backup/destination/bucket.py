"""A bucket, as few requests as backups need; the only user of the S3 driver."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import boto3  # type: ignore[import-untyped]  # it has no types
from botocore.config import Config  # type: ignore[import-untyped]  # as above
from botocore.exceptions import ClientError  # type: ignore[import-untyped]  # as above

from hyperjobs.errors import DestinationDeniedError, DestinationError, HyperjobsError
from hyperjobs.maintenance.backup.destination.attended import attended
from hyperjobs.maintenance.backup.destination.trouble import KeyTakenError, NoKeyError, code_of, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hyperjobs.maintenance.backup.destination.access import Access

T = TypeVar("T")

_BLOCK_BYTES = 256 * 1024
_LOOKS_AT_AN_ABORT = 10  # a second: a stop waits for it
_NO_CONDITION = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "501"})


class Bucket:
    """Requests to one bucket; each ends within a tenth of a second when its ``keep_on`` raises.

    Args:
        access: how it is reached.
        place: what messages call it.
    """

    def __init__(self, access: Access, place: str) -> None:
        self._access = access
        self._place = place
        self._driver: Any = None
        self._making = threading.Lock()
        self._knows_conditions = True

    def sizes(self, prefix: str, keep_on: Callable[[], None]) -> dict[str, int]:
        """The objects whose keys begin with ``prefix`` and have no further slash, with their sizes."""

        def call(check: Callable[[], None]) -> dict[str, int]:
            found: dict[str, int] = {}
            with self._told("listing"):
                pages = self._client().get_paginator("list_objects_v2")
                for page in pages.paginate(Bucket=self._access.bucket, Prefix=prefix, Delimiter="/"):
                    check()
                    found |= {entry["Key"]: entry["Size"] for entry in page.get("Contents", ())}
            return found

        return attended(call, keep_on)

    def read(self, key: str, take: Callable[[bytes], object], keep_on: Callable[[], None], *, most_bytes: int) -> bool:
        """Give the bytes of an object to ``take``, in order; whether there is such an object.

        A connection that breaks is taken up where it broke.

        Args:
            key: of the object.
            take: called in another thread.
            keep_on: as everywhere.
            most_bytes: soon after these it ends, however much there is.
        """
        return attended(lambda check: self._read(key, take, check, most_bytes), keep_on)

    def _read(self, key: str, take: Callable[[bytes], object], check: Callable[[], None], most_bytes: int) -> bool:
        done, failures = 0, 0
        more: dict[str, str] = {}
        while True:
            with self._told("reading"):
                try:
                    answer = self._client().get_object(Bucket=self._access.bucket, Key=key, **more)
                except ClientError as exc:
                    if not done and code_of(exc) in {"NoSuchKey", "404"}:
                        return False
                    raise
            if done and not answer.get("ContentRange", "").startswith(f"bytes {done}-"):
                raise DestinationError(f"{self._place}: {key} cannot be read on from where a connection broke")
            end, before = done + answer["ContentLength"], done
            try:
                with contextlib.closing(answer["Body"]) as body, self._told("reading"):
                    while done <= most_bytes and (block := body.read(_BLOCK_BYTES)):
                        check()
                        take(block)
                        done += len(block)
            except DestinationError as exc:
                failures = 0 if done > before else failures + 1
                if exc.reason != "unreachable" or failures >= self._access.attempts:
                    raise
            if done >= min(end, most_bytes + 1):
                return True
            more = {"IfMatch": answer["ETag"], "Range": f"bytes={done}-"}

    def put(self, key: str, data: bytes, keep_on: Callable[[], None]) -> bool:
        """Make an object; whether it was made: an existing one is not replaced where the server can help it."""

        def call(check: Callable[[], None], **condition: str) -> None:
            self._client().put_object(
                Bucket=self._access.bucket, Key=key, Body=_Body(data, check), ContentMD5=_md5(data), **condition
            )

        return self._unless_taken(call, keep_on)

    def upload(
        self, key: str, parts: Iterable[bytes], keep_on: Callable[[], None], begun: Callable[[str], None]
    ) -> bool:
        """Make a large object of parts, which is there whole or not at all; whether it was made.

        Args:
            key: of the object.
            parts: 5 MiB or more each, but the last; what their iterator raises undoes the upload.
            keep_on: as everywhere.
            begun: told the upload's id, so that it can be cleared if this process is killed.
        """
        upload = self._ask(
            "beginning an upload",
            lambda: self._client().create_multipart_upload(Bucket=self._access.bucket, Key=key)["UploadId"],
            keep_on,
        )
        begun(upload)
        where = {"Bucket": self._access.bucket, "Key": key, "UploadId": upload}
        try:
            done = [
                {"PartNumber": number, "ETag": self._send(where, number, part, keep_on)}
                for number, part in enumerate(parts, 1)
            ]

            def complete(check: Callable[[], None], **condition: str) -> None:
                check()
                self._client().complete_multipart_upload(**where, MultipartUpload={"Parts": done}, **condition)

            is_made = self._unless_taken(complete, keep_on)
            if not is_made:
                self.abort(key, upload, keep_on)
        except BaseException:  # KeyboardInterrupt and a stop too; it is raised again
            with contextlib.suppress(HyperjobsError):  # what is not cleared now is cleared by the next put
                self.abort(key, upload, _a_second())
            raise
        return is_made

    def _send(self, where: dict[str, str], number: int, part: bytes, keep_on: Callable[[], None]) -> str:
        def call(check: Callable[[], None]) -> str:
            with self._told("uploading"):
                answer = self._client().upload_part(
                    **where, PartNumber=number, Body=_Body(part, check), ContentMD5=_md5(part)
                )
            return str(answer["ETag"])

        return attended(call, keep_on)

    def uploads(self, key: str, keep_on: Callable[[], None]) -> list[str]:
        """The ids of the unfinished uploads of one key; none when we may not look, or the server cannot."""

        def call() -> list[str]:
            pages = self._client().get_paginator("list_multipart_uploads")
            try:
                return [
                    entry["UploadId"]
                    for page in pages.paginate(Bucket=self._access.bucket, Prefix=key)
                    for entry in page.get("Uploads", ())
                    if entry["Key"] == key
                ]
            except ClientError as exc:
                if code_of(exc) == "NoSuchUpload":  # what some servers say of a bucket that has none
                    return []
                raise

        try:
            return self._ask("listing uploads", call, keep_on)
        except DestinationDeniedError:
            return []
        except DestinationError as exc:
            if exc.reason == "server":
                return []
            raise

    def abort(self, key: str, upload: str, keep_on: Callable[[], None]) -> None:
        """Undo an unfinished upload; nothing happens when there is none."""

        def call() -> None:
            try:
                self._client().abort_multipart_upload(Bucket=self._access.bucket, Key=key, UploadId=upload)
            except ClientError as exc:
                if code_of(exc) not in {"NoSuchUpload", "404"}:
                    raise

        self._ask("clearing an upload", call, keep_on)

    def delete(self, key: str, keep_on: Callable[[], None]) -> None:
        """Delete an object; nothing happens when there is none."""
        with contextlib.suppress(NoKeyError):
            self._ask("deleting", lambda: self._client().delete_object(Bucket=self._access.bucket, Key=key), keep_on)

    def _unless_taken(self, call: Callable[..., None], keep_on: Callable[[], None]) -> bool:
        """Make an object on the condition that there is none; without it where the server knows no conditions."""

        def conditionally(check: Callable[[], None]) -> bool:
            with self._told("uploading"):
                try:
                    call(check, **({"IfNoneMatch": "*"} if self._knows_conditions else {}))
                except ClientError as exc:
                    if code_of(exc) == "NoSuchUpload":  # a repeated request whose first answer was lost
                        return True
                    if not self._knows_conditions or code_of(exc) not in _NO_CONDITION:
                        raise
                    self._knows_conditions = False
                    call(check)
            return True

        try:
            return attended(conditionally, keep_on)
        except KeyTakenError:
            return False

    def _ask(self, doing: str, call: Callable[[], T], keep_on: Callable[[], None]) -> T:
        def checked(check: Callable[[], None]) -> T:
            check()
            with self._told(doing):
                return call()

        return attended(checked, keep_on)

    @contextlib.contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        with told(self._place, self._access.endpoint or "the server", doing):
            yield

    def _client(self) -> Any:
        """The driver's client, made where it may take its time: looking for keys can ask the network."""
        with self._making:
            if self._driver is None:
                self._driver = _client(self._access)
            return self._driver


def _client(access: Access) -> Any:
    config = Config(
        connect_timeout=access.timeout_s,  # it also ends a send that does not get on
        read_timeout=access.timeout_s,
        retries={"mode": "standard", "total_max_attempts": access.attempts},
        s3={"addressing_style": "path" if access.path_style else "auto"},
        # By default it sends CRC trailers that many servers other than Amazon's refuse or ignore. Content-MD5 is
        # understood by all, and every backup is read back anyway.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=access.endpoint,
        region_name=access.region or ("us-east-1" if access.endpoint else None),
        aws_access_key_id=access.access_key.reveal() if access.access_key is not None else None,
        aws_secret_access_key=access.secret_key.reveal() if access.secret_key is not None else None,
        verify=None if access.ca_file is None else str(access.ca_file),
        config=config,
    )


class _Body(io.BytesIO):
    """Bytes that stop being sent once nobody waits for it."""

    def __init__(self, data: bytes, check: Callable[[], None]) -> None:
        super().__init__(data)
        self._check = check

    def read(self, size: int | None = -1) -> bytes:
        self._check()
        return super().read(size)


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _a_second() -> Callable[[], None]:
    left = iter(range(_LOOKS_AT_AN_ABORT))

    def keep_on() -> None:
        if next(left, None) is None:
            raise DestinationError("no answer within a second")

    return keep_on
