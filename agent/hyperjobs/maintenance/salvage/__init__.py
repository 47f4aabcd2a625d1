"""Salvage: every row that can be got out of a damaged store, in a new one, and a word on each that cannot."""
