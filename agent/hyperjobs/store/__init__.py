"""The job store: hypersdk's table read and written as its own client does, and the ledger beside it."""
