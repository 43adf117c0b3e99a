"""Gate counts of the head at any width: counted on the template itself, never from a formula."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

from qllmft.config import ModelConfig
from qllmft.errors import UserError
from qllmft.templates import head_template
from qllmft_circuits import CircuitCounts, count

LayerCounting = Literal["between", "after_each", "every"]
LAYER_COUNTINGS: tuple[LayerCounting, ...] = get_args(LayerCounting)


def head_counts(config: ModelConfig, n_qubits: int, counting: LayerCounting = "between") -> CircuitCounts:
    """Gates of the head of ``config`` on ``n_qubits`` qubits, as written, before any transpilation.

    The paper does not say how many ansatz layers R, N and M make; three readings of figure 1 are possible:

    - ``between``: N layers between two encodings, M at the end: (R-1)·N + M. It fits every published parameter count,
      and is what the project trains.
    - ``after_each``: N layers after each encoding, the last one too, then M: R·N + M.
    - ``every``: N + M layers after each encoding: R·(N + M).

    With R = 4, N = 1, M = 2 they are 5, 6 and 12 layers, and all three put the paper's crossover at 46 qubits.
    """
    if config.head != "quantum":
        kind = "classical" if config.head == "mlp" else "a linear layer"
        raise UserError(f"the head is {kind}, so it has no circuit. Choose a preset with a quantum head: single-10q.")
    if n_qubits <= config.connectivity or n_qubits < 2:
        raise UserError(
            f"{n_qubits} qubits are too few for connectivity {config.connectivity}; "
            f"begin --qubits at {max(2, config.connectivity + 1)} or more."
        )
    between, last = config.reupload_layers, config.main_layers
    if counting == "after_each":
        last = between + last
    elif counting == "every":
        between = last = between + last
    layers = {"reupload_layers": between, "main_layers": last}
    return _counts(config.model_copy(update={"n_qubits": n_qubits, **layers}))


@lru_cache(maxsize=1024)
def _counts(config: ModelConfig) -> CircuitCounts:
    circuit = head_template(config)
    assert circuit is not None  # the head is quantum
    return count(circuit)
