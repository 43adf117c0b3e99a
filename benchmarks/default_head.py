"""Presets against logistic regression by cross-validation: ``python benchmarks/default_head.py --sst2 FOLDER``.

Five folds within the drawn texts of SST-2 (512 of each seed) and of tasks of 2 to 6 labels: first sentences of
docstrings of the installed packages (see docstrings.py), 80 of each label. Only drawn texts are read. The difference
is to logistic regression with C = 1 in the same folds. With ``--nested`` the last column is the structure that a run
without a preset takes, chosen anew by five folds within each training part. Rows that the record ``--json`` has
already are not computed again.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
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


def folds(examples: Examples, seed: int) -> Iterator[tuple[Examples, Examples]]:
    """Yield the training part and the held-out part of each of five folds."""
    cut = StratifiedKFold(5, shuffle=True, random_state=seed)
    for rows, held in cut.split(examples.x, examples.y):
        yield examples.take(rows), examples.take(held)


def logistic_regression(examples: Examples, seed: int) -> float:
    """Return the accuracy of logistic regression with C = 1 on the held-out parts."""
    right = 0
    for learnt, held in folds(examples, seed):
        fitted = LogisticRegression(max_iter=1000).fit(learnt.x.numpy(), learnt.y.numpy())
        right += int((fitted.predict(held.x.numpy()) == held.y.numpy()).sum())
    return right / len(examples)


def compare(examples: Examples, presets: list[str], seed: int) -> dict[str, dict[str, Any]]:
    """Return the results of the presets on the held-out parts by name."""
    k, config = len(examples.y.unique()), load_preset("odd").config({"seed": seed})
    offered = config.model_copy(update={"candidates": tuple(map(candidate, presets))})
    results = {name: {"right": 0, "loss": 0.0} for name in presets}
    for learnt, held in folds(examples, seed):
        for each in choose(offered, learnt, held, k, tuned_body=True)[1].tried:
            found = results[each.name]
            found["right"] += each.right
            found["loss"] += each.loss * each.total
            found["parameters"] = each.parameters
    n = len(examples)
    return {
        name: {**r, "loss": r["loss"] / n, "accuracy": r["right"] / n}
        for name, r in results.items()
    }


def taken(examples: Examples, seed: int) -> dict[str, Any]:
    """Return the accuracy of the structure that a run without a preset takes, by nested folds.

    The structure is chosen within each training part by the rule of a run and trained on that part. The held-out part
    has chosen nothing.
    """
    offered = load_preset("auto").config({"seed": seed})
    k, right, names = len(examples.y.unique()), 0, Counter[str]()
    for learnt, held in folds(examples, seed):
        name = choose(offered, learnt, None, k)[1].taken.name
        one = tuple(each for each in offered.candidates if each.name == name)
        alone = offered.model_copy(update={"candidates": one})
        right += int(choose(alone, learnt, held, k, tuned_body=True)[1].taken.right)
        names[name] += 1
    return {"right": right, "accuracy": right / len(examples), "folds_by_structure": dict(names)}


def table(rows: list[dict[str, Any]]) -> str:
    """Return the mean differences to logistic regression as Markdown, with their standard errors over the seeds.

    A mean over fewer seeds than the task has says over how many.
    """
    presets = list(dict.fromkeys(name for row in rows for name in row["presets"]))
    names = [f"`{name.replace(',', '`, `')}`" for name in presets]  # a page breaks between two
    nested = any("taken" in row for row in rows)
    heads = ["task", "language model", "seeds", "LR", *names, *(["taken"] if nested else [])]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for task, body in dict.fromkeys((row["task"], row["body"]) for row in rows):
        of_task = [row for row in rows if (row["task"], row["body"]) == (task, body)]
        baseline = 100 * np.mean([row["logistic_regression"] for row in of_task])
        found = [[row["presets"].get(name) for row in of_task] for name in presets]
        found += [[row.get("taken") for row in of_task]] if nested else []
        cells = [task, f"`{body}`", str(len(of_task)), f"{baseline:.1f} %"]
        cells += [difference(column, of_task) for column in found]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def difference(column: list[dict[str, Any] | None], rows: list[dict[str, Any]]) -> str:
    """Return the mean difference of a column's accuracies to logistic regression, or "" without any."""
    points = [
        100 * (each["accuracy"] - row["logistic_regression"])
        for each, row in zip(column, rows, strict=True)
        if each
    ]
    if not points:
        return ""
    n = len(points)
    error = f" ± {np.std(points, ddof=1) / n**0.5:.2f}" if n > 1 else ""
    few = f" ({n} seed{'s' if n > 1 else ''})" if n < len(rows) else ""
    return f"{np.mean(points):+.2f}".replace("-", "−") + error + few


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
    parser.add_argument(
        "--nested", action="store_true", help="also the structure that a run takes, nested folds"
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
        nested = given.nested and "taken" not in row
        if not missing and not nested:
            continue
        examples = make(model, seed)
        baseline = row["logistic_regression"] = logistic_regression(examples, seed)
        results = compare(examples, missing, seed) if missing else {}
        row["presets"] |= results
        if nested:
            row["taken"] = taken(examples, seed)
        record = {"folds": 5, "results": list(known.values())}
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        tried = results | ({"taken": row["taken"]} if nested else {})
        texts = [f"{name} {100 * (r['accuracy'] - baseline):+.2f}" for name, r in tried.items()]
        print(f"{task}, {body}, seed {seed}: {100 * baseline:.2f}; {', '.join(texts)}", flush=True)
    print(table(list(known.values())))


if __name__ == "__main__":
    main()
