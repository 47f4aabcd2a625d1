"""What a value can be beyond JSON's own kinds."""

from typing import Annotated, Any

Time = Annotated[str, "time"]
"""RFC 3339 in UTC, as ``2026-09-10T12:00:00.000000Z``."""
LocalTime = Annotated[str, "local time"]
"""RFC 3339 with the offset of the zone it is told in."""
Document = dict[str, Any]
"""An object whose names are its own."""
