"""Audit of any trained circuit: numbered checks on the circuit, its data and its baselines."""

from qllmft_audit.audit.audit import CHECKS, Audit, AuditCheck, audit
from qllmft_audit.audit.case import AuditFinding
from qllmft_audit.audit.files import read_circuit, read_rows

__all__ = ["CHECKS", "Audit", "AuditCheck", "AuditFinding", "audit", "read_circuit", "read_rows"]
