"""Requests to a backend: parameter values checked, gates opened, and the seed that follows from a request."""

from __future__ import annotations

from collections.abc import Set
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.primitives.containers.bindings_array import BindingsArray

from qllmft_backends.errors import BackendError, UnsupportedGateError


def check_values(circuit: QuantumCircuit, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``values`` as (B, P) float64. Another shape, or a value that is no number, is an error."""
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or values.shape[1] != circuit.num_parameters:
        raise BackendError(
            f"parameter values have shape {values.shape}, expected (B, {circuit.num_parameters}): "
            f"one column a parameter of circuit {circuit.name!r}, in the order of circuit.parameters."
        )
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise BackendError(
            f"the value of parameter {circuit.parameters[int(column)].name!r} in row {row} is {values[row, column]}, "
            "expected a finite angle in radians."
        )
    return values


def bound_values(circuit: QuantumCircuit, values: BindingsArray) -> NDArray[np.float64]:
    """Return the parameter values of a pub as (B, P), its bindings flattened."""
    bound = np.asarray(values.as_array(circuit.parameters), np.float64)
    return bound.reshape(values.size, circuit.num_parameters)


def request_seed(seed: int, circuit: QuantumCircuit, values: NDArray[np.float64]) -> int:
    """Return a simulator's seed for one call, from the backend's seed and the call's content.

    The same request gets the same bits, in a resumed run too. Another training step has other values and so noise of
    its own; a constant seed would repeat the noise in every step.
    """
    gates = [
        (i.operation.name, *(circuit.find_bit(q).index for q in i.qubits)) for i in circuit.data
    ]
    digest = blake2b(repr((seed, circuit.num_qubits, gates, values.shape)).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(values).tobytes())
    # 62 bits: Aer adds to it in a signed 64-bit integer
    return int.from_bytes(digest.digest(), "little") >> 2


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
