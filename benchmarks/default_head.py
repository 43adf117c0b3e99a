"""Presets against logistic regression by cross-validation: ``python benchmarks/default_head.py --sst2 FOLDER``.

Five folds within the drawn texts of SST-2 (512 of each seed) and of tasks of 2 to 6 labels: first sentences of
docstrings of the installed packages (see docstrings.py), 80 of each label. No test text is read. The difference is to
logistic regression with C = 1 in the same folds. ``--json FILE`` keeps the record.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from qllmft.config import BodyConfig
from qllmft.config.presets import load_preset
from qllmft.embed import body_identity, embed, locate_body
from qllmft.run import SharedInputs
from qllmft.run.choice import choose
from qllmft.training import Examples
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from docstrings import classes

PER_LABEL = 80


def sst2(folder: str, body: str, seed: int) -> Examples:
    """Return the drawn texts of SST-2, training and validation, as embeddings and labels."""
    config, inputs = (
        load_preset("odd").config({"data.source": folder, "body.model": body, "seed": seed}),
        SharedInputs(),
    )
    splits = inputs.splits(config.data, seed)
    texts = [*splits.train.texts, *splits.validation.texts]
    return Examples.from_arrays(
        embed(texts, config.body).vectors, np.concatenate([splits.train.labels, splits.validation.labels])
    )


def docstrings(k: int, body: str, seed: int) -> Examples:
    """Return `PER_LABEL` sentences of each of k sub-packages that the seed draws."""
    found = classes()
    random = np.random.default_rng(seed)
    names = random.choice(sorted(found), k, replace=False)
    texts = [text for name in names for text in random.permutation(found[name])[:PER_LABEL].tolist()]
    return Examples.from_arrays(embed(texts, BodyConfig(model=body)).vectors, np.repeat(np.arange(k), PER_LABEL))


def compare(examples: Examples, presets: list[str], seed: int) -> tuple[float, dict[str, dict[str, float]]]:
    """Return the accuracy of logistic regression, and the results of the presets by name."""
    x, y = examples.x.numpy(), examples.y.numpy()
    k, config = len(np.unique(y)), load_preset("auto").config({"candidates": presets, "seed": seed})
    right, results = 0, {name: {"right": 0, "loss": 0.0} for name in presets}
    for rows, held in StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y):
        right += int((LogisticRegression(max_iter=1000).fit(x[rows], y[rows]).predict(x[held]) == y[held]).sum())
        parts = [Examples(examples.x[torch.from_numpy(r)], examples.y[torch.from_numpy(r)]) for r in (rows, held)]
        for each in choose(config, *parts, k, tuned_body=True)[1].tried:
            found = results[each.name]
            found["right"] += each.right
            found["loss"] += each.loss * each.total
            found["parameters"] = each.parameters
    n = len(y)
    return right / n, {name: {**r, "loss": r["loss"] / n, "accuracy": r["right"] / n} for name, r in results.items()}


def main() -> None:
    """Compare, print a line per task, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sst2", help="folder of SST-2; without it, only docstrings")
    parser.add_argument("--body", default="minilm")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(8)))
    parser.add_argument("--labels", type=int, nargs="*", default=[2, 3, 4, 5, 6])
    parser.add_argument("--presets", nargs="+", default=["odd", "odd-wide", "reuploading"])
    parser.add_argument("--json", help="file of the record")
    given = parser.parse_args()
    tasks = [("SST-2", 2, lambda s: sst2(given.sst2, given.body, s))] if given.sst2 else []
    tasks += [(f"{k} sub-packages", k, lambda s, k=k: docstrings(k, given.body, s)) for k in given.labels]
    body = BodyConfig(model=given.body)
    record = {"body": body_identity(body, locate_body(body)), "folds": 5, "results": []}
    for name, k, make in tasks:
        for seed in given.seeds:
            started = time.process_time()
            baseline, results = compare(make(seed), given.presets, seed)
            seconds = round(time.process_time() - started, 1)
            row = {"task": name, "labels": k, "seed": seed, "logistic_regression": baseline, "presets": results}
            record["results"].append(row | {"seconds": seconds})
            texts = [f"{p} {100 * (r['accuracy'] - baseline):+.2f} (loss {r['loss']:.4f})" for p, r in results.items()]
            print(f"{name}, seed {seed}: {100 * baseline:.2f}; {', '.join(texts)}; {seconds} s", flush=True)
            if given.json:
                Path(given.json).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
