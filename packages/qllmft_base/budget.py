"""One bound of memory and work for files and settings, compared before anything of them is built."""

from __future__ import annotations

from qllmft_base.bounds import MAX_MEMORY_BYTES, MAX_OPERATIONS
from qllmft_base.errors import UserError

BYTES_PER_GATE = 60_000  # of a circuit as objects of Qiskit and of the engine, measured
BYTES_PER_AMPLITUDE = 8  # of a state and the one that a gate makes of it


def excess(subject: str, memory: int, operations: int = 0) -> str | None:
    """Return the sentence that something takes more than the budget, or None if it does not.

    >>> print(excess("a head", 2**40, 10))
    a head would take 1,099,511,627,776 bytes of memory and 10 operations, expected at most 2,500,000,000 and
    1,000,000,000,000
    >>> excess("a head", 1000)
    """
    if memory <= MAX_MEMORY_BYTES and operations <= MAX_OPERATIONS:
        return None
    return (
        f"{subject} would take {memory:,} bytes of memory and {operations:,} operations, expected at most "
        f"{MAX_MEMORY_BYTES:,} and {MAX_OPERATIONS:,}"
    )


def check_budget(subject: str, memory: int, operations: int = 0) -> None:
    """Raise UserError if something takes more than the budget of bytes and operations."""
    if sentence := excess(subject, memory, operations):
        raise UserError(f"{sentence}. Give a smaller one.")


def circuit_cost(n_qubits: int, gates: int) -> tuple[int, int]:
    """Return the bytes of memory and the operations of one evaluation of a circuit."""
    amplitudes = 2 ** min(n_qubits, 100)
    return BYTES_PER_GATE * gates + BYTES_PER_AMPLITUDE * amplitudes, gates * amplitudes
