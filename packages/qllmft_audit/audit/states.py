"""Checks on states and structure, on parts of the circuit without effect, and on what a machine's shots can show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp

from qllmft_audit.audit.case import AuditFinding, Case, Ints, not_applicable
from qllmft_audit.audit.circuit import Floats, expectations_of_states, without_instructions
from qllmft_audit.entanglement import rank_bounds
from qllmft_audit.least_bond import state_bonds, truncate_states
from qllmft_base.text import format_count
from qllmft_circuits.parameter_names import parameter_names_text

MAX_ROWS = 256  # test rows of the least bond
NO_EFFECT = 1e-9  # of a derivative, or of an expectation value
SAME_STATE_FIDELITY = 1 - 1e-6  # fidelity of equal states
COPY_DISTANCE = 1e-3  # of rows that are copies but for rounding, in the extent of the training rows
MAX_COLLISION_SHARE = 0.01  # share of training rows
MIN_CIRCUIT_DEPENDENCE = 0.05  # share of the labels
MAX_FLIPPED_SHARE = 0.05  # share of the labels that shots may change
N_SHOT_DRAWS = 5  # of shots
NO_GRADIENT = 1e-6  # ratio to the noise that rounding alone gives
N_WEIGHT_DRAWS = 10  # draws of weights, rows and operators of gradients
N_GRADIENT_ROWS = 16
N_GRADIENT_OPERATORS = 8


def least_bond(case: Case) -> AuditFinding:
    """Check that no product state keeps the labels: the least bond χ* of 99 % of them is above 1."""
    if case.circuit.n_qubits == 1:
        return not_applicable("One qubit has no bond.")
    states = case.test_states[:MAX_ROWS]
    labels = case.answers[:MAX_ROWS]

    def labels_at(bond: int) -> Ints:
        truncated_states = truncate_states(states, bond)
        return case.readout.labels(
            expectations_of_states(case.circuit.observables, truncated_states)
        )

    gap = case.train_accuracy.value - case.accuracy.value
    limit = 1 << case.circuit.n_qubits // 2
    bonds = state_bonds(labels_at, labels, case.test.y[:MAX_ROWS], limit, max(0.0, gap))
    sentence = (
        f"The states of {len(labels)} test rows, truncated to a bond, keep 99 % of the labels from χ* = {bonds.most} "
        f"and all from {bonds.every}. They keep the accuracy within the gap to the training rows from "
        f"{bonds.accuracy}, and {bonds.limit} truncates nothing"
    )
    return AuditFinding.from_condition(
        bonds.most > 1,
        f"χ* = {bonds.most} of {bonds.limit}",
        f"{sentence}.",
        f"{sentence}. Product states give these labels.",
    )


def certificate(case: Case) -> AuditFinding:
    """Check that the structure allows the entanglement of any state: no bound on the Schmidt rank is below it."""
    qubits = case.circuit.n_qubits
    if qubits == 1:
        return not_applicable("One qubit has no entanglement.")
    bounds = rank_bounds(case.circuit.circuit)
    limits = [2 ** min(cut, qubits - cut) for cut in range(1, qubits)]
    bound = max(min(pair) for pair in zip(bounds, limits, strict=True))
    return AuditFinding.from_condition(
        bound >= max(limits),
        f"rank {bound} of {max(limits)}",
        "The gates bound no Schmidt rank below that of any state.",
        f"For any angles the Schmidt rank is at most {bound}, by the gates across each cut. A matrix product state "
        "then computes the circuit at any number of qubits. Add layers.",
    )


def idle_weights(case: Case) -> AuditFinding:
    """Check that each weight has an effect on an operator, at some weights and some row."""
    if not len(case.circuit.weights):
        return not_applicable("The circuit has no weights.")
    remedy = "Leave them out, or measure other operators."
    return _idle_finding(case.derivatives[0], case.circuit.weights, "weight", remedy)


def idle_inputs(case: Case) -> AuditFinding:
    """Check that each input has an effect on an operator, at some weights and some row."""
    remedy = "Encode them by gates that change what is measured."
    return _idle_finding(case.derivatives[1], case.circuit.data, "input", remedy)


def _idle_finding(
    derivatives: Floats, parameters: Sequence[Parameter], noun: str, remedy: str
) -> AuditFinding:
    """Return the finding that each of several parameters has an effect."""
    idle = np.flatnonzero(derivatives < NO_EFFECT).tolist()
    return AuditFinding.from_condition(
        not idle,
        f"{len(idle)} of {len(parameters)} {noun}s",
        f"Each {noun} has an effect.",
        f"No operator depends on {parameter_names_text(parameters[i] for i in idle)}. {remedy}",
    )


def idle_qubits(case: Case) -> AuditFinding:
    """Check that each qubit has an effect: without its gates an expectation value changes."""
    circuit = case.circuit
    random = case.random("qubits")
    x = case.train.x[:8]
    draws = [circuit.values, *(random.uniform(-np.pi, np.pi, (2, len(circuit.weights))))]
    full_values = [circuit.expectations(x, weights) for weights in draws]
    idle = []
    for qubit in range(circuit.n_qubits):
        smaller_circuit, columns = circuit.with_circuit(
            without_instructions(circuit.circuit, lambda _, places, q=qubit: q in places)
        )
        weight_indices = [circuit.weights.index(weight) for weight in smaller_circuit.weights]
        reduced_values = [
            smaller_circuit.expectations(x[:, columns], weights[weight_indices])
            for weights in draws
        ]
        if (
            max(np.abs(a - b).max() for a, b in zip(reduced_values, full_values, strict=True))
            < NO_EFFECT
        ):
            idle.append(str(qubit))
    return AuditFinding.from_condition(
        not idle,
        f"{len(idle)} of {circuit.n_qubits} qubits",
        "Each qubit has an effect.",
        f"No operator depends on the gates of qubit {', '.join(idle)}. Leave it out, or measure it.",
    )


def collisions(case: Case) -> AuditFinding:
    """Check that different training rows have different states."""
    kernel = case.train_kernel
    colliding_pairs = np.argwhere(np.triu(kernel > SAME_STATE_FIDELITY, 1))
    if len(colliding_pairs):
        extent = np.linalg.norm(np.ptp(case.train.x, axis=0))
        distances = np.linalg.norm(
            case.train.x[colliding_pairs[:, 0]] - case.train.x[colliding_pairs[:, 1]], axis=1
        )
        colliding_pairs = colliding_pairs[distances > COPY_DISTANCE * extent]
    rows = len(np.unique(colliding_pairs))
    return AuditFinding.from_condition(
        rows <= MAX_COLLISION_SHARE * len(kernel),
        f"{rows} of {len(kernel)} rows",
        f"{format_count(rows, 'training row', ('has', 'have'))} the state of a different row."
        if rows
        else "Different training rows have different states.",
        f"{rows} training rows have the state of a different row, such as angles that differ by 2π. Scale the inputs "
        "into one period, and encode all of them.",
    )


def circuit_dependence(case: Case) -> AuditFinding:
    """Check that labels change if the circuit returns only noise: all operators have the mixed state's value."""
    noise_label = case.readout.labels(case.circuit.noise_values[None, :])[0]
    share = float((case.answers != noise_label).mean())
    return AuditFinding.from_condition(
        share >= MIN_CIRCUIT_DEPENDENCE,
        f"{100 * share:.1f} % of labels",
        "These labels change if the device returns only noise.",
        "Almost no label changes if the device returns only noise: the readout's constants decide, not the circuit.",
    )


