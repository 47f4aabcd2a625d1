"""Dashboards drawn with the components of Grafana, without a Grafana."""
