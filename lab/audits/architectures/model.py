"""Text classifier that answers from quantum states, so that the states can be truncated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor, nn

from qllmft_audit import state_bonds, truncate_states

Ints = NDArray[np.int64]
States = NDArray[np.complex128]


class QuantumTextModel(nn.Module):
    """Model whose forward pass is `scores` of the values that are measured on its circuits' states."""

    def states(self, x: Tensor) -> list[States]:
        """Return the final states (n, 2^Q) of each circuit for texts x."""
        raise NotImplementedError

    def values(self, x: Tensor, states: list[States]) -> list[Tensor]:
        """Return the values (n, T) that are measured on given states of each circuit."""
        raise NotImplementedError

    def scores(self, x: Tensor, values: list[Tensor]) -> Tensor:
        """Return the scores (N, 2) of both labels from measured values."""
        raise NotImplementedError

    def loss(self, scores: Tensor, y: Tensor) -> Tensor:
        """Return the loss of scores (N, 2) for labels (N,)."""
        return nn.functional.cross_entropy(scores, y)

    @torch.no_grad()
    def labels(self, x: Tensor, values: list[Tensor]) -> Ints:
        """Return the labels (N,) from measured values."""
        return np.asarray(self.scores(x, values).argmax(dim=1).numpy())


def paulis(n_qubits: int, letters: str) -> list[SparsePauliOp]:
    """Return operators of single qubits: each of the letters on qubit 0, then on qubit 1, and so on."""
    places = [(letter, qubit) for qubit in range(n_qubits) for letter in letters]
    return [SparsePauliOp.from_sparse_list([(p, [q], 1.0)], n_qubits) for p, q in places]


def matrices(operators: Sequence[SparsePauliOp]) -> Tensor:
    """Return the matrices (T, 2^Q, 2^Q) of operators."""
    return torch.from_numpy(np.stack([operator.to_matrix() for operator in operators]))


def expectation_values(operators: Tensor, states: Tensor) -> Tensor:
    """Return the expectation values (n, T) of matrices (T, 2^Q, 2^Q) in states (n, 2^Q)."""
    return torch.einsum("ni,tij,nj->nt", states.conj(), operators, states).real


def train(
    model: QuantumTextModel, x: Tensor, y: Ints, *, rate: float, epochs: int, decay: float = 0.0
) -> None:
    """Train a model on texts x with labels (N,), in batches of 30, by Adam or, with a decay, AdamW."""
    labels = torch.from_numpy(y)
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=decay)
    for _ in range(epochs):
        for part in torch.randperm(len(y)).split(30):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            model.loss(model(x[part]), labels[part]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def audit_model(
    model: QuantumTextModel, x: Tensor, y: Ints, test: Tensor, y_test: Ints
) -> dict[str, Any]:
    """Return the figures of a trained model on its training texts x and on test texts."""
    exact = model.states(test)
    values = model.values(test, exact)
    labels = model.labels(test, values)
    train_accuracy = float((model.labels(x, model.values(x, model.states(x))) == y).mean())
    test_accuracy = float((labels == y_test).mean())
    n_qubits = max(states.shape[1].bit_length() - 1 for states in exact)

    def labels_at(bond: int) -> Ints:
        return model.labels(
            test, model.values(test, [truncate_states(states, bond) for states in exact])
        )

    gap = max(0.0, train_accuracy - test_accuracy)
    bonds = state_bonds(labels_at, labels, y_test, 1 << n_qubits // 2, gap)
    products = labels_at(1)
    noise = model.labels(test, [torch.zeros_like(measurements) for measurements in values])
    return {
        "qubits": n_qubits,
        "weights": sum(parameter.numel() for parameter in model.parameters()),
        "rows": [len(y), len(y_test)],
        "train": train_accuracy,
        "test": test_accuracy,
        "bonds": asdict(bonds),
        "test_of_products": float((products == y_test).mean()),
        "labels_of_products": float((products == labels).mean()),
        "labels_of_zeros": float((noise == labels).mean()),
    }
