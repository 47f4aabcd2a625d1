"""Giving free pages back: what is decided, the two ways of doing it, and the task that does it."""
