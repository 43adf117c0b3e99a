"""The re-uploading head (PQC) of figures 1 and 3, and its observables."""

from __future__ import annotations

from itertools import combinations
from typing import Literal

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp

from qllmft_circuits.ansatz import Ansatz, AnsatzOptions, trainable_blocks

Readout = Literal["all", "first", "words"]


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
