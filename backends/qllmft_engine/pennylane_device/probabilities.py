"""Gradients of `qp.probs` on the device: a probability is a sum of expectation values of words of Z.

With the words s of k wires, p_j = 2^-k Σ_s (-1)^|j & s| ⟨Z_s⟩, where wire 0 is the highest bit of j and of s. The word
without a Z is 1 and has no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pennylane as qp
from numpy.typing import NDArray
from pennylane.tape import QuantumScript
from scipy.linalg import hadamard

from qllmft_engine.pennylane_device.tapes import is_differentiable

MAX_WIRES = 10  # of probabilities: 2^10 words


def has_swept_gradient(circuit: QuantumScript, n_device_wires: int) -> bool:
    """Return whether all measurements are expectation values of Pauli words and probabilities of a few wires.

    Args:
        circuit: with measurements on any wires.
        n_device_wires: their number, 0 if each circuit has its own; probabilities of no wires are those of all.
    """
    values = [m for m in circuit.measurements if not _is_probability(m)]
    n_all_wires = n_device_wires or circuit.num_wires
    return all(
        (len(m.wires) or n_all_wires) <= MAX_WIRES
        for m in circuit.measurements
        if _is_probability(m)
    ) and (not values or is_differentiable(circuit.copy(measurements=values)))


def _is_probability(measurement: Any) -> bool:
    """Return whether a measurement is of the probabilities of computational states."""
    return (
        isinstance(measurement, qp.measurements.ProbabilityMP)
        and measurement.obs is None
        and measurement.mv is None
    )


def expand_probabilities(circuit: QuantumScript) -> QuantumScript:
    """Return a circuit with the words of Z, but for the one without a Z, in place of each of its probabilities."""
    if not any(map(_is_probability, circuit.measurements)):
        return circuit
    measurements = []
    for measurement in circuit.measurements:
        if not _is_probability(measurement):
            measurements.append(measurement)
            continue
        wires = list(measurement.wires) or list(range(circuit.num_wires))
        for word in range(1, 1 << len(wires)):
            factors = [
                qp.Z(wire) for place, wire in enumerate(reversed(wires)) if word >> place & 1
            ]
            measurements.append(qp.expval(qp.prod(*factors) if len(factors) > 1 else factors[0]))
    return circuit.copy(measurements=measurements, trainable_params=circuit.trainable_params)


def expand_cotangents(
    circuit: QuantumScript, cotangents: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.float64]]:
    """Return the cotangents of `expand_probabilities` for those of the circuit's measurements.

    Args:
        circuit: with M measurements.
        cotangents: M arrays, (...) of an expectation value and (..., 2^k) of probabilities.
    """
    expanded: list[NDArray[np.float64]] = []
    for measurement, cotangent in zip(circuit.measurements, cotangents, strict=True):
        if _is_probability(measurement):
            by_word = cotangent @ _signs(cotangent.shape[-1])
            expanded.extend(np.moveaxis(by_word, -1, 0)[1:])
        else:
            expanded.append(cotangent)
    return expanded


def gather_jacobians(
    circuit: QuantumScript, rows: Sequence[Sequence[NDArray[np.float64]]]
) -> list[list[NDArray[np.float64]]]:
    """Return the Jacobians of the circuit's measurements from those of `expand_probabilities`.

    Args:
        circuit: with M measurements.
        rows: of each expectation value the derivatives by each parameter.
    """
    position = 0
    jacobians = []
    for measurement in circuit.measurements:
        if not _is_probability(measurement):
            jacobians.append(list(rows[position]))
            position += 1
            continue
        n_outcomes = 1 << (len(measurement.wires) or circuit.num_wires)
        word_rows = rows[position : position + n_outcomes - 1]
        position += n_outcomes - 1
        signs = _signs(n_outcomes)[:, 1:]
        jacobians.append(
            [np.tensordot(signs, np.array(column), 1) for column in zip(*word_rows, strict=True)]
        )
    return jacobians


@cache
def _signs(n_outcomes: int) -> NDArray[np.float64]:
    """Return (-1)^|j & s| / 2^k (2^k, 2^k)."""
    return np.asarray(hadamard(n_outcomes) / n_outcomes, np.float64)
