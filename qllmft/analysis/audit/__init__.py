"""Audit of any trained circuit: numbered checks on the circuit, its data and its rivals."""

from qllmft.analysis.audit.audit import CHECKS, Audit, AuditCheck, audit
from qllmft.analysis.audit.case import AuditFinding
from qllmft.analysis.audit.files import read_circuit, read_rows
from qllmft.analysis.audit.truncation import StateBonds, state_bonds, truncated

__all__ = [
    "CHECKS",
    "Audit",
    "AuditCheck",
    "AuditFinding",
    "StateBonds",
    "audit",
    "read_circuit",
    "read_rows",
    "state_bonds",
    "truncated",
]
