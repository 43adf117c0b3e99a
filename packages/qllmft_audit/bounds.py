"""Bounds of an audit: its rows, and the states of its circuit.

The package `qllmft_circuits` has the bounds of a circuit's file.
"""

from __future__ import annotations

MAX_ROWS_BYTES = 200_000_000  # of all arrays of a file, unpacked
MAX_OBSERVABLES = 10_000  # names in a file of rows
MAX_QUBITS = 14  # of a circuit, whose states are all in memory
MAX_AMPLITUDES = 1 << 25  # of all rows' states: 0.5 GB
