"""Wrong labels that are found.

The command ``python -m lab.experiments.suspects --sst2 FOLDER`` writes the record and prints the table.

For each seed, 1,500 random texts of SST-2's training file, of which 5 % get the other label. `qllmft.train` with five
folds on the body minilm gives each text a held-out probability, by the head and by logistic regression.
`find_suspects` ranks the texts by the probability of their own label. It marks as many as confident learning
estimates.

With the package cleanlab installed, its own rules rank the same probabilities. Beside them stand the texts whose
predicted label is another one, in the order of the file. Precision is the share of the flipped labels among the texts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import qllmft
from lab.experiments.common import Record, by_keys, options, table
from qllmft.inference import Suspects, find_suspects

SHARE = 0.05  # of wrong labels
FIRST = 50
FOLDS = 5
ROWS = {"quantum head": None, "logistic regression (C = 1)": "logistic regression (C = 1)"}
CLEANLAB_RANKS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")


def draw(folder: str, seed: int, count: int) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Return texts with labels, some of which were flipped, and whether each was."""
    frame = pd.read_csv(Path(folder) / "train.tsv", sep="\t", quoting=3)
    frame = frame.drop_duplicates("text")
    random = np.random.default_rng(seed)
    frame = frame.iloc[random.choice(len(frame), count, replace=False)].reset_index(drop=True)
    flipped = np.zeros(count, bool)
    flipped[random.choice(count, round(SHARE * count), replace=False)] = True
    frame["label"] = np.where(flipped, 1 - frame["label"], frame["label"])
    return frame[["text", "label"]], flipped


def precisions(order: NDArray[np.int64], flipped: NDArray[np.bool_]) -> dict[str, float]:
    """Return the share of flipped labels among the first 50 texts of an order, and among the first 5 % of all."""
    share = round(SHARE * len(flipped))
    return {
        "precision_50": float(flipped[order[:FIRST]].mean()),
        "precision_share": float(flipped[order[:share]].mean()),
    }


def marked(is_marked: NDArray[np.bool_], flipped: NDArray[np.bool_]) -> dict[str, float]:
    """Return the number of texts that a rule marks, with its precision and its recall."""
    found = int((is_marked & flipped).sum())
    count = int(is_marked.sum())
    return {
        "marked": count,
        "precision": found / count if count else 0.0,
        "recall": found / int(flipped.sum()),
    }


def orders(
    found: Suspects, labels: NDArray[np.int64]
) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.bool_] | None]]:
    """Yield the name of each rule, its order of the texts, and which ones it marks."""
    places = np.array([(suspect.row or 0) - 2 for suspect in found.found])
    own = np.empty(len(labels))
    own[places] = [suspect.probability_of_label for suspect in found.found]
    is_marked = np.zeros(len(labels), bool)
    is_marked[places] = [suspect.likely_wrong for suspect in found.found]
    yield "qllmft suspects", places, is_marked
    others = np.flatnonzero(own < 0.5)
    is_other = own < 0.5
    yield (
        "other label predicted, order of the file",
        np.r_[others, np.flatnonzero(~is_other)],
        is_other,
    )
    if find_spec("cleanlab") is None:
        return
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    probabilities = np.empty((len(labels), 2))
    probabilities[np.arange(len(labels)), labels] = own
    probabilities[np.arange(len(labels)), 1 - labels] = 1.0 - own
    for method in CLEANLAB_RANKS:
        adjusts = method != "confidence_weighted_entropy"
        scores = get_label_quality_scores(
            labels, probabilities, method=method, adjust_pred_probs=False
        )
        yield f"cleanlab, {method}", np.argsort(scores, kind="stable"), None
        if adjusts:
            scores = get_label_quality_scores(
                labels, probabilities, method=method, adjust_pred_probs=True
            )
            yield f"cleanlab, {method}, adjusted", np.argsort(scores, kind="stable"), None
    own_order = np.argsort(own, kind="stable")
    for rule in ("prune_by_noise_rate", "prune_by_class", "confident_learning"):
        issues = find_label_issues(labels, probabilities, filter_by=rule, n_jobs=1)
        yield f"cleanlab, {rule}", own_order[np.argsort(~issues[own_order], kind="stable")], issues


def main() -> None:
    """Write the record and print the table."""
    parser = options(__doc__, "suspects.json", sst2=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103])
    parser.add_argument("--texts", type=int, default=1_500)
    arguments = parser.parse_args()
    record = Record(arguments.json, "seed", "model", "rule", share=SHARE, folds=FOLDS)
    for seed in arguments.seeds:
        if not record.lacks(seed, "quantum head", "qllmft suspects"):
            continue
        frame, flipped = draw(arguments.sst2, seed, arguments.texts)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "texts.csv"
            frame.to_csv(file, index=False)
            run = qllmft.train(
                file,
                body="minilm",
                out=Path(folder) / "run",
                data__folds=FOLDS,
                data__protocol="split",
                baselines__names=["logistic_regression_c1"],
            )
            for name, row in ROWS.items():
                found = find_suspects(run.folder.path, row)
                for rule, order, is_marked in orders(found, frame["label"].to_numpy()):
                    marks: dict[str, Any] = {} if is_marked is None else marked(is_marked, flipped)
                    record.add(
                        {
                            "seed": seed,
                            "model": name,
                            "rule": rule,
                            "texts": len(frame),
                            "flipped": int(flipped.sum()),
                            **precisions(order, flipped),
                            **marks,
                        }
                    )
    print(report(record.rows))


def report(rows: list[dict[str, Any]]) -> str:
    """Return the table of means over the seeds."""
    head = ["model", "rule", "precision at 50", "precision at 5 %", "marked", "precision", "recall"]

    def mean(group: list[dict[str, Any]], name: str, digits: int = 2) -> str:
        values = [row[name] for row in group if name in row]
        return f"{np.mean(values):.{digits}f}" if values else ""

    return table(
        head,
        [
            (
                *key,
                mean(group, "precision_50"),
                mean(group, "precision_share"),
                mean(group, "marked", 0),
                mean(group, "precision"),
                mean(group, "recall"),
            )
            for key, group in by_keys(rows, "model", "rule").items()
        ],
        left=["rule"],
    )


if __name__ == "__main__":
    main()
