"""Backups: dated copies of a store in one directory, each with a manifest, each proven before it counts."""
