"""Bounds of what machines and their services answer, of a ledger's files, and of the mock server."""

from __future__ import annotations

# waits and answers of a service
MAX_WAIT_S = 31_536_000.0  # a year; the system's own waits end near 9e9 seconds
MAX_FAILURE_BYTES = 1 << 14  # read of an answer that is an error
MAX_FAILURE_CHARACTERS = 300  # of its message, which go into ours
MAX_REASON_CHARACTERS = 300  # of the reason of a failed job

# files
MAX_TOKEN_FILE_BYTES = 1 << 12  # of a file with a key
MAX_LEDGER_LINE_BYTES = 400_000_000  # with the results of one job
MAX_IDENTITY_BYTES = 10_000  # of a file of `Identity`; ours have up to 100

# mock server
MAX_REQUEST_BYTES = 1 << 26  # of the body of a request
MAX_DRAIN_S = 0.2  # for a body that is not read
MAX_PROGRAM_GATES = 10_000  # of a program, with those of its definitions
MAX_IDEAL_QUBITS = 20  # of a circuit without noise: 16 MB of amplitudes
MAX_NOISY_QUBITS = 14  # of one with noise, whose trajectories are simulated
MAX_LATENCY_S = 86_400.0  # a day in each state of a job
