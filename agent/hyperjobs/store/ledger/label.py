"""Provider and status labels: valid, short, and few. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperjobs.store.models import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

OTHER = "other"
"""The provider that stands for all beyond ``max_providers``, and the status that is none of the five."""

_UNKNOWN = "unknown"
_LONGEST_BYTES = 128  # of UTF-8; a label is in every sample of every scrape
_STATUSES = frozenset(JobStatus)


def clean(value: Any) -> str:
    """A label value for whatever the provider column holds: printable, valid UTF-8, at most 128 bytes.

    NULL, an empty text and a blob are ``unknown``; control characters and lone surrogates become U+FFFD.
    """
    if not isinstance(value, str):
        return str(value) if isinstance(value, int | float) else _UNKNOWN
    if value.isascii() and value.isprintable() and 0 < len(value) <= _LONGEST_BYTES:
        return value
    printable = "".join(c if c.isprintable() else "\ufffd" for c in value[:_LONGEST_BYTES])
    return printable.encode()[:_LONGEST_BYTES].decode(errors="ignore").strip() or _UNKNOWN


def status_label(value: Any) -> str:
    """One of the five statuses, or ``other``."""
    return value if value in _STATUSES else OTHER


class Providers:
    """The providers that have a label of their own, in order of first sight.

    Attributes:
        admitted: label → rank; saved beside the rollups, so that a restart admits the same.
    """

    def __init__(self, admitted: Iterable[str] = (), *, allowed: Iterable[str] = (), most: int = 50) -> None:
        """``allowed``, when not empty, are the only providers admitted; else the first ``most`` seen are."""
        self.admitted = {label: rank for rank, label in enumerate(admitted)}
        self._allowed = frozenset(allowed)
        self._most = most
        self._labels: dict[Any, str] = {}

    def label(self, raw: Any) -> str:
        """The label to count this provider under; admits it when there is room."""
        try:
            found = self._labels.get(raw)
        except TypeError:  # unhashable: SQLite never returns such, a caller might
            return OTHER
        if found is None:
            found = self._admit(clean(raw))
            if found != OTHER and len(self._labels) < 10 * self._most:
                self._labels[raw] = found
        return found

    def _admit(self, label: str) -> str:
        if label in self.admitted:
            return label
        has_room = label in self._allowed if self._allowed else len(self.admitted) < self._most
        if not has_room or label == OTHER:
            return OTHER
        self.admitted[label] = len(self.admitted)
        return label
