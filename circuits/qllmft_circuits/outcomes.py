"""Probabilities of outcomes, or of labels that a function makes of them, as expectation values of words of Z."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from qiskit.quantum_info import PauliList, SparsePauliOp

MOST_QUBITS = 10  # 2^Q words of Z of each observable
Interpret = Literal["outcomes", "parity"] | Callable[[int], int]


def outcome_observables(
    n_qubits: int, interpret: Interpret, output_shape: int | None = None
) -> list[SparsePauliOp]:
    """Return projectors on the outcomes of each label, so that the expectation values are their probabilities.

    The projector on outcome s is 2^-Q Σ_m (-1)^(m·s) Z^m over all words of Z.

    Args:
        n_qubits: Q.
        interpret: ``outcomes``: each of the 2^Q outcomes is a label. ``parity``: that of the number of ones. A
            function gives the label of an outcome, whose bit q is qubit q, as Qiskit's `SamplerQNN` does.
        output_shape: L, number of labels; None: the largest label and one.

    Returns:
        L operators.

    Raises:
        ValueError: for more than 10 qubits, unless by parity, and for a label that is no integer in [0, L).
    """
    if interpret == "parity" and output_shape in (None, 2):
        every = SparsePauliOp(["I" * n_qubits, "Z" * n_qubits], [0.5, 0.5])
        return [every, SparsePauliOp(every.paulis, [0.5, -0.5])]
    if n_qubits > MOST_QUBITS:
        raise ValueError(
            f"got {n_qubits} qubits, expected at most {MOST_QUBITS}: all outcomes are 2^Q values. Use "
            "interpret='parity', or give observables."
        )
    labels = _labels(n_qubits, interpret, output_shape)
    indices = np.arange(1 << n_qubits)
    bits = indices[:, np.newaxis] >> np.arange(n_qubits) & 1
    signs = 1 - 2 * (bits @ bits.T % 2)  # (words, outcomes)
    words = PauliList.from_symplectic(bits.astype(bool), np.zeros(bits.shape, bool))
    found = []
    for label in range(labels.max() + 1 if output_shape is None else output_shape):
        coefficients = signs[:, labels == label].sum(axis=1) / len(indices)
        kept = np.flatnonzero(coefficients) if coefficients.any() else np.array([0])
        found.append(SparsePauliOp(words[kept], coefficients[kept]))
    return found


def _labels(n_qubits: int, interpret: Interpret, output_shape: int | None) -> np.ndarray:
    """Return the label of each outcome, checked."""
    named: dict[str, Callable[[int], int]] = {
        "outcomes": int,
        "parity": lambda outcome: outcome.bit_count() % 2,
    }
    if isinstance(interpret, str) and interpret not in named:
        raise ValueError(
            f"interpret is {interpret!r}, expected 'outcomes', 'parity' or a function of an outcome."
        )
    function = named[interpret] if isinstance(interpret, str) else interpret
    given = [function(outcome) for outcome in range(1 << n_qubits)]
    for outcome, label in enumerate(given):
        number = isinstance(label, int | np.integer) and not isinstance(label, bool)
        if not number or label < 0 or (output_shape is not None and label >= output_shape):
            limit = "" if output_shape is None else f" below output_shape={output_shape}"
            raise ValueError(
                f"interpret gives {label!r} for outcome {outcome}, expected an integer from 0{limit}."
            )
    return np.array(given, np.int64)
