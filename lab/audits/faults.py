"""Thirty planted faults, each with the checks that name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from lab.audits.teachers import (
    Arguments,
    base,
    expectation_values,
    layered_circuit,
    replace_arguments,
    split,
    teacher_model,
)


@dataclass(frozen=True)
class Fault:
    """Model with a fault."""

    name: str
    codes: tuple[str, ...]  # of the checks that name it
    make: Callable[[int], Arguments]


def _append_gates(
    model: Arguments, gates: Callable[[QuantumCircuit, ParameterVector], None], n: int
) -> Arguments:
    """Return a model with gates of n more weights at the end, on one more qubit."""
    original: QuantumCircuit = model["circuit"]
    circuit = QuantumCircuit(original.num_qubits + 1)
    circuit.compose(original, range(original.num_qubits), inplace=True)
    gates(circuit, ParameterVector("w", n))
    observables = [
        "I" * (original.num_qubits - q) + "Z" + "I" * q for q in range(original.num_qubits)
    ]
    theta = [p for p in circuit.parameters if p.name.startswith("theta")]
    order = [p.name for p in circuit.parameters if not p.name.startswith("x")]
    values = dict(zip([p.name for p in theta], model["weights"], strict=True))
    weights = np.array([values.get(name, 0.4) for name in order])
    return replace_arguments(model, circuit=circuit, weights=weights, observables=observables)


def idle_qubit(draw: int) -> Arguments:
    """Return a model with a qubit of its own rotation."""
    return _append_gates(base(draw), lambda c, w: c.ry(w[0], c.num_qubits - 1), 1)


def late_qubit(draw: int) -> Arguments:
    """Return a model whose last CNOTs write to a qubit that is not measured."""

    def gates(circuit: QuantumCircuit, w: ParameterVector) -> None:
        last = circuit.num_qubits - 1
        for qubit in range(last):
            circuit.cx(qubit, last)
        circuit.ry(w[0], last)

    return _append_gates(base(draw), gates, 1)


def rotations_before_z(draw: int) -> Arguments:
    """Return a model with R_Z before its measurement of Z."""

    def gates(circuit: QuantumCircuit, w: ParameterVector) -> None:
        for qubit in range(4):
            circuit.rz(w[qubit], qubit)

    return _append_gates(base(draw), gates, 4)


def _one_more_input(
    encode: Callable[[QuantumCircuit, QuantumCircuit, ParameterVector], None], draw: int
) -> Arguments:
    """Return the base model with an input more, encoded by ``encode``."""
    model = base(draw)
    original: QuantumCircuit = model["circuit"]
    x = ParameterVector("x", 5)
    base_gates = original.assign_parameters(
        {p: x[int(p.name[2:-1])] for p in original.parameters if p.name.startswith("x[")}
    )
    circuit = QuantumCircuit(4)
    encode(circuit, base_gates, x)
    random = np.random.default_rng([5, draw])

    def wider(rows: np.ndarray) -> np.ndarray:
        return np.column_stack([rows, random.uniform(-1.5, 1.5, len(rows))])

    test_rows, labels = model["test"]
    return replace_arguments(
        model, circuit=circuit, X=wider(model["X"]), test=(wider(test_rows), labels)
    )


def phase_of_zero(draw: int) -> Arguments:
    """Return a model that encodes an input by R_Z on |0⟩."""

    def encode(circuit: QuantumCircuit, base_gates: QuantumCircuit, x: ParameterVector) -> None:
        circuit.rz(x[4], 0)
        circuit.compose(base_gates, inplace=True)

    return _one_more_input(encode, draw)


def late_input(draw: int) -> Arguments:
    """Return a model that encodes an input after everything that is measured depends on."""

    def encode(circuit: QuantumCircuit, base_gates: QuantumCircuit, x: ParameterVector) -> None:
        circuit.compose(base_gates, inplace=True)
        circuit.rz(x[4], 1)

    return _one_more_input(encode, draw)


def constant_readout(draw: int) -> Arguments:
    """Return a model that measures a qubit without gates of data."""
    model = _append_gates(base(draw), lambda c, w: c.ry(w[0], c.num_qubits - 1), 1)
    return replace_arguments(model, observables=["ZIIII"], readout=None)


def large_bias(draw: int) -> Arguments:
    """Return a model whose bias outweighs its expectation values."""
    weight, bias = base(draw)["readout"]
    return replace_arguments(base(draw), readout=(weight, bias + np.array([0.0, 50.0])))


def label_among_inputs(draw: int) -> Arguments:
    """Return a model whose fifth input is the label with noise."""
    random = np.random.default_rng([3, draw])
    x = random.uniform(-1.5, 1.5, (1000, 5))
    y = random.integers(0, 2, 1000)
    x[:, 4] = 2.0 * y - 1.0 + 0.1 * random.normal(size=1000)
    circuit = layered_circuit(5, 1, entangle="none")
    weights = np.zeros(10)
    return split(x, y) | {
        "circuit": circuit,
        "weights": weights,
        "observables": ["XIIII"],
        "readout": (np.array([[0.0], [1.0]]), np.zeros(2)),
    }


def copied_rows(draw: int) -> Arguments:
    """Return a model with ten training rows among its test rows."""
    model = base(draw)
    test_rows, labels = model["test"]
    test_rows = test_rows.copy()
    labels = labels.copy()
    test_rows[:10] = model["X"][:10]
    labels[:10] = model["y"][:10]
    return replace_arguments(model, test=(test_rows, labels))


def rounded_copies(draw: int) -> Arguments:
    """Return a model with training rows of five digits among its test rows."""
    model = copied_rows(draw)
    test_rows, labels = model["test"]
    test_rows = test_rows.copy()
    test_rows[:10] = test_rows[:10].round(5)
    return replace_arguments(model, test=(test_rows, labels))


def shuffled_labels(draw: int) -> Arguments:
    """Return a model with labels in random order."""
    model = base(draw)
    random = np.random.default_rng([2, draw])
    test_rows, labels = model["test"]
    return replace_arguments(
        model,
        y=random.permutation(model["y"]),
        test=(test_rows, random.permutation(labels)),
        readout=None,
    )


def rare_label(draw: int) -> Arguments:
    """Return a model that gives every row the frequent one of two labels, which 92 % have, with a fitted readout."""
    model = base(draw)
    random = np.random.default_rng([4, draw])

    def rare(x: np.ndarray) -> np.ndarray:
        return (random.random(len(x)) < 0.08).astype(int)

    return replace_arguments(
        model, y=rare(model["X"]), test=(model["test"][0], rare(model["test"][0])), readout=None
    )


def product_circuit(draw: int) -> Arguments:
    """Return a model without gates on two qubits."""
    return teacher_model(layered_circuit(4, 2, entangle="none"), draw)


def cancelled_gates(draw: int) -> Arguments:
    """Return a model in which each CNOT is followed by itself."""
    circuit = QuantumCircuit(4)
    for instruction in layered_circuit(4, 2).data:
        for _ in range(2 if instruction.operation.name == "cx" else 1):
            circuit.append(instruction)
    return teacher_model(circuit, draw)


def small_angles(draw: int) -> Arguments:
    """Return a model of inputs that turn a qubit by a hundredth of a radian."""
    return teacher_model(layered_circuit(4, 2), draw, spread=0.01)


def whole_turns(draw: int) -> Arguments:
    """Return a model of integers that are scaled to multiples of 4π, a full turn."""
    model = base(draw)
    random = np.random.default_rng([6, draw])

    def turns(rows: np.ndarray) -> np.ndarray:
        return 4 * np.pi * random.integers(0, 50, rows.shape)

    test_rows, labels = model["test"]
    return replace_arguments(
        model, X=turns(model["X"]), test=(turns(test_rows), labels), readout=None
    )


def random_weights(draw: int) -> Arguments:
    """Return a model with random weights and a fitted readout."""
    return replace_arguments(
        base(draw),
        weights=np.random.default_rng([8, draw]).uniform(-np.pi, np.pi, 12),
        readout=None,
    )


def exchanged_weights(draw: int) -> Arguments:
    """Return a model whose weights are in reverse order."""
    model = base(draw)
    return replace_arguments(model, weights=model["weights"][::-1], readout=None)


def degrees(draw: int) -> Arguments:
    """Return a model whose weights are in degrees."""
    model = base(draw)
    return replace_arguments(model, weights=np.degrees(model["weights"]), readout=None)


def few_test_rows(draw: int) -> Arguments:
    """Return a model with twenty test rows."""
    model = base(draw)
    test_rows, labels = model["test"]
    return replace_arguments(model, test=(test_rows[:20], labels[:20]))


def plateau(draw: int) -> Arguments:
    """Return a model of ten qubits and twenty layers with one operator on all qubits."""
    return teacher_model(
        layered_circuit(10, 20, gates="ry rz"), draw, observables=["Z" * 10], rows=600
    )


def linear_labels(draw: int) -> Arguments:
    """Return a model of labels that a line separates, with a fitted readout."""
    model = base(draw)
    mix = np.array([1.0, -2.0, 0.5, 1.5])
    test_rows, _ = model["test"]
    return replace_arguments(
        model,
        y=(model["X"] @ mix > 0).astype(int),
        test=(test_rows, (test_rows @ mix > 0).astype(int)),
        readout=None,
    )


def fit_to_noise(draw: int) -> Arguments:
    """Return a model of fifteen operators that is fitted to forty rows with random labels."""
    model = base(draw)
    random = np.random.default_rng([9, draw])
    words = ["".join(word) for word in product("IZ", repeat=4)][1:]
    x = model["X"][:40]
    y = random.integers(0, 2, 40)
    values = expectation_values(model["circuit"], model["weights"], words, x)
    weight = np.linalg.lstsq(np.column_stack([values, np.ones(40)]), 2.0 * y - 1, rcond=None)[0]
    test_rows, _ = model["test"]
    return replace_arguments(
        model,
        X=x,
        y=y,
        test=(test_rows, random.integers(0, 2, len(test_rows))),
        observables=words,
        readout=(np.stack([0 * weight[:-1], weight[:-1]]), np.array([0.0, weight[-1]])),
    )


def close_calls(draw: int) -> Arguments:
    """Return a model whose expectation values are all near the threshold."""
    return teacher_model(layered_circuit(4, 2), draw, near=True)


def contradictions(draw: int) -> Arguments:
    """Return a model with 30 of 600 training rows twice, the second time with the other label."""
    model = base(draw)
    x = model["X"].copy()
    y = model["y"].copy()
    x[:30] = x[30:60]
    y[:30] = 1 - y[30:60]
    return replace_arguments(model, X=x, y=y)


def reversed_sign(draw: int) -> Arguments:
    """Return a model whose readout names the other label."""
    weight, bias = base(draw)["readout"]
    return replace_arguments(base(draw), readout=(-weight, -bias))


def exchanged_operators(draw: int) -> Arguments:
    """Return a model whose operators are in reverse order, so that qubits are read in Qiskit's order from the left."""
    return replace_arguments(base(draw), observables=["ZIII", "IZII", "IIZI", "IIIZ"])


