"""Ten sound models, in which no check may find an issue."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
from qiskit import QuantumCircuit, qasm3
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import zz_feature_map

from lab.audits.teachers import (
    Arguments,
    base,
    expectation_values,
    layered_circuit,
    replace_arguments,
    split,
    teacher_model,
)


def complex_gates(draw: int) -> Arguments:
    """Return a model of R_X, R_Y, R_Z and CNOT on five qubits."""
    return teacher_model(layered_circuit(5, 2, gates="rz ry"), draw, seed=2)


def one_operator(draw: int) -> Arguments:
    """Return a model that reads the parity of four qubits."""
    return teacher_model(layered_circuit(4, 3), draw, seed=3, observables=["ZZZZ"])


def brick_of_cz(draw: int) -> Arguments:
    """Return a model of six qubits and six layers with CZ of neighbours."""
    return teacher_model(layered_circuit(6, 6, gates="ry rx", entangle="brick"), draw, seed=4)


def eight_qubits(draw: int) -> Arguments:
    """Return a model of eight qubits and three layers."""
    return teacher_model(layered_circuit(8, 3), draw, seed=5)


def ten_qubits(draw: int) -> Arguments:
    """Return a model of ten qubits and three layers, as wide as the paper's least head."""
    return teacher_model(layered_circuit(10, 3), draw, seed=6)


def noisy_labels(draw: int) -> Arguments:
    """Return the base model with one label of twenty exchanged."""
    model = base(draw, 7)
    random = np.random.default_rng([7, draw])

    def exchange_labels(y: np.ndarray) -> np.ndarray:
        return np.where(random.random(len(y)) < 0.05, 1 - y, y)

    test_rows, labels = model["test"]
    return replace_arguments(
        model, y=exchange_labels(model["y"]), test=(test_rows, exchange_labels(labels))
    )


def three_labels(draw: int) -> Arguments:
    """Return a model of three labels, each with a combination of the expectation values of four qubits."""
    circuit = layered_circuit(4, 2)
    random = np.random.default_rng([11, draw])
    x = random.uniform(-1.5, 1.5, (6000, 4))
    weights = random.uniform(-np.pi, np.pi, 12)
    mix = random.normal(size=(3, 4))
    scores = expectation_values(circuit, weights, None, x) @ mix.T
    offsets = -np.median(scores, axis=0)
    scores += offsets
    y = scores.argmax(axis=1)
    sorted_scores = np.sort(scores, axis=1)
    leads = sorted_scores[:, 2] - sorted_scores[:, 1]
    by_label = [np.flatnonzero(y == label) for label in range(3)]
    clear_rows = np.concatenate([rows[np.argsort(-leads[rows])[:330]] for rows in by_label])
    random.shuffle(clear_rows)
    return split(x[clear_rows], y[clear_rows]) | {
        "circuit": circuit,
        "weights": weights,
        "readout": (mix, offsets),
    }


def feature_map(draw: int) -> Arguments:
    """Return a model of Qiskit's ZZ feature map with layers of R_Y and CNOT, labels from its own parity."""
    data = zz_feature_map(3, reps=2)
    ansatz = layered_circuit(3, 2)
    theta = ParameterVector("theta", 9)
    plain = ansatz.assign_parameters(
        {p: 0.0 if p.name.startswith("x[") else theta[int(p.name[6:-1])] for p in ansatz.parameters}
    )
    circuit = QuantumCircuit(3)
    circuit.compose(data, inplace=True)
    circuit.compose(plain, inplace=True)
    return teacher_model(circuit, draw, seed=12, observables=["ZZZ"], spread=1.5)


def from_a_file(draw: int) -> Arguments:
    """Return the base model as OpenQASM 3 with its weights as numbers."""
    model = base(draw, 13)
    circuit: QuantumCircuit = model["circuit"]
    weight_parameters = [p for p in circuit.parameters if not p.name.startswith("x[")]
    bound_circuit = circuit.assign_parameters(
        dict(zip(weight_parameters, model["weights"], strict=True))
    )
    loaded_circuit = qasm3.loads(qasm3.dumps(bound_circuit, disable_constants=True))
    return replace_arguments(
        model, circuit=loaded_circuit, weights=None, data=[f"_x_{qubit}_" for qubit in range(4)]
    )


def qnode(draw: int) -> Arguments:
    """Return the circuit of `one_operator` as a QNode of PennyLane."""
    import pennylane as qp

    @qp.qnode(qp.device("default.qubit", wires=4))  # type: ignore[untyped-decorator]
    def circuit(x: Any, theta: Any) -> Any:
        angles = chain(theta)
        for _ in range(3):
            for qubit in range(4):
                qp.RY(x[qubit], wires=qubit)
            for qubit in range(4):
                qp.RY(next(angles), wires=qubit)
            for qubit in range(4):
                qp.CNOT(wires=[qubit, (qubit + 1) % 4])
        for qubit in range(4):
            qp.RY(next(angles), wires=qubit)
        return qp.expval(qp.PauliZ(0) @ qp.PauliZ(1) @ qp.PauliZ(2) @ qp.PauliZ(3))

    return replace_arguments(one_operator(draw), circuit=circuit, observables=None)


SOUND: dict[str, Callable[[int], Arguments]] = {
    "R_Y and a ring of CNOT, 4 qubits": base,
    "R_X, R_Y, R_Z, 5 qubits": complex_gates,
    "CZ of neighbours, 6 qubits": brick_of_cz,
    "8 qubits": eight_qubits,
    "10 qubits": ten_qubits,
    "5 % of the labels exchanged": noisy_labels,
    "three labels": three_labels,
    "ZZ feature map": feature_map,
    "a file in OpenQASM 3": from_a_file,
    "a QNode of PennyLane": qnode,
}
