"""What Prometheus reads: one file a source, one collector that runs them all."""
