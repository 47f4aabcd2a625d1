"""Jobs out of a store into files, and from files or another store into one: what programs may call."""

from hyperjobs.maintenance.transfer.exporting import Exported, export_jobs
from hyperjobs.maintenance.transfer.importing import Imported, copy_jobs, import_jobs
from hyperjobs.maintenance.transfer.reading import Rejected

__all__ = ["Exported", "Imported", "Rejected", "copy_jobs", "export_jobs", "import_jobs"]
