"""Parity words (arXiv 2605.11213): products of bits that differentiable logits choose.

On a basis state the expectation value of a Pauli word of Z is the product of its bits. A bit between -1 and 1 is ⟨Z⟩
of a qubit after R_Y, and the product is ⟨word⟩ of the qubits' product state.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from lab.field.head import ValuesHead
from qllmft_base.randomness import numpy_generator

WORDS = 16
QUBITS = 8  # bits of a learned projection
BITS_TASKS = (5, 8, 10)  # numbers of features that are bits already


def round_through(soft: Tensor, hard: Tensor) -> Tensor:
    """Return hard values with the gradient of soft ones."""
    return soft + (hard - soft).detach()


class LearnedWords(ValuesHead):
    """Scores (N,) of features (N, D): a linear layer on `WORDS` words of bits.

    Features of `BITS_TASKS` are the bits. Others have a linear projection, whose signs are `QUBITS` bits.
    """

    def __init__(self, features: int, generator: torch.Generator) -> None:
        super().__init__()
        is_bits = features in BITS_TASKS
        qubits = features if is_bits else QUBITS
        self.projection = nn.Identity() if is_bits else nn.Linear(features, qubits)
        self.logits = nn.Parameter(torch.randn(WORDS, qubits, generator=generator))
        self.readout = nn.Linear(WORDS, 1)

    def bits(self, x: Tensor) -> Tensor:
        """Return the bits ±1 (N, Q), with the gradient of tanh."""
        projected = self.projection(x)
        return round_through(projected.tanh(), torch.where(projected < 0, -1.0, 1.0).to(x.dtype))

    def values(self, x: Tensor) -> Tensor:
        """Return the words (N, `WORDS`) of the bits; a bit is in a word if its logit is above 0."""
        chance = self.logits.sigmoid()
        in_word = round_through(chance, (chance > 0.5).to(x.dtype))
        return (1 - in_word + in_word * self.bits(x)[..., None, :]).prod(dim=-1)

    @torch.no_grad()
    def words(self) -> NDArray[np.bool_]:
        """Return which bits are in each word, (`WORDS`, Q)."""
        return np.asarray((self.logits > 0).numpy())


def word_values(bits: NDArray[np.float64], words: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the products (N, W) of bits ±1 (N, Q) in words (W, Q)."""
    return np.asarray(np.where(words, bits[:, None, :], 1.0).prod(axis=2))


def all_products(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the products (N, 2^Q - 1) of the signs of the first 10 or fewer features (N, D) in all words."""
    qubits = x.shape[1] if x.shape[1] in BITS_TASKS else QUBITS
    words = np.arange(1, 2**qubits)[:, None] >> np.arange(qubits) & 1 == 1
    return word_values(np.where(x[:, :qubits] < 0, -1.0, 1.0), words)


class LearnedBits(LearnedWords):
    """`LearnedWords` without words: a linear layer on the bits."""

    def __init__(self, features: int, generator: torch.Generator) -> None:
        super().__init__(features, generator)
        self.readout = nn.Linear(self.logits.shape[1], 1)
        del self.logits

    def values(self, x: Tensor) -> Tensor:
        """Return the bits (N, Q)."""
        return self.bits(x)


class WordsRegression:
    """Logistic regression on the words of a trained module, computed as products of its bits.

    Args:
        module: has the bits and the words.
        seed: draws random words.
        random: each word has as many bits as the module's, but random ones.
    """

    def __init__(self, module: LearnedWords, seed: int, *, random: bool) -> None:
        self.module = module
        self.words = module.words()
        if random:
            self.words = numpy_generator(seed, "field random words").permuted(self.words, axis=1)
        self.regression = LogisticRegression(max_iter=300)

    def fit(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> WordsRegression:
        """Fit and return it."""
        self.regression.fit(self._products(x), y)
        return self

    def predict(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return labels (N,)."""
        return np.asarray(self.regression.predict(self._products(x)))

    @torch.no_grad()
    def _products(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        bits = self.module.bits(torch.as_tensor(x, dtype=torch.float32))
        return word_values(bits.numpy().astype(np.float64), self.words)


def basis_circuit(bits: NDArray[np.float64]) -> QuantumCircuit:
    """Return the circuit that prepares the basis state of bits ±1 (Q,), 1 for |0⟩."""
    circuit = QuantumCircuit(len(bits))
    for qubit, bit in enumerate(bits):
        circuit.ry(float(np.arccos(bit)), qubit)
    return circuit


def word_observable(word: NDArray[np.bool_]) -> SparsePauliOp:
    """Return the Pauli word of Z on the qubits of a word (Q,)."""
    return SparsePauliOp("".join("Z" if in_word else "I" for in_word in word[::-1]))


def example_circuit() -> QuantumCircuit:
    """Return the circuit of one text: a rotation for each bit of the learned projection."""
    return basis_circuit(np.tile([1.0, -1.0], QUBITS // 2))
