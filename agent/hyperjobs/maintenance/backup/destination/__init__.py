"""Second destinations: where proven backups are copied to, proven again, listed and brought back from."""
