"""The agent: the composition root, the only part that knows every other."""

from __future__ import annotations

from hyperjobs.agent.run import run

__all__ = ["run"]
