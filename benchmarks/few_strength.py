"""C of logistic regression with few texts: ``python benchmarks/few_strength.py --sst2 FOLDER`` prints the table.

Drawn texts of SST-2 (512 of each of two seeds) and first sentences of docstrings with 3, 4 and 6 labels (docstrings.py,
80 of each label and seed), on the body minilm. Twelve draws of each: so many texts of the first label, and so many of
every other one; the rest is classified. Balanced accuracy, so that the frequent label does not count more. The last
column chooses C by cross-validation of the loss.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qllmft.config import BodyConfig, DataConfig
from qllmft.data import read_corpus, split_corpus
from qllmft.embed import embed
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

import docstrings

STRENGTHS = (1.0, 10.0, 100.0)
SIZES = ((7, 6), (8, 8), (14, 13), (16, 16), (40, 5), (50, 12), (44, 40), (60, 30), (60, 60))
DRAWS = 12
Texts = tuple[NDArray[np.float32], NDArray[np.int64]]


def pools(sst2: str, seed: int) -> Iterator[tuple[str, Texts]]:
    """Yield the texts of a seed by name, as embeddings and labels."""
    data = DataConfig(source=sst2)
    splits = split_corpus(read_corpus(data), data, seed)
    texts = [*splits.train.texts, *splits.validation.texts]
    labels = np.concatenate([splits.train.labels, splits.validation.labels])
    yield "SST-2, 2 labels", (vectors(texts), labels)
    for k in (3, 4, 6):
        drawn = docstrings.drawn(k, 80, seed)
        yield f"docstrings, {k} labels", (vectors(drawn), np.repeat(np.arange(k), 80))


def vectors(texts: list[str]) -> NDArray[np.float32]:
    """Return the embeddings of texts."""
    return embed(texts, BodyConfig(model="minilm")).vectors


def scores(
    x: NDArray[np.float32], y: NDArray[np.int64], many: int, few: int, seed: int
) -> dict[str, float]:
    """Return the balanced accuracy of each C after training on a draw."""
    random = np.random.default_rng(seed)
    rows = [
        random.choice(np.flatnonzero(y == label), few if label else many, replace=False)
        for label in range(y.max() + 1)
    ]
    train = np.concatenate(rows)
    rest = np.setdiff1d(np.arange(len(y)), train)
    models = {f"{c:g}": LogisticRegression(C=c, max_iter=1000) for c in STRENGTHS}
    models["chosen"] = LogisticRegressionCV(
        Cs=[0.01, 0.1, 1, 10, 100],
        cv=StratifiedKFold(min(5, few)),
        scoring="neg_log_loss",
        max_iter=1000,
        use_legacy_attributes=False,
    )
    return {
        name: float(
            balanced_accuracy_score(y[rest], model.fit(x[train], y[train]).predict(x[rest]))
        )
        for name, model in models.items()
    }


def main() -> None:
    """Write the record and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sst2", required=True, help="folder of SST-2")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--json", type=Path, default=Path("docs/records/few-strength.json"))
    given = parser.parse_args()
    rows = []
    with threadpool_limits(1):
        for seed in given.seeds:
            for name, (x, y) in pools(given.sst2, seed):
                for many, few in SIZES:
                    for draw in range(DRAWS):
                        found = scores(x, y, many, few, 1000 * seed + draw)
                        rows.append(
                            {"texts": name, "seed": seed, "first": many, "others": few, **found}
                        )
    given.json.write_text(json.dumps({"results": rows}) + "\n", encoding="utf-8")
    columns = [*(f"{c:g}" for c in STRENGTHS), "chosen"]
    print(
        f"| texts | of the first label | of each other | {' | '.join(f'C = {c}' for c in columns)} |"
    )
    print(f"|---|---|---|{'---|' * len(columns)}")
    for name in dict.fromkeys(row["texts"] for row in rows):
        for many, few in SIZES:
            own = [r for r in rows if (r["texts"], r["first"], r["others"]) == (name, many, few)]
            means = [f"{100 * np.mean([row[c] for row in own]):.1f}" for c in columns]
            print(f"| {name} | {many} | {few} | {' | '.join(means)} |")


if __name__ == "__main__":
    main()
