"""The Grafana dashboards as code: ``python -m dashboards`` writes ``grafana/dashboards/*.json``."""
