"""hyperjobs looks after hypersdk's SQLite job store."""

__version__ = "0.1.0"
