"""The agent: the composition root, the only part that knows every other; a command imports the parts it needs."""
