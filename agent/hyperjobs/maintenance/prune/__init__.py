"""Pruning: jobs past their time are archived, deleted, and can be brought back."""
