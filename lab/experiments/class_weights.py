"""Weights of a rare label's texts: ``python -m lab.experiments.class_weights --sst2 FOLDER``.

SST-2's training texts are drawn with one rare label. The default head and its baselines are trained three times on the
same texts: without weights, with balanced weights, and with the choice of the default preset. All test texts of SST-2
judge them by balanced accuracy, and train and choose nothing. Rows that the record ``--json`` has are not computed
again.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.experiments.common import Record, options, vectors
from qllmft import load_preset
from qllmft.baselines import make_baselines
from qllmft.config import DataConfig
from qllmft.data import Table, read_corpus
from qllmft.heads import build_classifier
from qllmft.training import Examples, TorchHead, weigh_by_class

POOL_SIZE = 3_000  # texts from which training texts are drawn
VALIDATION_SHARE = 0.15
WAYS = {"none": None, "balanced": "balanced", "auto": "auto"}  # train.class_weight
HEAD = "quantum head"
BASELINES = ["logistic_regression_c1", "logistic_regression", "svc"]
Labels = NDArray[np.int64]


def read_tables(folder: str) -> tuple[Table, Table]:
    """Return the texts to draw from, a part of SST-2's training texts, and its test texts."""
    corpus = read_corpus(DataConfig(source=folder))
    splits = corpus.splits
    rows = np.random.default_rng(0).permutation(len(splits["train"]))[:POOL_SIZE]
    return splits["train"].take(rows), splits["test"]


def draw_rows(labels: Labels, size: int, share: float, seed: int) -> tuple[Labels, Labels]:
    """Return rows for training and for validation with a rare label, which is 0 for even seeds and 1 for odd ones.

    Args:
        labels: of the pool.
        size: texts in all.
        share: of the rare label.
        seed: of the draw.
    """
    random = np.random.default_rng([seed, size, round(1000 * share)])
    rare = seed % 2
    n_rare = round(share * size)
    train: list[int] = []
    validation: list[int] = []
    for label, count in ((rare, n_rare), (1 - rare, size - n_rare)):
        rows = random.permutation(np.flatnonzero(labels == label))[:count].tolist()
        n_held_out = round(VALIDATION_SHARE * count)
        validation += rows[:n_held_out]
        train += rows[n_held_out:]
    return random.permutation(train), np.array(validation)


def train_models(
    way: str, train: Examples, validation: Examples, seed: int
) -> Iterator[tuple[str, Any]]:
    """Yield the names of the head and its baselines, and the trained models."""
    settings = {
        "train.class_weight": WAYS[way],
        "baselines.names": BASELINES,
        "seed": seed,
    }
    config = load_preset("sines").config(settings)
    train, validation = weigh_by_class(train, validation, config.train)
    dimension = train.x.shape[1]
    network = build_classifier(config.model, dimension, 2, seed=seed)
    head = TorchHead(HEAD, network, config.train, seed)
    head.fit(train, validation)
    yield HEAD, head
    for baseline in make_baselines(config, network.n_parameters, dimension, 2):
        baseline.fit(train, validation)
        yield baseline.name, baseline


def count_right(answers: Labels, labels: Labels) -> list[int]:
    """Return the number of right answers for each label."""
    return [int((answers[labels == label] == label).sum()) for label in range(2)]


def main() -> None:
    """Compute the rows that the record lacks, and write it after each."""
    parser = options(__doc__, "class-weights.json", sst2=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[200, 1000])
    parser.add_argument("--shares", nargs="+", type=float, default=[0.05, 0.1, 0.2, 0.3])
    parser.add_argument("--seeds", nargs="+", type=int, default=[10, 11, 12, 13])
    arguments = parser.parse_args()
    pool, test = read_tables(arguments.sst2)
    x = vectors(pool.texts)
    test_x = vectors(test.texts)
    record = Record(
        arguments.json,
        *("seed", "size", "share", "way"),
        texts="SST-2",
        pool=POOL_SIZE,
        test=np.bincount(test.labels).tolist(),
    )
    for seed, size, share in product(arguments.seeds, arguments.sizes, arguments.shares):
        parts = draw_rows(pool.labels, size, share, seed)
        train, validation = (Examples.from_arrays(x[part], pool.labels[part]) for part in parts)
        for way in WAYS:
            if not record.lacks(seed, size, share, way):
                continue
            right = {}
            for name, model in train_models(way, train, validation, seed):
                right[name] = count_right(model.predict(test_x), test.labels)
            row = {"seed": seed, "size": size, "share": share, "way": way}
            record.add({**row, "right": right})
            print(row, right, flush=True)


if __name__ == "__main__":
    main()
