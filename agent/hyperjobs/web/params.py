"""The query of an API request, read strictly: what is unknown, repeated or malformed is refused by its name."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from hyperjobs.duration import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_MAX_FIELDS: Final = 32
_NAMED: Final = 40
_SPACE_BEFORE_OFFSET: Final = re.compile(r"(\d) (\d\d:\d\d)$")


class InvalidParameterError(Exception):
    """A parameter cannot be used; ``name`` is which, cut to 40 characters, the message says why."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name[:_NAMED]


class Params:
    """The parameters of one request.

    Raises:
        InvalidParameterError: one is not among ``known``, given twice where not ``repeatable``, or no UTF-8.
    """

    def __init__(self, query: str, known: Collection[str], *, repeatable: Collection[str] = (), now: datetime) -> None:
        self._now = now
        self._values: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
        except ValueError:
            raise InvalidParameterError("", "the query is no UTF-8, or has more than 32 parameters") from None
        for name, value in pairs:
            if name not in known:
                there = ", ".join(sorted(known)) or "none"
                raise InvalidParameterError(name, f"there is no such parameter here; there are: {there}")
            if name in self._values and name not in repeatable:
                raise InvalidParameterError(name, "it is given twice")
            self._values.setdefault(name, []).append(value)

    def all(self, name: str) -> list[str]:
        """Every value of a repeatable parameter."""
        return self._values.get(name, [])

    def text(self, name: str) -> str | None:
        """The value as it is; ``None`` when it is not given."""
        return next(iter(self._values.get(name, [])), None)

    def whole(self, name: str, *, default: int, least: int, most: int) -> int:
        """A whole number.

        Raises:
            InvalidParameterError: it is none, or out of bounds.
        """
        text = self.text(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdecimal() or not least <= int(text[:9]) <= most or len(text) > 9:  # noqa: PLR2004 - digits no bound here has
            raise InvalidParameterError(name, f"it is no whole number from {least} to {most}")
        return int(text)

    def moment(self, name: str) -> datetime | None:
        """An instant: RFC 3339, a date (its first moment, UTC), or how long ago, as ``24h`` or ``7d``.

        Raises:
            InvalidParameterError: it is none of these.
        """
        text = self.text(name)
        return None if text is None else self.read(name, text, self._moment)

    def read(self, name: str, text: str, parse: Callable[[str], datetime]) -> datetime:
        """What ``parse`` makes of a text, its ValueError told as this parameter's."""
        try:
            return parse(text)
        except (ValueError, OverflowError):
            raise InvalidParameterError(
                name, "it is no time; write 2026-09-01T03:00:00Z, 2026-09-01 or, for so long ago, 7d"
            ) from None

    def _moment(self, text: str) -> datetime:
        if len(text) >= len("2026-09-01") and text[:4].isdigit() and text[4] == "-":
            # A plus that was not escaped arrives as a blank.
            at = datetime.fromisoformat(_SPACE_BEFORE_OFFSET.sub(r"\1+\2", text))
            if at.tzinfo is None:
                if len(text) > len("2026-09-01"):
                    raise ValueError("a time without a zone")
                at = at.replace(tzinfo=UTC)
            return at.astimezone(UTC)
        return self._now - parse_duration(text)
