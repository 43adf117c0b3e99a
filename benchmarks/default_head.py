"""Presets against logistic regression by cross-validation: ``python benchmarks/default_head.py --sst2 FOLDER``.

Five folds within the drawn texts of SST-2 (512 of each seed) and of tasks of 2 to 6 labels: first sentences of
docstrings of the installed packages (see docstrings.py), 80 of each label. Only drawn texts are read. The difference
is to logistic regression with C = 1 in the same folds. Rows that the record ``--json`` has already are not computed
again.
"""

from __future__ import annotations

import argparse
import json
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import torch
from qllmft.config import BodyConfig, Candidate
from qllmft.config.presets import load_preset
from qllmft.config.settings import parse_settings
from qllmft.embed import embed, published_name
from qllmft.run import SharedInputs
from qllmft.run.choice import choose
from qllmft.training import Examples
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from docstrings import classes

PER_LABEL = 80

all_classes = cache(classes)  # the sources are read once


def sst2(folder: str, body: str, seed: int) -> Examples:
    """Return the drawn texts of SST-2, training and validation, as embeddings and labels."""
    config, inputs = (
        load_preset("odd").config({"data.source": folder, "body.model": body, "seed": seed}),
        SharedInputs(),
    )
    splits = inputs.splits(config.data, seed)
    texts = [*splits.train.texts, *splits.validation.texts]
    return Examples.from_arrays(
        embed(texts, config.body).vectors,
        np.concatenate([splits.train.labels, splits.validation.labels]),
    )


def docstring_texts(k: int, seed: int) -> list[str]:
    """Return `PER_LABEL` sentences of each of k sub-packages that the seed draws, label after label."""
    found = all_classes()
    random = np.random.default_rng(seed)
    names = random.choice(sorted(found), k, replace=False)
    return [text for name in names for text in random.permutation(found[name])[:PER_LABEL].tolist()]


def docstrings(k: int, body: str, seed: int) -> Examples:
    """Return the embeddings and labels of `docstring_texts`."""
    vectors = embed(docstring_texts(k, seed), BodyConfig(model=body)).vectors
    return Examples.from_arrays(vectors, np.repeat(np.arange(k), PER_LABEL))


def candidate(text: str) -> Candidate:
    """Return the structure and training of a preset with settings, such as ``odd,train.ridge_c=0.3``."""
    name, *settings = text.split(",")
    config = load_preset(name).config(parse_settings(settings))
    return Candidate(name=text, model=config.model, train=config.train)


def compare(
    examples: Examples, presets: list[str], seed: int
) -> tuple[float, dict[str, dict[str, float]]]:
    """Return the accuracy of logistic regression, and the results of the presets by name."""
    x, y = examples.x.numpy(), examples.y.numpy()
    k, candidates = len(np.unique(y)), tuple(map(candidate, presets))
    config = load_preset("odd").config({"seed": seed}).model_copy(update={"candidates": candidates})
    right, results = 0, {name: {"right": 0, "loss": 0.0} for name in presets}
    for rows, held in StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y):
        right += int(
            (
                LogisticRegression(max_iter=1000).fit(x[rows], y[rows]).predict(x[held]) == y[held]
            ).sum()
        )
        parts = [
            Examples(examples.x[torch.from_numpy(r)], examples.y[torch.from_numpy(r)])
            for r in (rows, held)
        ]
        for each in choose(config, *parts, k, tuned_body=True)[1].tried:
            found = results[each.name]
            found["right"] += each.right
            found["loss"] += each.loss * each.total
            found["parameters"] = each.parameters
    n = len(y)
    return right / n, {
        name: {**r, "loss": r["loss"] / n, "accuracy": r["right"] / n}
        for name, r in results.items()
    }


def table(rows: list[dict]) -> str:
    """Return the mean differences to logistic regression as Markdown, with their standard errors over the seeds.

    A mean over fewer seeds than the task has says over how many.
    """
    presets = list(dict.fromkeys(name for row in rows for name in row["presets"]))
    names = [f"`{name.replace(',', '`, `')}`" for name in presets]  # a page breaks between two
    lines = [f"| task | language model | seeds | LR | {' | '.join(names)} |"]
    lines.append("|---" * (4 + len(presets)) + "|")
    for task, body in dict.fromkeys((row["task"], row["body"]) for row in rows):
        of_task = [row for row in rows if (row["task"], row["body"]) == (task, body)]
        baseline = 100 * np.mean([row["logistic_regression"] for row in of_task])
        cells = [task, f"`{body}`", str(len(of_task)), f"{baseline:.1f} %"]
        for name in presets:
            measured = [row for row in of_task if name in row["presets"]]
            found = [
                row["presets"][name]["accuracy"] - row["logistic_regression"] for row in measured
            ]
            error = (
                f" ± {100 * np.std(found, ddof=1) / len(found) ** 0.5:.2f}"
                if len(found) > 1
                else ""
            )
            count = f"{len(found)} seed{'s' if len(found) > 1 else ''}"
            few = f" ({count})" if len(found) < len(of_task) else ""
            mean = f"{100 * np.mean(found):+.2f}".replace("-", "−") if found else ""
            cells.append(f"{mean}{error}{few}" if found else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Compute the rows that the record lacks, write it after each, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sst2", help="folder of SST-2; without it, only docstrings")
    parser.add_argument(
        "--bodies", nargs="*", default=["minilm"], help="none: only print the table of the record"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(3)))
    parser.add_argument("--labels", type=int, nargs="*", default=[2, 3, 4, 5, 6])
    parser.add_argument(
        "--presets",
        nargs="+",
        default=["odd", "odd-wide", "reuploading"],
        help="or odd,train.ridge_c=3",
    )
    parser.add_argument("--json", type=Path, default=Path("docs/records/default-head.json"))
    given = parser.parse_args()
    rows = (
        json.loads(given.json.read_text(encoding="utf-8"))["results"] if given.json.exists() else []
    )
    known = {(row["task"], row["body"], row["seed"]): row for row in rows}
    tasks = {"SST-2": lambda body, seed: sst2(given.sst2, body, seed)} if given.sst2 else {}
    tasks |= {
        f"{k} sub-packages": lambda body, seed, k=k: docstrings(k, body, seed) for k in given.labels
    }
    for model, (task, make), seed in product(given.bodies, tasks.items(), given.seeds):
        body = published_name(BodyConfig(model=model))
        row = known.setdefault(
            (task, body, seed), {"task": task, "body": body, "seed": seed, "presets": {}}
        )
        missing = [preset for preset in given.presets if preset not in row["presets"]]
        if not missing:
            continue
        baseline, results = compare(make(model, seed), missing, seed)
        row["logistic_regression"] = baseline
        row["presets"] |= results
        record = {"folds": 5, "results": list(known.values())}
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        texts = [
            f"{p} {100 * (r['accuracy'] - baseline):+.2f} (loss {r['loss']:.4f})"
            for p, r in results.items()
        ]
        print(f"{task}, {body}, seed {seed}: {100 * baseline:.2f}; {', '.join(texts)}", flush=True)
    print(table(list(known.values())))


if __name__ == "__main__":
    main()
