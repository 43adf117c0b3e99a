"""Gates that a backend lacks, in terms of those that it has."""

from __future__ import annotations

from collections.abc import Set

from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError

from qllmft_backends.errors import UnsupportedGateError


def opened(circuit: QuantumCircuit, known: Set[str], machine: str) -> QuantumCircuit:
    """Return a circuit with the definitions of gates in their place, until all names are ``known`` to ``machine``.

    Raises:
        UnsupportedGateError: for a gate without such a definition.
    """
    while nested := [name for name in circuit.count_ops() if name not in known]:
        refusal = (
            f"gate {nested[0]!r} of circuit {circuit.name!r} has no definition by gates that {machine} runs. Define "
            "it, or write it with standard gates."
        )
        try:
            contents = circuit.decompose(gates_to_decompose=nested)
        except QiskitError as error:
            raise UnsupportedGateError(refusal) from error
        if contents.count_ops() == circuit.count_ops():
            raise UnsupportedGateError(refusal)
        circuit = contents
    return circuit
