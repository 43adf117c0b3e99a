"""Checks for a machine: what the labels owe to the circuit, and what a number of shots can show."""

from __future__ import annotations

import numpy as np
import torch
from qiskit.quantum_info import SparsePauliOp

from qllmft.analysis.audit.case import AuditFinding, Case
from qllmft.analysis.audit.circuit import Floats, expectations_of_states

LOAD = 0.05  # share of the labels
FLIPPED = 0.05  # share of the labels that shots may change
DRAWS = 5  # of shots
NO_GRADIENT = 1e-6  # ratio to the noise that rounding alone gives
STARTS, ROWS, MEASURED = 10, 16, 8  # draws of weights, rows and operators of gradients


def load(case: Case) -> AuditFinding:
    """Check that labels change if the circuit returns only noise: all operators have the mixed state's value."""
    blank = case.readout.labels(case.circuit.noise_values[None, :])[0]
    share = float((case.answers != blank).mean())
    figure = f"{100 * share:.1f} % of labels"
    if share >= LOAD:
        return AuditFinding(
            "holds", figure, "These labels change if the machine returns only noise."
        )
    return AuditFinding(
        "issue",
        figure,
        "Almost no label changes if the machine returns only noise: the readout's constants decide, not the circuit.",
    )


def gradient(case: Case) -> AuditFinding:
    """Check that the gradient at random weights is above its shot noise by the parameter-shift rule."""
    circuit, random = case.circuit, case.random("gradients")
    if not len(circuit.weights):
        return AuditFinding("not applicable", "", "The circuit has no weights.")
    head = circuit.head()
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
        noises.append(_variances(case, drawn)[:, list(measured)].mean(axis=0))
    # the gradient of a mean over rows; each row and each of two shifted circuits has all shots
    noise = np.sqrt(np.mean(noises, axis=0) / (2 * case.shots * len(x)))
    signal = np.sqrt(np.mean(signals, axis=0))
    ratio = float((signal / np.maximum(noise, 1e-12)).max())
    figure = f"{ratio:.1f} × its noise"
    sentence = (
        f"At random weights the derivative of a mean over {len(x)} rows by a weight is {ratio:.1f} times its noise at "
        f"{case.shots:,} shots per circuit, for the operator with the largest"
    )
    if ratio >= 1:
        return AuditFinding("holds", figure, f"{sentence}.")
    if ratio < NO_GRADIENT:
        return AuditFinding(
            "issue",
            figure,
            f"{sentence}. No weight has an effect on an operator; measure other operators.",
        )
    return AuditFinding(
        "issue",
        figure,
        f"{sentence}. On a machine it takes {case.shots / ratio**2:,.0f} shots for a ratio of 1; use fewer qubits or "
        "layers, or operators on single qubits.",
    )


def _variances(case: Case, weights: Floats) -> Floats:
    """Return the variance of one shot (N, T) for the first rows at given weights."""
    circuit = case.circuit
    mean = circuit.expectations(case.train.x[:ROWS], weights)
    bound = np.array([float(np.abs(each.coeffs).sum()) for each in circuit.observables])
    return np.maximum(bound**2 - mean**2, 0.0)


def labels_at_shots(case: Case) -> AuditFinding:
    """Check that shot noise changes few labels."""
    states, random = case.test_states, case.random("shots")
    mean = case.test_values
    squares = expectations_of_states(
        [SparsePauliOp((each @ each).simplify()) for each in case.circuit.observables], states
    )
    spread = np.sqrt(np.maximum(squares - mean**2, 0.0) / case.shots)
    changed = [
        float(
            (
                case.readout.labels(mean + spread * random.normal(size=mean.shape)) != case.answers
            ).mean()
        )
        for _ in range(DRAWS)
    ]
    share = float(np.mean(changed))
    figure = f"{100 * share:.1f} % of labels"
    if share <= FLIPPED:
        return AuditFinding(
            "holds", figure, f"These labels change by shot noise at {case.shots:,} shots."
        )
    return AuditFinding(
        "issue",
        figure,
        f"These labels change by shot noise at {case.shots:,} shots. Take more shots, or train for larger "
        "expectation values.",
    )
