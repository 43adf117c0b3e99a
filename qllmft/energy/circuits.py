"""Gate counts of the head at any width, taken from the template itself and not from a formula."""

from __future__ import annotations

from functools import lru_cache

from qllmft.config import ModelConfig
from qllmft.errors import UserError
from qllmft.templates import head_template
from qllmft_circuits import CircuitCounts, count


@lru_cache(maxsize=1024)
def head_counts(config: ModelConfig, n_qubits: int) -> CircuitCounts:
    """Return the gate counts of the head of ``config`` on ``n_qubits`` qubits, before any transpilation.

    The paper does not state the number of ansatz layers for R, N and M. Here N are between two encodings and M at the
    end, (R-1)·N + M in all, which fits every published parameter count. Figure 1 may also mean N after each encoding,
    then M (R·N + M), or N + M after each (R·(N + M)). With R = 4, N = 1, M = 2 these are 5, 6 and 12 layers, and all
    three have the paper's crossover at 46 qubits.
    """
    if config.head != "quantum":
        kind = "classical" if config.head == "mlp" else "a linear layer"
        raise UserError(
            f"the head is {kind}, so it has no circuit. Choose a preset with a quantum head: single-10q."
        )
    if n_qubits <= config.connectivity or n_qubits < 2:
        raise UserError(
            f"{n_qubits} qubits are too few for connectivity {config.connectivity}; "
            f"begin --qubits at {max(2, config.connectivity + 1)} or more."
        )
    circuit = head_template(config.model_copy(update={"n_qubits": n_qubits}))
    assert circuit is not None  # the head is quantum
    return count(circuit)
