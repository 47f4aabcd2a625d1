"""How a bucket is reached, and with which keys."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperjobs.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from hyperjobs.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A bucket of a server, and who we are there.

    Attributes:
        bucket: its name; it must exist.
        endpoint: ``https://host[:port]``; ``None`` for Amazon's own.
        region: what requests are signed for.
        access_key: with ``secret_key``; both ``None`` when the driver's own chain (environment, profile, machine role)
            is to find them.
        ca_file: certificates to trust instead of the system's.
        path_style: the bucket in the path rather than in the host's name; what most servers but Amazon's want.
        timeout_s: how long one connection, send or answer may take.
        attempts: how often a request is made before it has failed.
    """

    bucket: str
    endpoint: str | None = None
    region: str | None = None
    access_key: Secret | None = None
    secret_key: Secret | None = None
    ca_file: Path | None = None
    path_style: bool = True
    timeout_s: float = 30.0
    attempts: int = 5

    def require_usable(self, name: str) -> None:
        """Return when this can be tried, and its driver is here.

        Args:
            name: of the destination, for the message.

        Raises:
            ConfigError: it cannot; the message says what to correct.
        """
        if importlib.util.find_spec("boto3") is None:
            raise ConfigError(f"destination {name}: S3 needs its driver; install hyperjobs[s3]")
        if not self.bucket or "/" in self.bucket:
            raise ConfigError(f"destination {name}: 'bucket' is one name; what comes after a slash is 'prefix'")
        if self.endpoint is not None and "@" in self.endpoint:
            raise ConfigError(f"destination {name}: 'endpoint' holds a user or password; give keys in files instead")
        if self.endpoint is not None and not self.endpoint.startswith(("https://", "http://")):
            raise ConfigError(f"destination {name}: 'endpoint' begins with https:// (or http://)")
        if (self.access_key is None) != (self.secret_key is None):
            raise ConfigError(f"destination {name}: an access key and a secret key go together; give both or none")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ConfigError(f"destination {name}: {self.ca_file}: there is no such file of certificates")
