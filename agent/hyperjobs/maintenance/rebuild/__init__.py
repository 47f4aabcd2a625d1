"""A store made again from whatever is left of it: archives, exports, backups and the audit log."""

from hyperjobs.maintenance.rebuild.building import Rebuilt, rebuild
from hyperjobs.maintenance.rebuild.finding import find_sources
from hyperjobs.maintenance.rebuild.source import Kind, Source, State

__all__ = ["Kind", "Rebuilt", "Source", "State", "find_sources", "rebuild"]
