"""Checks on states and structure, on parts of the circuit without effect, and on what a machine's shots can show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from sklearn.metrics import pairwise_distances

from qllmft.analysis.audit.case import AuditFinding, Case, Ints, not_applicable
from qllmft.analysis.audit.circuit import Floats, expectations_of_states, without
from qllmft.analysis.audit.naming import some_of
from qllmft.analysis.entanglement import rank_bounds
from qllmft.analysis.least_bond import state_bonds, truncated

MOST_ROWS = 256  # test rows of the least bond
NO_EFFECT = 1e-9  # of a derivative, or of an expectation value
SAME = 1 - 1e-6  # fidelity of equal states
COLLISIONS = 0.01  # share of training rows
LOAD = 0.05  # share of the labels
FLIPPED = 0.05  # share of the labels that shots may change
DRAWS = 5  # of shots
NO_GRADIENT = 1e-6  # ratio to the noise that rounding alone gives
STARTS, ROWS, MEASURED = 10, 16, 8  # draws of weights, rows and operators of gradients


def least_bond(case: Case) -> AuditFinding:
    """Check that no product state keeps the labels: the least bond χ* of 99 % of them is above 1."""
    if case.circuit.n_qubits == 1:
        return not_applicable("One qubit has no bond.")
    states, labels = case.test_states[:MOST_ROWS], case.answers[:MOST_ROWS]

    def labels_at(bond: int) -> Ints:
        kept = truncated(states, bond)
        return case.readout.labels(expectations_of_states(case.circuit.observables, kept))

    gap, limit = case.train_accuracy.value - case.accuracy.value, 1 << case.circuit.n_qubits // 2
    found = state_bonds(labels_at, labels, case.test.y[:MOST_ROWS], limit, max(0.0, gap))
    sentence = (
        f"The states of {len(labels)} test rows, truncated to a bond, keep 99 % of the labels from χ* = {found.most}, "
        f"all from {found.every}, and the accuracy within the gap to the training rows from {found.accuracy}; "
        f"{found.limit} truncates nothing"
    )
    return AuditFinding.of(
        found.most > 1,
        f"χ* = {found.most} of {found.limit}",
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
    return AuditFinding.of(
        bound >= max(limits),
        f"rank {bound} of {max(limits)}",
        "The gates bound no Schmidt rank below that of any state.",
        f"For any angles the Schmidt rank is at most {bound}, by the gates across each cut, so that a matrix product "
        "state computes the circuit at any number of qubits. Add layers.",
    )


def idle_weights(case: Case) -> AuditFinding:
    """Check that each weight has an effect on an operator, at some weights and some row."""
    if not len(case.circuit.weights):
        return not_applicable("The circuit has no weights.")
    remedy = "Leave them out, or measure other operators."
    return _idle(case.derivatives[0], case.circuit.weights, "weight", remedy)


def idle_inputs(case: Case) -> AuditFinding:
    """Check that each input has an effect on an operator, at some weights and some row."""
    remedy = "Encode them by gates that change what is measured."
    return _idle(case.derivatives[1], case.circuit.data, "input", remedy)


def _idle(derivatives: Floats, of: Sequence[Parameter], noun: str, remedy: str) -> AuditFinding:
    """Return the finding that each of several parameters has an effect."""
    idle = np.flatnonzero(derivatives < NO_EFFECT).tolist()
    return AuditFinding.of(
        not idle,
        f"{len(idle)} of {len(of)} {noun}s",
        f"Each {noun} has an effect.",
        f"No operator depends on {some_of(of[i] for i in idle)}. {remedy}",
    )


def idle_qubits(case: Case) -> AuditFinding:
    """Check that each qubit has an effect: without its gates an expectation value changes."""
    circuit, random = case.circuit, case.random("qubits")
    x = case.train.x[:8]
    draws = [circuit.values, *(random.uniform(-np.pi, np.pi, (2, len(circuit.weights))))]
    whole = [circuit.expectations(x, weights) for weights in draws]
    idle = []
    for qubit in range(circuit.n_qubits):
        rest, columns = circuit.with_circuit(
            without(circuit.circuit, lambda _, places, q=qubit: q in places)
        )
        kept = [circuit.weights.index(weight) for weight in rest.weights]
        found = [rest.expectations(x[:, columns], weights[kept]) for weights in draws]
        if max(np.abs(a - b).max() for a, b in zip(found, whole, strict=True)) < NO_EFFECT:
            idle.append(str(qubit))
    return AuditFinding.of(
        not idle,
        f"{len(idle)} of {circuit.n_qubits} qubits",
        "Each qubit has an effect.",
        f"No operator depends on the gates of qubit {', '.join(idle)}. Leave it out, or measure it.",
    )


def collisions(case: Case) -> AuditFinding:
    """Check that different training rows have different states."""
    kernel = case.train_kernel
    near = np.argwhere(np.triu(kernel > SAME, 1))
    if len(near):
        apart = pairwise_distances(case.train.x[np.unique(near)]).max()
        distances = np.linalg.norm(case.train.x[near[:, 0]] - case.train.x[near[:, 1]], axis=1)
        near = near[distances > 1e-3 * max(float(apart), 1e-12)]
    rows = len(np.unique(near))
    return AuditFinding.of(
        rows <= COLLISIONS * len(kernel),
        f"{rows} of {len(kernel)} rows",
        "Different training rows have different states.",
        f"{rows} training rows have the state of a different row, such as angles that differ by 2π. Scale the inputs "
        "into one period, and encode all of them.",
    )


def load(case: Case) -> AuditFinding:
    """Check that labels change if the circuit returns only noise: all operators have the mixed state's value."""
    blank = case.readout.labels(case.circuit.noise_values[None, :])[0]
    share = float((case.answers != blank).mean())
    return AuditFinding.of(
        share >= LOAD,
        f"{100 * share:.1f} % of labels",
        "These labels change if the machine returns only noise.",
        "Almost no label changes if the machine returns only noise: the readout's constants decide, not the circuit.",
    )


