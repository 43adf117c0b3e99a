"""Texts that are labelled next, by `select_next` or by chance.

The command ``python -m lab.experiments.next_texts --sst2 FOLDER`` writes the record and prints the table.

For each seed, 2,000 random texts of SST-2's training file are the pool, on the body minilm. 50 random ones have labels,
and then 50 more in each of six rounds. Each choice is by logistic regression (C = 1) on the labelled texts so far: by
margin and distance as `qllmft predict --next` chooses, by the margin alone, or by chance. The accuracy is that on all
test texts of SST-2, which choose nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from lab.experiments.common import Record, by_keys, options, table, vectors
from qllmft.answers import margins, select_next

POOL = 2_000
STEP = 50
ROUNDS = 6
RULES = ("margin and distance", "margin alone", "chance")
Texts = tuple[NDArray[np.float32], NDArray[np.int64]]


def read(folder: str, name: str, rows: int | None, seed: int) -> Texts:
    """Return embeddings and labels of a file, or of so many random rows."""
    frame = pd.read_csv(Path(folder) / f"{name}.tsv", sep="\t", quoting=3).drop_duplicates("text")
    if rows is not None:
        frame = frame.iloc[np.random.default_rng(seed).choice(len(frame), rows, replace=False)]
    return vectors(frame["text"].tolist()), frame["label"].to_numpy()


def curve(pool: Texts, test: Texts, rule: str, seed: int) -> list[float]:
    """Return the accuracy on the test texts after each round."""
    x, y = pool
    random = np.random.default_rng(seed)
    known = random.choice(len(y), STEP, replace=False)
    accuracies = []
    for _ in range(ROUNDS + 1):
        model = LogisticRegression(C=1.0, max_iter=500).fit(x[known], y[known])
        accuracies.append(float(model.score(*test)))
        others = np.setdiff1d(np.arange(len(y)), known)
        lead = margins(model.predict_proba(x[others]))
        if rule == "chance":
            chosen = random.choice(len(others), STEP, replace=False)
        elif rule == "margin alone":
            chosen = np.argsort(lead, kind="stable")[:STEP]
        else:
            chosen, _ = select_next(lead, x[others], x[known], STEP)
        known = np.concatenate([known, others[chosen]])
    return accuracies


def main() -> None:
    """Write the record and print the table."""
    parser = options(__doc__, "next-texts.json", sst2=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(101, 111)))
    arguments = parser.parse_args()
    record = Record(arguments.json, "seed", "rule", pool=POOL, step=STEP)
    test = read(arguments.sst2, "test", None, 0)
    with threadpool_limits(1):
        for seed in arguments.seeds:
            pool = read(arguments.sst2, "train", POOL, seed)
            for rule in RULES:
                if record.lacks(seed, rule):
                    record.add(
                        {"seed": seed, "rule": rule, "accuracy": curve(pool, test, rule, seed)}
                    )
    groups = by_keys(record.rows, "rule")
    means = {
        rule: np.mean([row["accuracy"] for row in rows], axis=0) for (rule,), rows in groups.items()
    }
    chance = np.array([row["accuracy"] for row in groups["chance",]])
    lines = [(rule, *(f"{100 * value:.1f}" for value in mean)) for rule, mean in means.items()]
    for rule in RULES[:2]:
        gain = 100 * (np.array([row["accuracy"] for row in groups[rule,]]) - chance)
        error = gain.std(axis=0, ddof=1) / np.sqrt(len(gain))
        cells = zip(gain.mean(axis=0), 1.96 * error, strict=True)
        lines.append(
            (f"{rule}, minus chance", *(f"{mean:+.1f} ± {half:.1f}" for mean, half in cells))
        )
    labels = [f"{STEP * (i + 1)} labels" for i in range(ROUNDS + 1)]
    print(table(["rule", *labels], lines))


if __name__ == "__main__":
    main()
