"""The head with 4 to 150 labels beside its rivals: ``python -m examples.experiments.many_labels``.

Labels are sub-packages of installed packages, texts are first sentences of their docstrings: 20 a label to train on
and 5 for the test, drawn anew by every seed. The default head has a qubit for each label. The narrow one has 13 qubits
in one register, and logistic regression of its rank beside it. Rows of the record ``--json`` are not computed again.
"""

from __future__ import annotations

import hashlib
import time
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from examples.experiments import docstrings
from examples.experiments.common import Record, options, vectors
from qllmft.heads import QuantumHead
from qllmft.sklearn import QuantumHeadClassifier
from qllmft.tasks import CLASSIFICATION
from qllmft.training import (
    LOGISTIC_STRENGTHS,
    Examples,
    choose_linear,
    linear_solution,
    low_rank_solution,
    split_examples,
)

# packages of this project's extras, whose sub-packages are enough for 150 labels
MORE = (
    "accelerate",
    "datasets",
    "mlflow",
    "numba",
    "optuna",
    "peft",
    "pip",
    "pyarrow",
    "pydantic",
    "qiskit_aer",
    "qiskit_machine_learning",
    "ray",
    "setuptools",
    "sqlalchemy",
    "transformers",
)
TO_LEARN = 20  # texts of a label
TO_TEST = 5
NARROW = 13  # qubits of the narrow head, 12 of whose values begin as sines
Labels = NDArray[np.int64]
Vectors = NDArray[np.float32]


def drawn(k: int, seed: int) -> tuple[Vectors, Labels, Vectors, Labels]:
    """Return vectors and labels to learn from and to test on, of k labels that the seed draws."""
    per_label = TO_LEARN + TO_TEST
    classes = docstrings.classes(per_label, (*docstrings.PACKAGES, *MORE))
    random = np.random.default_rng(seed)
    names = random.choice(sorted(classes), k, replace=False)
    texts = [text for name in names for text in random.permutation(classes[name]).tolist()]
    x = vectors(texts)
    y = np.repeat(np.arange(k), per_label)
    learns = np.tile(np.arange(per_label) < TO_LEARN, k)
    return x[learns], y[learns], x[~learns], y[~learns]


def logistic(x: Vectors, y: Labels, held: Vectors, c: float) -> Labels:
    """Return the answers of logistic regression to other vectors."""
    return np.asarray(LogisticRegression(C=c, max_iter=1000).fit(x, y).predict(held))


def answers(k: int, seed: int) -> tuple[dict[str, Labels], Labels, dict[str, Any]]:
    """Return answers by name, the true labels, and facts of the heads."""
    x, y, held, truth = drawn(k, seed)
    centred = (x - x.mean(axis=0)).astype(np.float64)
    shifted = (held - x.mean(axis=0)).astype(np.float64)
    examples = Examples.from_arrays(centred, y)
    c = float(np.asarray(choose_linear(examples, split_examples(examples), LOGISTIC_STRENGTHS).c))
    found = {"logistic regression, C = 1": logistic(x, y, held, 1.0)}
    found["logistic regression"] = logistic(x, y, held, c)
    settings = {"train.ridge_c": c}  # one strength for all, so that it is searched once
    head = QuantumHeadClassifier(random_state=seed, settings=settings)
    started = time.perf_counter()
    head.fit(x, y)
    seconds = time.perf_counter() - started
    found["head"] = np.asarray(head.predict(held))
    network = head._load_network()
    assert network.encoder is not None
    with torch.no_grad():
        latent, held_latent = (
            network.encoder(torch.from_numpy(part).double()).numpy() for part in (x, held)
        )
    control = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000))
    found["no circuit"] = np.asarray(control.fit(latent, y).predict(held_latent))
    assert isinstance(network.head, QuantumHead)
    facts = {
        "qubits": len(network.quantum_encoders.encoders),
        "registers": network.head.registers,
        "C": c,
        "seconds": round(seconds, 1),
        "vectors": hashlib.sha256(np.round(x, 4).tobytes()).hexdigest()[:16],
    }
    if k > NARROW:
        narrow = QuantumHeadClassifier(random_state=seed, settings=settings, n_qubits=NARROW)
        narrow.fit(x, y)
        found["head of 13 qubits"] = np.asarray(narrow.predict(held))
        full = linear_solution(CLASSIFICATION, centred, y.astype(np.float64), None, c)
        low = low_rank_solution(examples, full, NARROW - 1)
        found["logistic regression of rank 12"] = (shifted @ low.weights.T + low.bias).argmax(
            axis=1
        )
    return found, truth, facts


def main() -> None:
    """Compute the rows that the record lacks, and write it after each."""
    parser = options(__doc__, "many-labels.json")
    parser.add_argument("--labels", type=int, nargs="*", default=[4, 12, 16, 24, 40, 77, 150])
    parser.add_argument("--seeds", type=int, nargs="+", default=[60, 61, 62])
    given = parser.parse_args()
    record = Record(given.json, "labels", "seed", learnt=TO_LEARN, tested=TO_TEST)
    for seed, k in product(given.seeds, given.labels):
        if not record.lacks(k, seed):
            continue
        found, truth, facts = answers(k, seed)
        right = {name: int((labels == truth).sum()) for name, labels in found.items()}
        record.add({"labels": k, "seed": seed, "texts": len(truth), **facts, "right": right})
        shares = {name: round(100 * count / len(truth), 1) for name, count in right.items()}
        print(k, seed, facts, shares, flush=True)


if __name__ == "__main__":
    main()
