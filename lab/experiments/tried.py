"""Heads and classical models tried on drawn texts alone: ``python -m lab.experiments.tried --sst2 FOLDER``.

Five folds within the 512 drawn texts of each of the choosing seeds 0 to 7 of SST-2. Test sets of other seeds include
these texts. Differences are to logistic regression with C = 1 in the same folds. The record has the rows in the order
of `CLASSICAL` and `HEADS`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from lab.experiments.common import draw_sst2, keep, options, vectors
from qllmft import load_preset
from qllmft.baselines import OnLoadedVectors
from qllmft.sklearn import QuantumHeadClassifier

SEEDS = range(8)
ODD = load_preset("odd").config({}).model
PLAIN = load_preset("single-10q").config({}).model


def quadratic(c: float, pad: Literal["zeros", "bias"]) -> OnLoadedVectors:
    """Return an SVM with the encoder's feature map, K = (x·y)²."""
    return OnLoadedVectors(SVC(kernel="poly", degree=2, gamma=1.0, coef0=0.0, C=c), PLAIN, pad)


CLASSICAL: dict[str, Any] = {
    **{
        f"logistic regression, C = {c:g}": LogisticRegression(C=c, max_iter=1000)
        for c in (0.3, 3, 10)
    },
    "SVC, C = 1": SVC(),
    "linear discriminants, shrunk": LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    "logistic regression on 127 axes, unit vectors": OnLoadedVectors(
        LogisticRegression(max_iter=1000), ODD, "zeros"
    ),
    **{f"quadratic kernel, C = {c:g}": quadratic(c, "zeros") for c in (1, 10, 100)},
    **{f"quadratic kernel with a constant, C = {c:g}": quadratic(c, "bias") for c in (1, 10, 100)},
}
NARROW = "odd,model.encoder_qubits=6,model.encoder_layers=14,model.components=63"
HEADS = {
    "odd, 7 qubits, 24 layers: the preset": "odd",
    "odd, 7 qubits, 18 layers": "odd,model.encoder_layers=18",
    "odd, 6 qubits, 14 layers": NARROW,
    "odd, C = 0.3": "odd,train.ridge_c=0.3",
    "odd, C = 3": "odd,train.ridge_c=3",
    "the preset odd-wide": "odd,model.n_encoders=6",
    "odd encoder and re-uploading head of 4 qubits: the preset reuploading": "reuploading",
    "the same, 3 qubits": "reuploading,model.n_qubits=3",
}


def right_answers(estimator: Any, x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """Return the accuracy in the five folds."""
    folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y)
    return sum(
        int((estimator.fit(x[a], y[a]).predict(x[b]) == y[b]).sum()) for a, b in folds
    ) / len(y)


def row(
    head: str, accuracies: list[float], baseline: list[float], parameters: int | None
) -> dict[str, Any]:
    """Return one row: mean difference in percentage points, and its standard error over the seeds."""
    points = 100 * (np.array(accuracies) - np.array(baseline))
    return {
        "head": head,
        "parameters": parameters,
        "fits": 5 * len(points),
        "difference": round(float(points.mean()), 2),
        "standard_error": round(float(points.std(ddof=1) / len(points) ** 0.5), 2),
    }


def make_preset_head(text: str, seed: int) -> QuantumHeadClassifier:
    """Return the estimator of a preset with settings, such as ``odd,train.ridge_c=0.3``."""
    name, *settings = text.split(",")
    return QuantumHeadClassifier(name, settings=settings, random_state=seed)


def main() -> None:
    """Write the record."""
    parser = options(__doc__, "accuracy/tried.json", sst2=True)
    parser.add_argument("--body", default="minilm")
    arguments = parser.parse_args()
    tables = [draw_sst2(arguments.sst2, seed) for seed in SEEDS]
    examples = [(vectors(table.texts, arguments.body), table.labels) for table in tables]

    def accuracies(estimators: list[Any]) -> list[float]:
        runs = zip(estimators, examples, SEEDS, strict=True)
        return [
            right_answers(estimator, *seed_examples, seed)
            for estimator, seed_examples, seed in runs
        ]

    baseline = accuracies([LogisticRegression(max_iter=1000) for _ in SEEDS])
    rows = []
    for head, estimator in CLASSICAL.items():
        fitted = [clone(estimator) for _ in SEEDS]
        head_accuracies = accuracies(fitted)
        linear = getattr(getattr(fitted[-1], "estimator", fitted[-1]), "coef_", None)
        rows.append(
            row(head, head_accuracies, baseline, None if linear is None else linear.size + 1)
        )
    for head, preset in HEADS.items():
        heads = [make_preset_head(preset, seed) for seed in SEEDS]
        head_accuracies = accuracies(heads)
        rows.append(row(head, head_accuracies, baseline, heads[-1].n_parameters_))
    about = (
        "Percentage points against logistic regression at C = 1 in the same folds: five-fold cross-validation within "
        f"the 512 drawn texts of seeds 0 to 7 of SST-2, body {Path(arguments.body).name}; "
        "standard errors over the seeds."
    )
    keep(arguments.json, rows, "sst2", about=about)
    for line in rows:
        print(f"{line['head']}: {line['difference']:+.2f} ± {line['standard_error']:.2f}")


if __name__ == "__main__":
    main()
