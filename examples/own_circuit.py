"""Make a circuit with an encoding of your own a row of a run, beside its separable twin.

Run: python examples/own_circuit.py
Or:  qllmft train --data reviews --body minilm --head examples/own_circuit.py:make
"""

import tempfile
from pathlib import Path

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from torch import nn

import qllmft
from qllmft.baselines import use_own_heads

N_QUBITS = 4
N_LAYERS = 2


def make(dimension: int, n_labels: int, separable: bool = False) -> nn.Module:
    """Return a torch module that maps embeddings (B, D) to logits (B, k).

    Each value enters twice, as an angle and as a product of two angles. A QNode of PennyLane is a layer by
    ``QuantumHead.from_qnode(qnode, sample, weights)``.

    Args:
        dimension: D of the embeddings.
        n_labels: k.
        separable: leave out the gates on two qubits, for the twin.
    """
    x = ParameterVector("x", N_QUBITS)
    weights = ParameterVector("weights", N_QUBITS * N_LAYERS)
    circuit = QuantumCircuit(N_QUBITS)
    for layer in range(N_LAYERS):
        for qubit in range(N_QUBITS):
            circuit.rx(x[qubit], qubit)
            circuit.rz(x[qubit] * x[(qubit + 1) % N_QUBITS], qubit)
            circuit.ry(weights[N_QUBITS * layer + qubit], qubit)
        if not separable:
            for qubit in range(N_QUBITS - 1):
                circuit.cz(qubit, qubit + 1)
    return nn.Sequential(
        nn.Linear(dimension, N_QUBITS),
        qllmft.QuantumHead.from_circuit(circuit, data=x, weights=weights),
        nn.Linear(N_QUBITS, n_labels),
    )


def main() -> None:
    """Train a small run with the rows of this file, and print each score with that of its control."""
    names = use_own_heads([f"{__file__}:make"])
    with tempfile.TemporaryDirectory() as folder:
        outcome = qllmft.train(
            "reviews",
            preset="nn-head-0",
            body="minilm",
            out=Path(folder, "run"),
            train__epochs=5,
            baselines__names=["logistic_regression_c1", *names.values()],
        )
        for model in outcome.record.models:
            print(f"{model.name:35} {model.test}")
            if control := model.without_circuit:
                low, high = (100 * end for end in control.gain_interval)
                print(
                    f"  minus no circuit: {100 * control.gain:+.1f} points [{low:+.1f}, {high:+.1f}]"
                )


if __name__ == "__main__":
    main()