def other_scale(draw: int) -> Arguments:
    """Return a model whose test rows alone are scaled into [-1, 1]."""
    model = base(draw)
    test_rows, labels = model["test"]
    return replace_arguments(model, test=(test_rows / np.abs(test_rows).max(axis=0), labels))


def one_layer_of_cz(draw: int) -> Arguments:
    """Return a model of eight qubits in one layer of CZ."""
    return teacher_model(layered_circuit(8, 1, entangle="brick"), draw)


def product_of_inputs(draw: int) -> Arguments:
    """Return a model whose gates already get the product of inputs that decides the label."""
    x = ParameterVector("x", 2)
    circuit = QuantumCircuit(2)
    circuit.ry(x[0], 0)
    circuit.ry(x[1], 1)
    circuit.ry(x[0] * x[1], 1)
    circuit.cx(0, 1)
    theta = ParameterVector("theta", 2)
    circuit.ry(theta[0], 0)
    circuit.ry(theta[1], 1)
    random = np.random.default_rng([7, draw])
    rows = random.uniform(-1.5, 1.5, (1000, 2))
    y = (rows[:, 0] * rows[:, 1] > 0).astype(int)
    return split(rows, y) | {"circuit": circuit, "weights": np.array([0.3, 0.2])}


FAULTS = (
    Fault("a qubit of its own", ("QA305",), idle_qubit),
    Fault("a qubit that is written to last and not measured", ("QA305",), late_qubit),
    Fault("R_Z before Z", ("QA303",), rotations_before_z),
    Fault("an input as a phase of |0⟩", ("QA304",), phase_of_zero),
    Fault("an input after the measured part", ("QA304",), late_input),
    Fault("a measured qubit without data", ("QA401", "QA304"), constant_readout),
    Fault("a bias above all values", ("QA401",), large_bias),
    Fault("the label among the inputs", ("QA202",), label_among_inputs),
    Fault("training rows in the test", ("QA101",), copied_rows),
    Fault("training rows in the test, rounded", ("QA101",), rounded_copies),
    Fault("shuffled labels", ("QA201",), shuffled_labels),
    Fault("a constant answer to a rare label", ("QA201", "QA401"), rare_label),
    Fault("no gates on two qubits", ("QA301", "QA302"), product_circuit),
    Fault("gates on two qubits that cancel", ("QA301",), cancelled_gates),
    Fault("small angles", ("QA205",), small_angles),
    Fault("inputs in whole turns", ("QA306",), whole_turns),
    Fault("no training", ("QA208",), random_weights),
    Fault("weights in another order", ("QA208",), exchanged_weights),
    Fault("weights in degrees", ("QA208",), degrees),
    Fault("twenty test rows", ("QA104",), few_test_rows),
    Fault("a barren plateau", ("QA402",), plateau),
    Fault("labels that a line separates", ("QA203",), linear_labels),
    Fault("a product of inputs that decides alone", ("QA204",), product_of_inputs),
    Fault("fitted to noise", ("QA105",), fit_to_noise),
    Fault("values near the threshold", ("QA403",), close_calls),
    Fault("equal rows with other labels", ("QA102",), contradictions),
    Fault("labels exchanged", ("QA201",), reversed_sign),
    Fault("operators in another order", ("QA201", "QA206"), exchanged_operators),
    Fault("test rows in another range", ("QA103",), other_scale),
    Fault("one layer of CZ", ("QA302",), one_layer_of_cz),
)
