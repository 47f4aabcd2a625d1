"""Notifications: what happened, whom it concerns, and the ways to say it. Nothing here may hold up the agent's work."""
