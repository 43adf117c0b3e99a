"""Bounds of circuits whose cost grows with a power of their qubits, on every backend."""

from __future__ import annotations

MAX_DENSITY_MATRIX_QUBITS = 12  # of a density matrix: 4¹² numbers are 268 MB
MAX_MITIGATED_QUBITS = 10  # of a string of Z, whose inverse has 2^n strings