def gradient(case: Case) -> AuditFinding:
    """Check that the gradient at random weights is above its shot noise by the parameter-shift rule."""
    circuit, random = case.circuit, case.random("gradients")
    if not len(circuit.weights):
        return not_applicable("The circuit has no weights.")
    head = circuit.head()
    bound = np.array([float(np.abs(each.coeffs).sum()) for each in circuit.observables])
    x = torch.from_numpy(case.train.x[:ROWS])
    signals, noises = [], []
    measured = range(min(MEASURED, len(circuit.observables)))
    for _ in range(STARTS):
        with torch.no_grad():
            drawn = random.uniform(-np.pi, np.pi, len(circuit.weights))
            head.connector.weight.copy_(torch.from_numpy(drawn))
        values, squares = head(x), []
        for t in measured:
            (by_weight,) = torch.autograd.grad(
                values[:, t].mean(), head.connector.weight, retain_graph=True
            )
            squares.append(float(by_weight.square().mean()))
        signals.append(squares)
        # variance of one shot (N, T) at these weights
        mean = circuit.expectations(case.train.x[:ROWS], drawn)
        variance = np.maximum(bound**2 - mean**2, 0.0)
        noises.append(variance[:, list(measured)].mean(axis=0))
    # the gradient of a mean over rows; each row and each of two shifted circuits has all shots
    noise = np.sqrt(np.mean(noises, axis=0) / (2 * case.shots * len(x)))
    signal = np.sqrt(np.mean(signals, axis=0))
    ratio = float((signal / np.maximum(noise, 1e-12)).max())
    figure = f"{ratio:.1f} × its noise"
    sentence = (
        f"At random weights the derivative of a mean over {len(x)} rows by a weight is {ratio:.1f} times its noise at "
        f"{case.shots:,} shots per circuit, for the operator with the largest"
    )
    remedy = "No weight has an effect on an operator; measure other operators."
    if ratio >= NO_GRADIENT:
        remedy = (
            f"On a machine it takes {case.shots / ratio**2:,.0f} shots for a ratio of 1; use fewer qubits or layers, "
            "or operators on single qubits."
        )
    return AuditFinding.of(ratio >= 1, figure, f"{sentence}.", f"{sentence}. {remedy}")


def labels_at_shots(case: Case) -> AuditFinding:
    """Check that shot noise changes few labels."""
    random, mean = case.random("shots"), case.test_values
    squared = [SparsePauliOp((each @ each).simplify()) for each in case.circuit.observables]
    squares = expectations_of_states(squared, case.test_states)
    spread = np.sqrt(np.maximum(squares - mean**2, 0.0) / case.shots)
    drawn = [mean + spread * random.normal(size=mean.shape) for _ in range(DRAWS)]
    changed = [float((case.readout.labels(each) != case.answers).mean()) for each in drawn]
    share = float(np.mean(changed))
    sentence = f"These labels change by shot noise at {case.shots:,} shots."
    remedy = "Take more shots, or train for larger expectation values."
    figure = f"{100 * share:.1f} % of labels"
    return AuditFinding.of(share <= FLIPPED, figure, sentence, f"{sentence} {remedy}")
