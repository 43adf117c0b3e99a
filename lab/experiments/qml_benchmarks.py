"""Bowles et al.'s benchmarks: ``python -m lab.experiments.qml_benchmarks``.

Every model has their protocol: five-fold cross-validation of a grid on the training points, then a fit on all of them
for each of five seeds. The test points are read by these fits alone. SVC and MLP have their grids, 16 and 27 points,
and the MLP their 3,000 passes. The quantum head has 36 points, as many as their largest grid of a variational model
trained on these data. Each fit is kept in --fits, so a search that was stopped repeats one fit at most.

In the end the quantum head is compared, on the same test points, with the classical model that cross-validation
prefers: the mean difference by point over the five seeds, with a paired t-test, and Holm over the data sets.

``--theirs FOLDER`` is a checkout of XanaduAI/qml-benchmarks, whose published results on the same points enter the
record. ``--python PYTHON`` has jax, flax, optax, pennylane and scikit-learn, and runs their --models there, with their
grids.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import statistics
import subprocess
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before the libraries that read it; an import changes nothing
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # a small circuit gains nothing from a second thread
    os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")

import numpy as np
from joblib import Memory
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ParameterGrid
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC

from lab.experiments.common import options
from lab.experiments.qml_data import BENCHMARKS, FOLDS, Benchmark, Floats, fit_and_test
from qllmft.sklearn import QuantumHeadClassifier
from qllmft.tasks import Accuracy, PairedDifference, holm

HEAD = "quantum head"
SEEDS = range(5)
MODELS: dict[str, tuple[Any, Mapping[str, Sequence[Any]]]] = {
    HEAD: (
        # the constant keeps the length of a row, which amplitudes of norm 1 lose
        make_pipeline(
            StandardScaler(),
            PolynomialFeatures(1),
            QuantumHeadClassifier("reuploading", random_state=0),
        ),
        {
            "quantumheadclassifier__n_qubits": [2, 4, 6],
            "quantumheadclassifier__reuploads": [1, 2, 4, 8],
            "quantumheadclassifier__ridge_c": [1.0, 100.0, 10_000.0],
        },
    ),
    "SVC": (
        make_pipeline(StandardScaler(), SVC()),
        {"svc__gamma": [0.001, 0.01, 0.1, 1.0], "svc__C": [0.1, 1.0, 10.0, 100.0]},
    ),
    "MLP": (
        make_pipeline(
            StandardScaler(), MLPClassifier(batch_size=32, max_iter=3000, random_state=0)
        ),
        {
            "mlpclassifier__learning_rate_init": [0.001, 0.01, 0.1],
            "mlpclassifier__hidden_layer_sizes": [(100,), (10, 10, 10, 10), (50, 10, 5)],
            "mlpclassifier__alpha": [0.01, 0.001, 0.0001],
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
data = numpy.load(sys.argv[1])
name = sys.argv[2]
Model = getattr(qml_benchmarks.models, name)
grid = construct_hyperparameter_grid(hyper_parameter_settings, name)
started = time.process_time()
search = GridSearchCV(Model(), grid, cv=5, refit=False, error_score="raise").fit(data["x"], data["y"])
models = [Model(**search.best_params_, random_state=seed).fit(data["x"], data["y"]) for seed in range(5)]
wrong = [numpy.flatnonzero(model.predict(data["tx"]) != data["ty"]).tolist() for model in models]
print(json.dumps({"points": len(search.cv_results_["params"]), "chosen": search.best_params_, "validation":
    search.best_score_, "wrong": wrong, "total": len(data["ty"]), "seconds": round(time.process_time() - started, 1)}))
"""


def search_grid(
    fit: Callable[..., Any], model: Any, grid: Mapping[str, Sequence[Any]], data: Benchmark
) -> dict[str, Any]:
    """Return the chosen point of a grid, its accuracy in cross-validation, and the wrong test points of each seed."""
    x, _, _, ty = data.draw()
    points = list(ParameterGrid(dict(grid)))
    folds = [
        [fit(data.name, clone(model).set_params(**point), fold) for fold in range(FOLDS)]
        for point in points
    ]
    wrong = [sum(len(missed) for missed, _ in point_fits) for point_fits in folds]
    best_model = clone(model).set_params(**points[int(np.argmin(wrong))])
    seeded = [name for name in model.get_params() if name.endswith("random_state")]
    test_fits = [
        fit(data.name, best_model.set_params(**dict.fromkeys(seeded, seed)), None) for seed in SEEDS
    ]
    return {
        "points": len(points),
        "chosen": {name.rpartition("__")[2]: best_model.get_params()[name] for name in grid},
        "validation": 1 - min(wrong) / len(x),
        "wrong": [missed for missed, _ in test_fits],
        "total": len(ty),
        "seconds": round(sum(seconds for _, seconds in itertools.chain(*folds, test_fits)), 1),
    }


def by_their_code(
    name: str, data: Benchmark, theirs: Path, python: str, folder: Path
) -> dict[str, Any]:
    """Return the same of one of their models."""
    points = folder / "points.npz"
    x, tx, y, ty = data.draw()
    np.savez(points, x=x, tx=tx, y=y, ty=ty)
    environment = os.environ | {"PYTHONPATH": str(theirs / "src"), "JAX_PLATFORMS": "cpu"}
    command = [python, "-c", THEIR_SCRIPT, str(points), name]
    process = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=environment
    )
    return dict(json.loads(process.stdout.splitlines()[-1]))


