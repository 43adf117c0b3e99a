"""The re-uploading head (PQC) of figures 1 and 3, its observables, and those of probabilities of outcomes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Literal

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import PauliList, SparsePauliOp

from qllmft_circuits.ansatz import Ansatz, AnsatzOptions, trainable_blocks
from qllmft_circuits.bounds import MAX_OUTCOME_QUBITS

Readout = Literal["all", "first", "words"]
Interpret = Literal["outcomes", "parity"] | Callable[[int], int]


def head_circuit(
    n_qubits: int,
    reuploads: int = 4,
    reupload_layers: int = 1,
    main_layers: int = 2,
    ansatz: Ansatz | None = None,
) -> QuantumCircuit:
    """Return the head's circuit: R encodings of the latent vector, N layers between two of them, M layers at the end.

    Args:
        n_qubits: Q of table I; one latent value per qubit.
        reuploads: R, number of encodings of the latent vector by R_Y.
        reupload_layers: N, ansatz layers between two encodings.
        main_layers: M, ansatz layers of the main block.
        ansatz: makes the layers; the paper's by default.

    Returns:
        A circuit with two parameter vectors: ``x`` (Q data angles in radians) and ``theta``, the weights block after
            block (((R-1)·N + M)·C·Q of them in the paper's ansatz on a ring, in the order of application). No
            measurements.

    Raises:
        ValueError: if ``reuploads`` is 0, or if a number of layers is negative.

    >>> circuit = head_circuit(10)
    >>> len(data_parameters(circuit)), len(weight_parameters(circuit))
    (10, 50)
    """
    if reuploads < 1:
        raise ValueError(
            f"reuploads is {reuploads}, expected 1 or more: the head must see its data (R of table I)."
        )
    if reupload_layers < 0 or main_layers < 0:
        raise ValueError(
            f"layers are N = {reupload_layers}, M = {main_layers}, expected 0 or more of each."
        )
    x = ParameterVector("x", n_qubits)
    circuit = QuantumCircuit(n_qubits, name=f"head_{n_qubits}q")
    layers = [*[reupload_layers] * (reuploads - 1), main_layers]
    for block in trainable_blocks(n_qubits, layers, ansatz or AnsatzOptions()):
        for qubit in range(n_qubits):
            circuit.ry(x[qubit], qubit)
        circuit.compose(block, inplace=True)
    return circuit


def side_by_side(circuit: QuantumCircuit, count: int) -> QuantumCircuit:
    """Return ``count`` copies of a head's circuit on qubits of their own, which no gate joins.

    Data and weights of copy r follow those of copy r - 1 in the vectors ``x`` and ``theta``.

    >>> side_by_side(head_circuit(3), 2).num_qubits
    6
    """
    if count == 1:
        return circuit
    width = circuit.num_qubits
    data = data_parameters(circuit)
    weights = weight_parameters(circuit)
    x = ParameterVector("x", count * len(data))
    theta = ParameterVector("theta", count * len(weights))
    joined = QuantumCircuit(count * width, name=f"{count}_registers_of_{width}q")
    for copy in range(count):
        own_data = x[copy * len(data) : (copy + 1) * len(data)]
        own_weights = theta[copy * len(weights) : (copy + 1) * len(weights)]
        pairs = zip((*data, *weights), (*own_data, *own_weights), strict=True)
        qubits = range(copy * width, (copy + 1) * width)
        joined.compose(circuit.assign_parameters(dict(pairs)), qubits=qubits, inplace=True)
    return joined


def data_parameters(circuit: QuantumCircuit) -> list:  # type: ignore[type-arg]
    """Return the parameters of the vector ``x``, by index."""
    return [p for p in circuit.parameters if p.name.startswith("x[")]


def weight_parameters(circuit: QuantumCircuit) -> list:  # type: ignore[type-arg]
    """Return the parameters of the vector ``theta``, by index."""
    return [p for p in circuit.parameters if p.name.startswith("theta[")]


def readout_observables(
    n_qubits: int, readout: Readout = "all", word_weight: int = 2
) -> list[SparsePauliOp]:
    """Return the measured observables, all from the same shots.

    Args:
        n_qubits: Q.
        readout: ``all``: Z of every qubit, which fits every published count; ``first``: Z of qubit 0; ``words``: every
            product of Z on 1 to ``word_weight`` qubits.
        word_weight: most factors of a word.

    Returns:
        Operators on ``n_qubits`` qubits; operator q is Z on qubit q, and the longer words follow, by weight and then by
        their qubits in ascending order.

    Raises:
        ValueError: if the readout is unknown, or if ``word_weight`` is not from 1 to Q.
    """
    if readout not in ("all", "first", "words"):
        raise ValueError(f"readout is {readout!r}, expected 'all', 'first' or 'words'.")
    if readout == "words" and not 1 <= word_weight <= n_qubits:
        raise ValueError(
            f"word_weight is {word_weight}, expected 1 to {n_qubits}, the number of qubits."
        )
    weights = range(1, word_weight + 1 if readout == "words" else 2)
    words = [word for weight in weights for word in combinations(range(n_qubits), weight)]
    return [
        SparsePauliOp.from_sparse_list([("Z" * len(word), list(word), 1.0)], num_qubits=n_qubits)
        for word in (words[:1] if readout == "first" else words)
    ]


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
        even_projector = SparsePauliOp(["I" * n_qubits, "Z" * n_qubits], [0.5, 0.5])
        return [even_projector, SparsePauliOp(even_projector.paulis, [0.5, -0.5])]
    if n_qubits > MAX_OUTCOME_QUBITS:
        raise ValueError(
            f"got {n_qubits} qubits, expected at most {MAX_OUTCOME_QUBITS}: all outcomes are 2^Q values. Use "
            "interpret='parity', or give observables."
        )
    labels = _outcome_labels(n_qubits, interpret, output_shape)
    indices = np.arange(1 << n_qubits)
    bits = indices[:, np.newaxis] >> np.arange(n_qubits) & 1
    signs = 1 - 2 * (bits @ bits.T % 2)  # (words, outcomes)
    words = PauliList.from_symplectic(bits.astype(bool), np.zeros(bits.shape, bool))
    projectors = []
    for label in range(labels.max() + 1 if output_shape is None else output_shape):
        coefficients = signs[:, labels == label].sum(axis=1) / len(indices)
        word_indices = np.flatnonzero(coefficients) if coefficients.any() else np.array([0])
        projectors.append(SparsePauliOp(words[word_indices], coefficients[word_indices]))
    return projectors


def _outcome_labels(n_qubits: int, interpret: Interpret, output_shape: int | None) -> np.ndarray:
    """Return the label of each outcome, checked."""
    named_functions: dict[str, Callable[[int], int]] = {
        "outcomes": int,
        "parity": lambda outcome: outcome.bit_count() % 2,
    }
    if isinstance(interpret, str) and interpret not in named_functions:
        raise ValueError(
            f"interpret is {interpret!r}, expected 'outcomes', 'parity' or a function of an outcome."
        )
    function = named_functions[interpret] if isinstance(interpret, str) else interpret
    outcome_labels = [function(outcome) for outcome in range(1 << n_qubits)]
    for outcome, label in enumerate(outcome_labels):
        is_integer = isinstance(label, int | np.integer) and not isinstance(label, bool)
        if not is_integer or label < 0 or (output_shape is not None and label >= output_shape):
            limit = "" if output_shape is None else f" below output_shape={output_shape}"
            raise ValueError(
                f"interpret gives {label!r} for outcome {outcome}, expected an integer from 0{limit}."
            )
    return np.array(outcome_labels, np.int64)
