"""What options and sections are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pydantic.config import JsonDict

T = TypeVar("T")


def option(
    default: Any, description: str, *, reason: str, unit: str = "", needs_restart: bool = False, **bounds: Any
) -> Any:
    """A field with all that a reader of the example file needs.

    Args:
        default: what holds when nobody says otherwise.
        description: what the option does, as a sentence.
        reason: why the default is what it is.
        unit: what the value counts in, or the words it may be.
        needs_restart: whether a reload cannot change it: it stands for a socket, a lock or a file taken at the start.
        bounds: pydantic's ``ge``, ``le``, ``min_length``, ``max_length``.
    """
    extra: JsonDict = {"reason": reason, "unit": unit, "needs_restart": needs_restart}
    return Field(default, description=description, json_schema_extra=extra, **bounds)


def section(model: type[T]) -> T:
    """A field that is a section of its own, at its defaults."""
    return Field(default_factory=model)


class Section(BaseModel):
    """Options that belong together; frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
