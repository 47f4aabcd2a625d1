"""Alerts and recording rules: written as templates, filled from one file of values, rendered for Prometheus."""
