"""Bounds of circuits and of kernels on disk."""

from __future__ import annotations

MAX_QUBITS = 30  # of a circuit: 4 GiB a state in float32
MAX_KERNEL_BYTES = 100_000_000  # of a file of compiled code, read as a whole