def gradient(case: Case) -> AuditFinding:
    """Check that the gradient at random weights is above its shot noise by the parameter-shift rule."""
    circuit = case.circuit
    random = case.random("gradients")
    if not len(circuit.weights):
        return not_applicable("The circuit has no weights.")
    head = circuit.head()
    bound = np.array([float(np.abs(observable.coeffs).sum()) for observable in circuit.observables])
    x = torch.from_numpy(case.train.x[:N_GRADIENT_ROWS])
    signals = []
    noises = []
    operator_indices = range(min(N_GRADIENT_OPERATORS, len(circuit.observables)))
    for _ in range(N_WEIGHT_DRAWS):
        with torch.no_grad():
            weight_draw = random.uniform(-np.pi, np.pi, len(circuit.weights))
            head.connector.weight.copy_(torch.from_numpy(weight_draw))
        values = head(x)
        squares = []
        for t in operator_indices:
            (by_weight,) = torch.autograd.grad(
                values[:, t].mean(), head.connector.weight, retain_graph=True
            )
            squares.append(float(by_weight.square().mean()))
        signals.append(squares)
        # variance of one shot (N, T) at these weights
        mean = circuit.expectations(case.train.x[:N_GRADIENT_ROWS], weight_draw)
        variance = np.maximum(bound**2 - mean**2, 0.0)
        noises.append(variance[:, list(operator_indices)].mean(axis=0))
    # the gradient of a mean over rows; each row and each of two shifted circuits has all shots
    noise = np.sqrt(np.mean(noises, axis=0) / (2 * case.shots * len(x)))
    signal = np.sqrt(np.mean(signals, axis=0))
    ratio = float((signal / np.maximum(noise, 1e-12)).max())
    figure = f"{ratio:.1f} × its noise"
    sentence = (
        f"At random weights and {case.shots:,} shots per circuit, the derivative of a mean over {len(x)} rows is "
        f"{ratio:.1f} times its noise, for the best operator"
    )
    remedy = "No weight has an effect on an operator. Measure other operators."
    if ratio >= NO_GRADIENT:
        remedy = (
            f"On a device it takes {case.shots / ratio**2:,.0f} shots for a ratio of 1. Use fewer qubits or layers, "
            "or operators on single qubits."
        )
    return AuditFinding.from_condition(ratio >= 1, figure, f"{sentence}.", f"{sentence}. {remedy}")


def labels_at_shots(case: Case) -> AuditFinding:
    """Check that shot noise changes few labels."""
    random = case.random("shots")
    mean = case.test_values
    squared_observables = [
        SparsePauliOp((observable @ observable).simplify())
        for observable in case.circuit.observables
    ]
    squares = expectations_of_states(squared_observables, case.test_states)
    standard_errors = np.sqrt(np.maximum(squares - mean**2, 0.0) / case.shots)
    sampled_values = [
        mean + standard_errors * random.normal(size=mean.shape) for _ in range(N_SHOT_DRAWS)
    ]
    changed_shares = [
        float((case.readout.labels(values) != case.answers).mean()) for values in sampled_values
    ]
    share = float(np.mean(changed_shares))
    sentence = f"These labels change by shot noise at {case.shots:,} shots."
    remedy = "Take more shots, or train for larger expectation values."
    figure = f"{100 * share:.1f} % of labels"
    return AuditFinding.from_condition(
        share <= MAX_FLIPPED_SHARE, figure, sentence, f"{sentence} {remedy}"
    )
