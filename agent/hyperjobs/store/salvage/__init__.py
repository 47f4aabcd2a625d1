"""Reading what is left of a damaged store: its pages by their published format, where SQLite itself gives up.

Everything here reads a private copy that nobody else has; nothing here writes to a store.
"""
