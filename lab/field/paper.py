"""The paper's heads (arXiv 2504.08732) on the bench's features, trained as many steps as the other rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qllmft.sklearn import QuantumHeadClassifier
from qllmft_circuits import head_circuit

BATCH = 32
STEPS = 900
RATES = (0.003, 0.02, 0.1)
HEAD_QUBITS = 10
ONE_ENCODER: dict[str, Any] = {"noise.shots": 0}
# encoders of 10 qubits in place of the preset's 14, because 16 features fit into 4
TWO_ENCODERS: dict[str, Any] = {"noise.shots": 0, "model.encoder_qubits": 10}
SEPARABLE: dict[str, Any] = {"model.ansatz": "separable", "model.connectivity": 1}


class PaperHead:
    """Preset of this project with scikit-learn's interface.

    Args:
        preset: its name.
        seed: of the initial weights and of the batches.
        rate: of learning.
        settings: that differ from the preset's.
    """

    def __init__(self, preset: str, seed: int, rate: float, settings: dict[str, Any]) -> None:
        self.preset = preset
        self.seed = seed
        self.settings = settings | {"train.lr": rate, "train.batch_size": BATCH}

    def fit(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> PaperHead:
        """Fit on features (N, D) and labels (N,), and return it."""
        head = QuantumHeadClassifier(
            self.preset,
            epochs=math.ceil(STEPS * BATCH / len(x)),
            random_state=self.seed,
            settings=self.settings,
        )
        self.head = head.fit(x, y)
        self.n_parameters_ = head.n_parameters_
        return self

    def decision_function(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return scores (N,), above 0 for label 1."""
        return np.asarray(self.head.decision_function(x))

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return labels (N,)."""
        return np.asarray(self.head.predict(x))


def make_paper_heads(preset: str, seed: int, settings: dict[str, Any]) -> list[PaperHead]:
    """Return a head for each learning rate."""
    return [PaperHead(preset, seed, rate, settings) for rate in RATES]


def example_circuit() -> QuantumCircuit:
    """Return the head's circuit, to count its gates. The paper simulates the encoders."""
    return head_circuit(HEAD_QUBITS)
