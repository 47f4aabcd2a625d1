"""What goes wrong with a bucket, said in our own errors: which bucket, why, and what to do."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from botocore import exceptions  # type: ignore[import-untyped]  # it has no types

from hyperjobs.errors import (
    BackupRunningError,
    DestinationDeniedError,
    DestinationError,
    DestinationMissingError,
    HyperjobsError,
    StoreFullError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_KEYS = "check access_key_file and secret_key_file of the destination"
_NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.ProfileNotFound,
    exceptions.UnauthorizedSSOTokenError,
)
_NO_ANSWER = (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError)
_SETTING = (exceptions.ParamValidationError, exceptions.UnsupportedSignatureVersionError, ValueError)
_LONGEST = 200


class NoKeyError(HyperjobsError):
    """There is no such object; whoever asked says what that means."""


class KeyTakenError(HyperjobsError):
    """There is an object of this key already; whoever asked says what that means."""


_ANSWERS: tuple[tuple[frozenset[str], Callable[[str], HyperjobsError], str], ...] = (
    (frozenset({"NoSuchKey", "404"}), NoKeyError, "there is no such object"),
    (
        frozenset({"NoSuchUpload"}),
        functools.partial(DestinationError, reason="server"),
        "somebody else ended the upload; put it again",
    ),
    (frozenset({"PreconditionFailed", "412"}), KeyTakenError, "there is such an object already"),
    (
        frozenset({"NoSuchBucket"}),
        DestinationMissingError,
        "there is no such bucket; make it, or correct 'bucket' of the destination",
    ),
    (
        frozenset({"SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidToken", "ExpiredToken", "401"}),
        DestinationDeniedError,
        f"the server does not know these keys ({{said}}); {_KEYS}",
    ),
    (
        frozenset({"RequestTimeTooSkewed"}),
        DestinationDeniedError,
        "the clock of this machine or of the server is wrong ({said}); set it",
    ),
    (
        frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403"}),
        DestinationDeniedError,
        f"{{doing}} is not allowed ({{said}}); give these keys the right to it, or {_KEYS}",
    ),
    (
        frozenset({"InvalidObjectState"}),
        functools.partial(DestinationError, reason="setting"),
        "the object was moved to an archive; bring it back there, or let the bucket archive nothing ({said})",
    ),
    (
        frozenset({"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"}),
        StoreFullError,
        "no room ({said}); raise the quota, or delete old backups there",
    ),
    (
        frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "301", "307"}),
        functools.partial(DestinationError, reason="setting"),
        "the bucket is in another region ({said}); set 'region' of the destination",
    ),
    (
        frozenset({"ConditionalRequestConflict"}),
        BackupRunningError,
        "somebody else is writing the same object; try again after it",
    ),
)


@contextlib.contextmanager
def told(place: str, server: str, doing: str) -> Iterator[None]:
    """Turn the driver's errors into ours.

    Args:
        place: the bucket and prefix.
        server: the endpoint, for when it does not answer.
        doing: what was being done, as in "listing".

    Raises:
        NoKeyError: there is no such object.
        KeyTakenError: there is one, where there should be none.
        HyperjobsError: whatever else is wrong, as line for a person.
    """
    try:
        yield
    except exceptions.ClientError as exc:
        raise _answered(exc, place, doing) from exc
    except _NO_CREDENTIALS as exc:
        raise DestinationDeniedError(f"{place}: no keys to sign in with: {_short(exc)}; {_KEYS}") from exc
    except exceptions.SSLError as exc:
        raise DestinationError(
            f"{place}: {server} has a certificate that is not trusted: {_short(exc)}; name its CA with ca_file",
            reason="setting",
        ) from exc
    except _NO_ANSWER as exc:
        raise DestinationError(
            f"{place}: {server} did not answer while {doing} ({type(exc).__name__}); "
            "is it up, and is 'endpoint' of the destination right?",
            reason="unreachable",
        ) from exc
    except (*_SETTING, UnicodeError) as exc:
        raise DestinationError(f"{place}: {doing} cannot be asked for: {_short(exc)}", reason="setting") from exc
    except exceptions.BotoCoreError as exc:
        raise DestinationError(f"{place}: {doing} failed: {_short(exc)}") from exc


def code_of(exc: exceptions.ClientError) -> str:
    """The server's word for what is wrong, or its HTTP status where an answer has no body."""
    return str(exc.response.get("Error", {}).get("Code", ""))


def _answered(exc: exceptions.ClientError, place: str, doing: str) -> HyperjobsError:
    code, status = code_of(exc), exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = _short(f"{code} {exc.response.get('Error', {}).get('Message') or ''}")
    for word in (code, str(status)):
        for codes, error, text in _ANSWERS:
            if word in codes:
                return error(f"{place}: {text.format(doing=doing, said=said)}")
    return DestinationError(f"{place}: {doing} failed ({status}: {said}); try again later", reason="server")


def _short(said: object) -> str:
    """One line of what a server or driver says, and no more of it than a person reads."""
    line = " ".join(str(said).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
