"""Schedules as cron expressions: what they mean, and when they are due, in any zone."""
