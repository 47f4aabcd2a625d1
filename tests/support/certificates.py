"""Certificates made with openssl: an authority, and what it issues, in date or not."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """One certificate and its key, PEM files both."""

    crt: Path
    key: Path


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=30)


def self_signed(directory: Path, name: str, *, sans: str = "DNS:localhost,IP:127.0.0.1") -> Certificate:
    """A certificate that vouches for itself; as authority it may vouch for others."""
    made = Certificate(directory / f"{name}.crt", directory / f"{name}.key")
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    _openssl(*words, "-subj", f"/CN={name}", "-addext", f"subjectAltName={sans}", "-keyout", made.key, "-out", made.crt)
    return made


class Authority:
    """A certificate authority with a directory of its own."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        directory.mkdir(exist_ok=True, parents=True)
        self._directory = directory
        self._own = self_signed(directory, name)
        self.crt = self._own.crt

    def issue(self, name: str, *, sans: str = "DNS:localhost,IP:127.0.0.1", days: int = 2) -> Certificate:
        """A certificate of this name; with ``days`` of -1 it has expired."""
        made = Certificate(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        request, extra = made.crt.with_suffix(".csr"), made.crt.with_suffix(".ext")
        extra.write_text(f"subjectAltName={sans}\n")
        new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
        _openssl(*new, "-keyout", made.key, "-out", request)
        signing = ["-CA", self._own.crt, "-CAkey", self._own.key, "-CAcreateserial", "-extfile", extra]
        _openssl("x509", "-req", "-in", request, *signing, "-days", str(days), "-out", made.crt)
        return made
