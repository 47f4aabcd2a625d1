"""A small world for hyperjobs to look after: a fleet that migrates machines, its past, and a Prometheus beside it."""
