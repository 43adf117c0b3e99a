"""C of logistic regression with few texts.

The command ``python -m lab.experiments.few_strength --sst2 FOLDER`` prints the table.

Drawn texts of SST-2 (512 of each of two seeds) and first sentences of docstrings with 3, 4 and 6 labels (`docstrings`,
80 of each label and seed), on the body minilm. Twelve draws of each: so many texts of the first label, and so many of
every other one; the rest is classified. Balanced accuracy, so that the frequent label does not count more. The last
column chooses C by cross-validation of the loss.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from lab.experiments import docstrings
from lab.experiments.common import draw_sst2, keep, options, table, vectors

STRENGTHS = (1.0, 10.0, 100.0)
SIZES = ((7, 6), (8, 8), (14, 13), (16, 16), (40, 5), (50, 12), (44, 40), (60, 30), (60, 60))
DRAWS = 12
Texts = tuple[NDArray[np.float32], NDArray[np.int64]]


def pools(sst2: str, seed: int) -> Iterator[tuple[str, Texts]]:
    """Yield the texts of a seed by name, as embeddings and labels."""
    sst2_texts = draw_sst2(sst2, seed)
    yield "SST-2, 2 labels", (vectors(sst2_texts.texts), sst2_texts.labels)
    for k in (3, 4, 6):
        texts = docstrings.draw_sentences(k, 80, seed)
        yield f"docstrings, {k} labels", (vectors(texts), np.repeat(np.arange(k), 80))


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
    test = np.setdiff1d(np.arange(len(y)), train)
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
            balanced_accuracy_score(y[test], model.fit(x[train], y[train]).predict(x[test]))
        )
        for name, model in models.items()
    }


def main() -> None:
    """Write the record and print the table."""
    parser = options(__doc__, "few-strength.json", sst2=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    rows = []
    with threadpool_limits(1):
        for seed in arguments.seeds:
            for name, (x, y) in pools(arguments.sst2, seed):
                for many, few in SIZES:
                    for draw in range(DRAWS):
                        accuracies = scores(x, y, many, few, 1000 * seed + draw)
                        rows.append(
                            {
                                "texts": name,
                                "seed": seed,
                                "first": many,
                                "others": few,
                                **accuracies,
                            }
                        )
    keep(arguments.json, rows)
    columns = [*(f"{c:g}" for c in STRENGTHS), "chosen"]
    lines = []
    for name in dict.fromkeys(row["texts"] for row in rows):
        for many, few in SIZES:
            size_rows = [
                r for r in rows if (r["texts"], r["first"], r["others"]) == (name, many, few)
            ]
            means = [f"{100 * np.mean([row[c] for row in size_rows]):.1f}" for c in columns]
            lines.append([name, many, few, *means])
    head = ["texts", "of the first label", "of each other", *(f"C = {c}" for c in columns)]
    print(table(head, lines, right=False))


if __name__ == "__main__":
    main()
