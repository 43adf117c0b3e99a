"""Self-attention with a circuit for query, key and value of each token: QSANN and QMSAN."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor, nn

from lab.audits.architectures.model import (
    QuantumTextModel,
    States,
    expectation_values,
    matrices,
    paulis,
)
from qllmft_audit import trained_circuit


class QuantumSelfAttention(QuantumTextModel):
    """Attention over the tokens x of a text: y_s = x_s + Σ_j α_sj o_j with α normalised, then mean and sigmoid.

    Texts are (N, S, D) with zeros where a text has ended. Subclasses give the coefficients α.

    Args:
        circuit: of one token with the parameters x and theta, the same for queries, keys and values.
        query_operators: measured for queries and keys.
        value_operators: measured for the values o, as many as x has numbers.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        query_operators: list[SparsePauliOp],
        value_operators: list[SparsePauliOp],
    ) -> None:
        super().__init__()
        row = np.zeros(len(value_operators))
        weights = np.zeros(circuit.num_parameters - len(value_operators))
        self.circuits = [
            trained_circuit(circuit, row, observables=operators, weights=weights)
            for operators in (query_operators, query_operators, value_operators)
        ]
        self.heads = nn.ModuleList(token_circuit.head() for token_circuit in self.circuits)
        self.last = nn.Linear(len(value_operators), 1).double()
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.1)

    def coefficients(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return positive coefficients (N, S, S) from measured queries and keys (N, S, T)."""
        raise NotImplementedError

    def states(self, x: Tensor) -> list[States]:
        """Return the states (tokens, 2^Q) of queries, keys and values."""
        tokens = x[_mask(x)].numpy()
        return [
            replace(circuit, values=_weights(head)).states(tokens)
            for circuit, head in zip(self.circuits, self.heads, strict=True)
        ]

    def values(self, x: Tensor, states: list[States]) -> list[Tensor]:
        """Return the expectation values (tokens, T) of queries, keys and values."""
        del x
        return [
            expectation_values(matrices(circuit.observables), torch.from_numpy(circuit_states))
            for circuit, circuit_states in zip(self.circuits, states, strict=True)
        ]

    def scores(self, x: Tensor, values: list[Tensor]) -> Tensor:
        """Return the scores (N, 2), 0 for the first label."""
        mask = _mask(x)
        queries, keys, value_vectors = (
            torch.zeros(
                *mask.shape, token_values.shape[1], dtype=token_values.dtype
            ).masked_scatter(mask[:, :, None], token_values)
            for token_values in values
        )
        weights = self.coefficients(queries, keys) * mask[:, None, :]
        mixed = x + weights / weights.sum(dim=2, keepdim=True) @ value_vectors
        mean = (mixed * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        return nn.functional.pad(self.last(mean), (1, 0))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores (N, 2) of texts by the engine."""
        tokens = x[_mask(x)]
        return self.scores(x, [head(tokens) for head in self.heads])

    def loss(self, scores: Tensor, y: Tensor) -> Tensor:
        """Return half the mean square of the difference of label and sigmoid."""
        return (torch.sigmoid(scores[:, 1]) - y).square().mean() / 2


def _weights(head: Any) -> NDArray[np.float64]:
    """Return the trained weights (P,) of a layer of `trained_circuit`."""
    return np.asarray(head.connector.weight.detach().numpy())


def _mask(x: Tensor) -> Tensor:
    """Return which places (N, S) of texts hold a token."""
    return (x != 0).any(dim=2)


class QSANN(QuantumSelfAttention):
    """Network with α_sj = exp(-(⟨Z₀⟩_q,s - ⟨Z₀⟩_k,j)²) (Li, Zhao and Wang, arXiv 2205.05625).

    Values are Z, X and Y of each qubit, so that a token has 3Q numbers.
    """

    def __init__(self, n_qubits: int) -> None:
        super().__init__(
            qsann_circuit(n_qubits), paulis(n_qubits, "Z")[:1], paulis(n_qubits, "ZXY")
        )

    def coefficients(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return the Gaussians (N, S, S) of the differences of queries and keys (N, S, 1)."""
        return torch.exp(-(queries - keys.transpose(1, 2)).square())


def qsann_circuit(n_qubits: int) -> QuantumCircuit:
    """Return the circuit of a token: Hadamard gates, the template with data angles, and that with weights.

    The template is R_X, R_Y, a chain of CNOT, and R_Y on all qubits.
    """
    circuit = QuantumCircuit(n_qubits)
    qubits = range(n_qubits)
    circuit.h(qubits)
    for angles in (iter(ParameterVector(name, 3 * n_qubits)) for name in ("x", "theta")):
        for qubit in qubits:
            circuit.rx(next(angles), qubit)
        for qubit in qubits:
            circuit.ry(next(angles), qubit)
        for qubit in qubits[1:]:
            circuit.cx(qubit - 1, qubit)
        for qubit in qubits:
            circuit.ry(next(angles), qubit)
    return circuit


class QMSAN(QuantumSelfAttention):
    """Network with α_sj = tr(ρ_q,s σ_k,j) of half of the qubits' states (Chen et al., arXiv 2403.02871).

    It has no encoding of positions. With m qubits the overlap is 2^-m Σ ⟨P⟩_ρ ⟨P⟩_σ over all 4^m Pauli words P. Values
    are Z of each qubit, so that a token has Q numbers.
    """

    def __init__(self, n_qubits: int) -> None:
        half = n_qubits // 2
        words = map("".join, islice(product("IXYZ", repeat=half), 1, None))
        query_operators = [SparsePauliOp("I" * (n_qubits - half) + word) for word in words]
        super().__init__(qmsan_circuit(n_qubits), query_operators, paulis(n_qubits, "Z"))
        self.dimension = 2**half

    def coefficients(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return the overlaps (N, S, S) of mixed states with the expectation values (N, S, 4^m - 1)."""
        overlaps: Tensor = (1 + queries @ keys.transpose(1, 2)) / self.dimension
        return overlaps.clamp(min=1e-9)


def qmsan_circuit(n_qubits: int) -> QuantumCircuit:
    """Return the circuit of a token: R_X of the data, a chain of R_ZZ, R_Y of weights, and R_X of the data again."""
    circuit = QuantumCircuit(n_qubits)
    qubits = range(n_qubits)
    x = ParameterVector("x", n_qubits)
    angles = iter(ParameterVector("theta", 2 * n_qubits - 1))
    for qubit in qubits:
        circuit.rx(x[qubit], qubit)
    for qubit in qubits[1:]:
        circuit.rzz(next(angles), qubit - 1, qubit)
    for qubit in qubits:
        circuit.ry(next(angles), qubit)
    for qubit in qubits:
        circuit.rx(x[qubit], qubit)
    return circuit
