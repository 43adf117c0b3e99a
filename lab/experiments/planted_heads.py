"""Teacher circuits that label real texts, and the heads that learn these labels, for `planted_control`.

A head reads Q latent angles: the texts' first Q principal axes, each with a standard deviation of one radian. It is R
times an encoding of the angles by R_Y and a layer of the paper's blocks, CNOT and R_Y. Only its first k blocks keep
their CNOTs. Without any it is a separable head, whose values are sums of functions of one angle each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from qllmft.config import TrainConfig
from qllmft.heads import Classifier, DataMap, QuantumHead, initial_angles, linear
from qllmft.training import Examples, fit
from qllmft_base.randomness import numpy_generator, torch_generator
from qllmft_circuits import AnsatzOptions, data_parameters, weight_parameters

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

DRAWS = 40  # of a teacher's angles
TRAINING = 435  # texts, as in the paper's protocol
VALIDATION = 77
TRAIN = TrainConfig(epochs=20, lr=0.1, batch_size=145)
HEAD = "quantum head"
TWIN = "separable twin"
LINEAR = "logistic regression"
KERNEL = "SVC"


@dataclass(frozen=True)
class Structure:
    """Structure of a head on Q qubits."""

    connectivity: int = 1  # C
    entangled: int = 8  # k, number of blocks with a CNOT, from the first one
    qubits: int = 4  # Q
    reuploads: int = 2  # R, number of layers too
    ring: bool = True

    @cached_property
    def blocks(self) -> int:
        """Return the number of blocks."""
        return self.reuploads * AnsatzOptions(self.connectivity, self.ring).layer_size(self.qubits)

    @property
    def separable(self) -> Structure:
        """Return the structure of the separable twin, with one R_Y per qubit and layer."""
        return Structure(1, 0, self.qubits, self.reuploads)

    def circuit(self) -> QuantumCircuit:
        """Return the circuit, with the parameters ``x`` (Q,) and ``theta`` (one per block)."""
        x = ParameterVector("x", self.qubits)
        theta = ParameterVector("theta", self.blocks)
        circuit = QuantumCircuit(self.qubits)
        angles = iter(range(self.blocks))
        for _ in range(self.reuploads):
            for qubit in range(self.qubits):
                circuit.ry(x[qubit], qubit)
            for control, target in AnsatzOptions(self.connectivity, self.ring).pairs(self.qubits):
                block = next(angles)
                if block < self.entangled:
                    circuit.cx(control, target)
                circuit.ry(theta[block], target)
        return circuit

    def head(self) -> QuantumHead:
        """Return a head that measures Z of every qubit."""
        circuit = self.circuit()
        return QuantumHead.from_circuit(
            circuit, data=data_parameters(circuit), weights=weight_parameters(circuit)
        )


@lru_cache
def _head(structure: Structure) -> QuantumHead:
    return structure.head()


def latent_angles(embeddings: Floats, qubits: int) -> Floats:
    """Return angles (N, Q) in radians of embeddings (N, D): principal axes with a standard deviation of 1."""
    axes = DataMap(embeddings.shape[1], qubits)
    axes.fit(torch.from_numpy(embeddings))
    values = axes(torch.from_numpy(embeddings).double()).numpy()
    return np.asarray(values / values.std(axis=0), np.float32)


def separable_share(values: Floats, angles: Floats, reuploads: int) -> float:
    """Return the share of the variance of values (N,) that separable heads explain, in [0, 1].

    R encodings of one angle on one qubit give a Fourier series of degree R, and a separable head sums Q of these.
    """
    terms = [np.ones((len(angles), 1))]
    for degree in range(1, reuploads + 1):
        terms += [np.cos(degree * angles), np.sin(degree * angles)]
    features = np.concatenate(terms, axis=1).astype(np.float64)
    residual = values - features @ np.linalg.lstsq(features, values, rcond=None)[0]
    return float(1 - residual.var() / values.var())


@torch.no_grad()
def teacher_labels(structure: Structure, angles: Floats) -> tuple[Labels, float]:
    """Return the labels (N,) of a teacher and its `separable_share`.

    The label is whether ⟨Z⟩ of one qubit is above its median. The angles of the circuit and the qubit are those of
    `DRAWS` draws with the least separable share. A head without CNOTs has the share 1 with all, and takes the first.
    """
    head = _head(structure)
    best = (2.0, 0, 0)
    for draw in range(DRAWS if structure.entangled else 1):
        _turn(head, draw)
        values = head(torch.from_numpy(angles)).numpy().astype(np.float64)
        shares = [separable_share(column, angles, structure.reuploads) for column in values.T]
        best = min(best, *((share, draw, qubit) for qubit, share in enumerate(shares)))
    share, draw, qubit = best
    _turn(head, draw)
    values = head(torch.from_numpy(angles)).numpy()[:, qubit]
    return (values > np.median(values)).astype(np.int64), share


def _turn(head: QuantumHead, draw: int) -> None:
    weight = head.connector.weight
    weight.data = initial_angles(len(weight), torch_generator(draw, "teacher"))


@dataclass(frozen=True)
class Task:
    """Angles (N, Q) of all texts, and the teacher's labels (N,), each of which turns with the probability ``noise``."""

    angles: Floats
    labels: Labels
    noise: float = 0.0

    def parts(self, seed: int, training: int = TRAINING) -> list[Examples]:
        """Return training, validation and test examples of a seed, which draws the texts and the turned labels."""
        turned = numpy_generator(seed, "noise").random(len(self.labels)) < self.noise
        order = numpy_generator(seed, "split").permutation(len(self.labels))
        noisy = Task(self.angles, self.labels ^ turned)
        return [noisy.examples(rows) for rows in np.split(order, [training, training + VALIDATION])]

    def examples(self, rows: Labels) -> Examples:
        """Return the examples of rows (n,) with the teacher's own labels."""
        return Examples.from_arrays(self.angles[rows], self.labels[rows])


