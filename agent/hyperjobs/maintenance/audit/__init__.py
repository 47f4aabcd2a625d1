"""The audit log: every change of a job's status, in a file in which no line can be altered unseen."""
