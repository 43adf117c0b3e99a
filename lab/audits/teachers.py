"""Models with known answers: labels are those of the model's own circuit, so that it is right by construction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qllmft_audit import trained_circuit

Floats = NDArray[np.float64]
Arguments = dict[str, Any]  # of qllmft.audit; `circuit`, `X` and `y` too
ROWS = 600
TESTED = 400
KEPT = 3  # of so many rows one is kept, with a value far from the threshold


def layered_circuit(
    n_qubits: int, layers: int, *, gates: str = "ry", entangle: str = "ring"
) -> QuantumCircuit:
    """Return a circuit that encodes a row x in each layer, with weights theta between and after the layers.

    Args:
        n_qubits: Q.
        layers: number of encodings.
        gates: rotations of the weights on each qubit.
        entangle: ``ring`` of CNOT, ``brick`` of CZ, ``chain`` of CNOT, or ``none``.
    """
    size = n_qubits * len(gates.split()) * (layers + 1)
    x = ParameterVector("x", n_qubits)
    theta = iter(ParameterVector("theta", size))
    circuit = QuantumCircuit(n_qubits)

    def rotate() -> None:
        for gate in gates.split():
            for qubit in range(n_qubits):
                getattr(circuit, gate)(next(theta), qubit)

    for layer in range(layers):
        for qubit in range(n_qubits):
            circuit.rx(x[qubit], qubit) if gates != "ry" else circuit.ry(x[qubit], qubit)
        rotate()
        if entangle == "brick":
            for qubit in range(layer % 2, n_qubits - 1, 2):
                circuit.cz(qubit, qubit + 1)
        elif entangle != "none":
            for qubit in range(n_qubits if entangle == "ring" else n_qubits - 1):
                circuit.cx(qubit, (qubit + 1) % n_qubits)
    rotate()
    return circuit


def expectation_values(
    circuit: QuantumCircuit, weights: Floats, observables: Any, x: Floats
) -> Floats:
    """Return the expectation values (N, T) of rows."""
    return trained_circuit(circuit, x[0], weights=weights, observables=observables).expectations(x)


def teacher_model(
    circuit: QuantumCircuit,
    draw: int,
    *,
    seed: int = 1,
    observables: Any = None,
    rows: int = ROWS + TESTED,
    spread: float = 1.5,
    near: bool = False,
) -> Arguments:
    """Return a model whose labels are those of its own circuit: the sign of a combination of its values.

    Args:
        circuit: with the parameters x and theta.
        draw: number of the draw of rows, weights and combination.
        seed: of the model.
        observables: measured operators; None for Z of every qubit.
        rows: number of rows, training and test.
        spread: largest absolute value of an input.
        near: keep the rows near the threshold instead of those far from it.
    """
    random = np.random.default_rng([seed, draw])
    width = sum(p.name.startswith("x[") for p in circuit.parameters)
    x = random.uniform(-spread, spread, (KEPT * rows, width))
    weights = random.uniform(-np.pi, np.pi, circuit.num_parameters - width)
    values = expectation_values(circuit, weights, observables, x)
    mix = random.normal(size=values.shape[1])
    score = values @ mix
    threshold = float(np.median(score))
    order = np.argsort(np.abs(score - threshold))
    row_numbers = np.sort(order[:rows] if near else order[-rows:])
    y = (score[row_numbers] > threshold).astype(int)
    return split(x[row_numbers], y) | {
        "circuit": circuit,
        "weights": weights,
        "observables": observables,
        "readout": (np.stack([0 * mix, mix]), np.array([0.0, -threshold])),
    }


def split(x: Floats, y: Any) -> Arguments:
    """Return the arguments of rows and labels, the last ones for the test."""
    return {"X": x[:-TESTED], "y": y[:-TESTED], "test": (x[-TESTED:], y[-TESTED:])}


def base(draw: int, seed: int = 1) -> Arguments:
    """Return the sound model that most faults are planted in: 4 qubits, 2 layers, Z of every qubit."""
    return teacher_model(layered_circuit(4, 2), draw, seed=seed)


def replace_arguments(model: Arguments, **changes: Any) -> Arguments:
    """Return the arguments with some of them exchanged."""
    return {**model, **changes}
