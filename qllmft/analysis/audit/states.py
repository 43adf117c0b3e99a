"""Checks on states and structure: least bond, certificate, and parts of the circuit without effect."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import pairwise_distances

from qllmft.analysis.audit.case import AuditFinding, Case, Ints
from qllmft.analysis.audit.circuit import expectations_of_states, some_of, without
from qllmft.analysis.audit.truncation import state_bonds, truncated
from qllmft.analysis.entanglement import rank_bounds

MOST_ROWS = 256  # test rows of the least bond
NO_EFFECT = 1e-9  # of a derivative, or of an expectation value
SAME = 1 - 1e-6  # fidelity of equal states
COLLISIONS = 0.01  # share of training rows


def least_bond(case: Case) -> AuditFinding:
    """Check that no product state keeps the labels: the least bond χ* of 99 % of them is above 1."""
    if case.circuit.n_qubits == 1:
        return AuditFinding("not applicable", "", "One qubit has no bond.")
    states, labels = case.test_states[:MOST_ROWS], case.answers[:MOST_ROWS]

    def labels_at(bond: int) -> Ints:
        return case.readout.labels(
            expectations_of_states(case.circuit.observables, truncated(states, bond))
        )

    gap = max(0.0, case.train_accuracy.value - case.accuracy.value)
    found = state_bonds(
        labels_at, labels, case.test.y[:MOST_ROWS], 1 << case.circuit.n_qubits // 2, gap
    )
    figure = f"χ* = {found.most} of {found.limit}"
    sentence = (
        f"The states of {len(labels)} test rows, truncated to a bond, keep 99 % of the labels from χ* = {found.most}, "
        f"all from {found.every}, and the accuracy within the gap to the training rows from {found.accuracy}; "
        f"{found.limit} truncates nothing"
    )
    if found.most > 1:
        return AuditFinding("holds", figure, f"{sentence}.")
    return AuditFinding("issue", figure, f"{sentence}. Product states give these labels.")


def certificate(case: Case) -> AuditFinding:
    """Check that the structure allows the entanglement of any state: no bound on the Schmidt rank is below it."""
    qubits = case.circuit.n_qubits
    if qubits == 1:
        return AuditFinding("not applicable", "", "One qubit has no entanglement.")
    bounds = rank_bounds(case.circuit.circuit)
    limits = [2 ** min(cut, qubits - cut) for cut in range(1, qubits)]
    bound = max(min(pair) for pair in zip(bounds, limits, strict=True))
    figure = f"rank {bound} of {max(limits)}"
    if bound >= max(limits):
        return AuditFinding(
            "holds", figure, "The gates bound no Schmidt rank below that of any state."
        )
    return AuditFinding(
        "issue",
        figure,
        f"For any angles the Schmidt rank is at most {bound}, by the gates across each cut, so that a matrix product "
        "state computes the circuit at any number of qubits. Add layers.",
    )


def idle_weights(case: Case) -> AuditFinding:
    """Check that each weight has an effect on an operator, at some weights and some row."""
    if not len(case.circuit.weights):
        return AuditFinding("not applicable", "", "The circuit has no weights.")
    idle = np.flatnonzero(case.derivatives[0] < NO_EFFECT)
    names = some_of(case.circuit.weights[i] for i in idle.tolist())
    figure = f"{len(idle)} of {len(case.circuit.weights)} weights"
    if not len(idle):
        return AuditFinding("holds", figure, "Each weight has an effect.")
    return AuditFinding(
        "issue",
        figure,
        f"No operator depends on {names}. Leave them out, or measure other operators.",
    )


def idle_inputs(case: Case) -> AuditFinding:
    """Check that each input has an effect on an operator, at some weights and some row."""
    idle = np.flatnonzero(case.derivatives[1] < NO_EFFECT)
    names = some_of(case.circuit.data[i] for i in idle.tolist())
    figure = f"{len(idle)} of {len(case.circuit.data)} inputs"
    if not len(idle):
        return AuditFinding("holds", figure, "Each input has an effect.")
    return AuditFinding(
        "issue",
        figure,
        f"No operator depends on {names}. Encode them by gates that change what is measured.",
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
    figure = f"{len(idle)} of {circuit.n_qubits} qubits"
    if not idle:
        return AuditFinding("holds", figure, "Each qubit has an effect.")
    return AuditFinding(
        "issue",
        figure,
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
    figure = f"{rows} of {len(kernel)} rows"
    if rows <= COLLISIONS * len(kernel):
        return AuditFinding("holds", figure, "Different training rows have different states.")
    return AuditFinding(
        "issue",
        figure,
        f"{rows} training rows have the state of a different row, such as angles that differ by 2π. Scale the inputs "
        "into one period, and encode all of them.",
    )