def published_accuracies(data: Benchmark, theirs: Path) -> dict[str, float]:
    """Return their published accuracy on the test points by model, the mean over their five seeds, best first."""
    pattern = f"*/*{data.file}*_GridSearchCV-best-hyperparams-results.csv"
    accuracies = {}
    for file in (theirs / "paper" / "results" / data.folder).glob(pattern):
        with file.open() as rows:
            accuracies[file.parent.name] = statistics.mean(
                float(row["test_acc"]) for row in csv.DictReader(rows)
            )
    return dict(sorted(accuracies.items(), key=lambda item: (-item[1], item[0])))


def right_by_point(model_row: dict[str, Any]) -> Floats:
    """Return the share of the seeds that get a test point right, (N,)."""
    missed = np.bincount(list(itertools.chain(*model_row["wrong"])), minlength=model_row["total"])
    return 1 - missed / len(model_row["wrong"])


def compare_heads(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the differences of the quantum head to the classical model that cross-validation prefers, by data set."""
    rows = []
    for name, row in record.items():
        if not set(MODELS) <= set(row["here"]):
            continue
        baselines = {model: model_row for model, model_row in row["here"].items() if model != HEAD}
        best = max(baselines, key=lambda model: baselines[model]["validation"])
        ours, theirs = (
            right_by_point(model_row).tolist() for model_row in (row["here"][HEAD], baselines[best])
        )
        difference = PairedDifference.from_values(ours, theirs)
        rows.append(
            {
                "data": name,
                "baseline": best,
                "mean": difference.value,
                "interval95": difference.interval,
                "p": difference.p,
            }
        )
    adjusted = holm([row["p"] for row in rows])
    return [row | {"p_holm": p} for row, p in zip(rows, adjusted, strict=True)]


def p_in_table(p: float) -> str:
    """Return ``0.094``, or ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def table(record: dict[str, Any]) -> list[str]:
    """Return the rows of the page: accuracies, the paired difference in points with Holm's p, their best."""
    rows = []
    for comparison in compare_heads(record):
        row = record[comparison["data"]]
        means = [f"{right_by_point(row['here'][name]).mean():.3f}" for name in MODELS]
        low, high = (100 * bound for bound in comparison["interval95"])
        p = "–" if comparison["p_holm"] is None else p_in_table(comparison["p_holm"])
        difference = (
            f"{100 * comparison['mean']:+.1f} [{low:+.1f}, {high:+.1f}] to {comparison['baseline']}"
        )
        best, value = next(iter(row["published"].items()))
        cells = [
            comparison["data"],
            *means,
            difference.replace("-", "−"),
            p,
            f"{value:.3f} ({best})",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def describe(model_row: dict[str, Any]) -> str:
    """Return the accuracy with its interval over the test points, at the mean over the seeds."""
    return str(Accuracy(round(float(right_by_point(model_row).sum())), model_row["total"]))


def keep(file: Path, record: dict[str, Any]) -> None:
    """Write the record in the order of the data sets, with its comparisons."""
    ordered = {
        benchmark.name: record[benchmark.name]
        for benchmark in BENCHMARKS
        if benchmark.name in record
    }
    content = {"data": ordered, "comparisons": compare_heads(ordered)}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Search all grids on all data, print a line each, and write the record after each."""
    parser = options(__doc__, "qml-benchmarks.json")
    parser.add_argument(
        "--fits", type=Path, default=Path("runs/qml-benchmarks"), help="folder of finished fits"
    )
    parser.add_argument(
        "--data",
        nargs="+",
        default=[benchmark.name for benchmark in BENCHMARKS],
        help="names of data sets",
    )
    parser.add_argument("--theirs", type=Path, help="checkout of XanaduAI/qml-benchmarks")
    parser.add_argument("--python", help="Python in which their models run")
    parser.add_argument("--models", nargs="*", default=[], help="their models that run, by class")
    arguments = parser.parse_args()
    if arguments.models and not (arguments.theirs and arguments.python):
        parser.error("--models needs --theirs and --python")
    warnings.simplefilter("ignore", ConvergenceWarning)
    fit = Memory(arguments.fits, verbose=0).cache(fit_and_test)
    record = (
        json.loads(arguments.json.read_text("utf-8"))["data"] if arguments.json.exists() else {}
    )
    for data in (benchmark for benchmark in BENCHMARKS if benchmark.name in arguments.data):
        row = record.setdefault(data.name, {"here": {}, "theirs_here": {}, "published": {}})
        if arguments.theirs is not None:
            row["published"] = published_accuracies(data, arguments.theirs)
        for name in (model for model in MODELS if model not in row["here"]):
            row["here"][name] = search_grid(fit, *MODELS[name], data)
            keep(arguments.json, record)
        for name in (model for model in arguments.models if model not in row["theirs_here"]):
            row["theirs_here"][name] = by_their_code(
                name, data, arguments.theirs, arguments.python, arguments.fits
            )
            keep(arguments.json, record)
        for name, model_row in {**row["here"], **row["theirs_here"]}.items():
            print(
                f"{data.name}: {name}: {describe(model_row)}, {model_row['chosen']}, {model_row['seconds']} s",
                flush=True,
            )
    keep(arguments.json, record)
    print(*table(record), sep="\n")


if __name__ == "__main__":
    main()
