"""Restoring: a backup is proven where it will lie, and only then takes the store's place."""
