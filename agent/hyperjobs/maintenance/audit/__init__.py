"""The audit log: every change of a job's status, in a file in which no line can be altered unseen."""

from hyperjobs.maintenance.audit.verify import Fault, Verdict, verify_log

__all__ = ["Fault", "Verdict", "verify_log"]
