"""The ledger: exact numbers at any size, kept by triggers, folded by the agent, read by scrapes."""
