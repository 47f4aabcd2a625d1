"""The tasks by name, each made as the configuration says; and when each is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperjobs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperjobs.agent.workshop import Workshop
    from hyperjobs.maintenance.task import Task


def make_task(shop: Workshop, name: str, **changes: Any) -> Task:
    """A task by its name.

    Raises:
        ConfigError: there is none of this name.
    """
    maker = _MAKERS.get(name)
    if maker is None:
        raise ConfigError(f"{name}: there is no such task; known here: {', '.join(_MAKERS)}")
    return maker(shop, **changes)


_MAKERS: dict[str, Callable[..., Task]] = {}
