"""Bowles et al.'s benchmarks: ``python benchmarks/qml_benchmarks.py --json docs/records/qml-benchmarks.json``.

Every model has their protocol: five-fold cross-validation of a grid on the training points, then a fit on all of them
for each of five seeds. The test points are read by these fits alone. The grids of the quantum head and of the MLP have
8 points each, that of the SVC is theirs with 16; theirs for quantum models have 3 to 108.

``--theirs FOLDER`` is a checkout of XanaduAI/qml-benchmarks, whose published results on the same points enter the
record. ``--python PYTHON`` has jax, flax, optax, pennylane and scikit-learn, and runs their --models there, with their
grids.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from qllmft.sklearn import QuantumHeadClassifier
from qllmft.statistics import Accuracy
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC

from qml_data import BENCHMARKS, Benchmark

SEEDS = range(5)
HEAD = QuantumHeadClassifier("reuploading", epochs=40, random_state=0)
MODELS: dict[str, tuple[Any, Mapping[str, Sequence[Any]]]] = {
    "quantum head": (
        # the constant keeps the length of a row, which amplitudes of norm 1 lose
        make_pipeline(StandardScaler(), PolynomialFeatures(1), HEAD),
        {
            "quantumheadclassifier__n_qubits": [2, 4],
            "quantumheadclassifier__reuploads": [2, 4],
            "quantumheadclassifier__ridge_c": [1.0, 100.0],
        },
    ),
    "SVC": (
        make_pipeline(StandardScaler(), SVC()),
        {"svc__gamma": [0.001, 0.01, 0.1, 1.0], "svc__C": [0.1, 1.0, 10.0, 100.0]},
    ),
    "MLP": (
        make_pipeline(StandardScaler(), MLPClassifier(batch_size=32, max_iter=200, random_state=0)),
        {
            "mlpclassifier__learning_rate_init": [0.001, 0.01],
            "mlpclassifier__hidden_layer_sizes": [(100,), (50, 10, 5)],
            "mlpclassifier__alpha": [0.01, 0.0001],
        },
    ),
    "logistic regression": (
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        {"logisticregression__C": [0.001, 0.01, 0.1, 1.0, 10.0, 100.0]},
    ),
}
THEIR_SCRIPT = """
import json, sys, time
import numpy
from sklearn.model_selection import GridSearchCV
import qml_benchmarks.models
from qml_benchmarks.hyperparam_search_utils import construct_hyperparameter_grid
from qml_benchmarks.hyperparameter_settings import hyper_parameter_settings
data, name = numpy.load(sys.argv[1]), sys.argv[2]
Model, grid = getattr(qml_benchmarks.models, name), construct_hyperparameter_grid(hyper_parameter_settings, name)
started = time.process_time()
search = GridSearchCV(Model(), grid, cv=5, refit=False, error_score="raise").fit(data["x"], data["y"])
models = [Model(**search.best_params_, random_state=seed).fit(data["x"], data["y"]) for seed in range(5)]
right = [int((model.predict(data["tx"]) == data["ty"]).sum()) for model in models]
print(json.dumps({"points": len(search.cv_results_["params"]), "chosen": search.best_params_, "validation":
    search.best_score_, "right": right, "total": len(data["ty"]), "seconds": round(time.process_time() - started, 1)}))
"""


def searched(model: Any, grid: Mapping[str, Sequence[Any]], benchmark: Benchmark) -> dict[str, Any]:
    """Return the chosen point of a grid, its accuracy in cross-validation, and the right answers of each seed."""
    x, tx, y, ty = benchmark.draw()
    started = time.process_time()
    search = GridSearchCV(model, dict(grid), cv=5, refit=False, error_score="raise").fit(x, y)
    seeded = [name for name in model.get_params() if name.endswith("random_state")]
    right = []
    for seed in SEEDS:
        fitted = clone(model).set_params(**search.best_params_, **dict.fromkeys(seeded, seed)).fit(x, y)
        right.append(int((fitted.predict(tx) == ty).sum()))
    return {
        "points": len(search.cv_results_["params"]),
        "chosen": {name.rpartition("__")[2]: value for name, value in search.best_params_.items()},
        "validation": float(search.best_score_),
        "right": right,
        "total": len(ty),
        "seconds": round(time.process_time() - started, 1),
    }


def by_their_code(name: str, benchmark: Benchmark, theirs: Path, python: str, folder: Path) -> dict[str, Any]:
    """Return the same of one of their models."""
    points = folder / "points.npz"
    np.savez(points, **dict(zip(("x", "tx", "y", "ty"), benchmark.draw(), strict=True)))
    environment = os.environ | {"PYTHONPATH": str(theirs / "src"), "JAX_PLATFORMS": "cpu"}
    command = [python, "-c", THEIR_SCRIPT, str(points), name]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return dict(json.loads(found.stdout.splitlines()[-1]))


def published(benchmark: Benchmark, theirs: Path) -> dict[str, float]:
    """Return their published accuracy on the test points by model, the mean over their five seeds, best first."""
    pattern = f"*/*{benchmark.file}*_GridSearchCV-best-hyperparams-results.csv"
    found = {}
    for file in (theirs / "paper" / "results" / benchmark.folder).glob(pattern):
        with file.open() as rows:
            found[file.parent.name] = statistics.mean(float(row["test_acc"]) for row in csv.DictReader(rows))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def describe(found: dict[str, Any]) -> str:
    """Return the accuracy with its interval over the test points, at the mean over the seeds."""
    return str(Accuracy(round(statistics.mean(found["right"])), found["total"]))


def kept(file: Path, benchmark: Benchmark) -> dict[str, Any]:
    """Return the part of the record that is of one data set."""
    record = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return dict(record.get(benchmark.name, {"here": {}, "theirs_here": {}, "published": {}}))


def keep(file: Path, benchmark: Benchmark, part: str, found: dict[str, Any]) -> None:
    """Write results into the record."""
    record = json.loads(file.read_text("utf-8")) if file.exists() else {}
    row = kept(file, benchmark)
    row[part] = row[part] | found
    known = record | {benchmark.name: row}
    ordered = {each.name: known[each.name] for each in BENCHMARKS if each.name in known}
    file.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Search all grids on all data, print a line each, and write the record after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--json", type=Path, required=True, help="file of the record; what it has is not computed again"
    )
    parser.add_argument("--data", nargs="+", default=[each.name for each in BENCHMARKS], help="names of data sets")
    parser.add_argument("--theirs", type=Path, help="checkout of XanaduAI/qml-benchmarks")
    parser.add_argument("--python", help="Python in which their models run")
    parser.add_argument("--models", nargs="*", default=[], help="their models that run, by class")
    given = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    for benchmark in (each for each in BENCHMARKS if each.name in given.data):
        if given.theirs is not None:
            keep(given.json, benchmark, "published", published(benchmark, given.theirs))
        known = kept(given.json, benchmark)
        for name in (each for each in MODELS if each not in known["here"]):
            keep(given.json, benchmark, "here", {name: searched(*MODELS[name], benchmark)})
        if given.theirs is not None and given.python is not None:
            for name in (each for each in given.models if each not in known["theirs_here"]):
                found = by_their_code(name, benchmark, given.theirs, given.python, given.json.parent)
                keep(given.json, benchmark, "theirs_here", {name: found})
        for name, found in {**(row := kept(given.json, benchmark))["here"], **row["theirs_here"]}.items():
            print(f"{benchmark.name}: {name}: {describe(found)}, {found['chosen']}, {found['seconds']} s", flush=True)


if __name__ == "__main__":
    main()