def train_head(structure: Structure, name: str, parts: list[Examples], seed: int) -> list[int]:
    """Return the numbers of right answers on validation and test of a head that is trained from random weights."""
    head = _head(structure)
    weight = head.connector.weight
    weight.data = initial_angles(len(weight), torch_generator(seed, "weights", name))
    final = linear(structure.qubits, 2, torch_generator(seed, "weights", name, "final"))
    model = Classifier(None, head, final)
    fit(model, parts[0], parts[1], TRAIN, seed)
    with torch.no_grad():
        return [int((model(part.x).argmax(dim=1) == part.y).sum()) for part in parts[1:]]


def train_baseline(name: str, parts: list[Examples]) -> list[int]:
    """Return the same of logistic regression or of an SVC with an RBF kernel, both at C = 1."""
    estimator = LogisticRegression(max_iter=500) if name == LINEAR else SVC()
    train, *evaluation_parts = ((part.x.numpy(), part.y.numpy()) for part in parts)
    estimator.fit(*train)
    return [int((estimator.predict(x) == y).sum()) for x, y in evaluation_parts]


def train_models(
    structure: Structure, task: Task, seed: int, training: int, *, kernel: bool
) -> dict[str, list[int]]:
    """Return the numbers of right answers on validation and test of the models of a seed, by name.

    Args:
        structure: of the quantum head.
        task: angles and labels.
        seed: draws texts, turned labels and initial weights.
        training: number of training texts.
        kernel: fit an SVC too.
    """
    parts = task.parts(seed, training)
    heads = {HEAD: structure, TWIN: structure.separable}
    return {
        **{
            name: train_head(head_structure, name, parts, seed)
            for name, head_structure in heads.items()
        },
        **{name: train_baseline(name, parts) for name in (LINEAR, *[KERNEL] * kernel)},
    }
