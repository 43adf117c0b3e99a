"""MTEB's classification protocol with this project's heads: ``python -m lab.experiments.mteb_tasks --json FILE``.

It needs the package mteb. A task draws 8 texts per label ten times, fits an estimator on the embeddings of each draw
and predicts the whole test split. MTEB's estimator is logistic regression; here each of `ESTIMATORS` has the same
draws. ``--tasks`` are names of MTEB's classification tasks, whose data come from the hub; ``--sst2`` is a folder with
train.tsv and test.tsv, a task that needs no network.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mteb
import numpy as np
from datasets import Dataset, DatasetDict
from mteb.abstasks.classification import AbsTaskClassification
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from lab.experiments.common import options, vectors
from qllmft.config import DataConfig
from qllmft.data import Table, read_corpus
from qllmft.sklearn import QuantumHeadClassifier
from qllmft.tasks import MeanInterval

ESTIMATORS: dict[str, Any] = {
    "logistic regression": LogisticRegression(max_iter=100),  # MTEB's own
    "odd": QuantumHeadClassifier("odd"),
    "reuploading": QuantumHeadClassifier("reuploading"),
    "single-10q": QuantumHeadClassifier("single-10q", epochs=40),
}


class Body(AbsEncoder):  # type: ignore[misc]
    """Sentence transformer of a configuration as MTEB's encoder, with this project's cache."""

    def __init__(self, body: str) -> None:
        self.body = body
        self.mteb_model_meta = ModelMeta.create_empty(
            {"name": f"local/{Path(body).name}", "revision": "local"}
        )

    def encode(self, inputs: Iterable[dict[str, list[str]]], **_: object) -> NDArray[np.float32]:
        """Return vectors (N, D) of batches of texts."""
        return vectors((text for batch in inputs for text in batch["text"]), self.body)


class LocalTask(AbsTaskClassification):  # type: ignore[misc]
    """Classification of a training and a test table, which are read from this machine."""

    def __init__(self, name: str, train: Table, test: Table) -> None:
        self.metadata = TaskMetadata(
            name=name,
            description="Texts on this machine.",
            reference=None,
            dataset={"path": "local", "revision": "local"},
            type="Classification",
            category="t2c",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="accuracy",
        )
        super().__init__()
        parts = {"train": train, "test": test}
        self.dataset = DatasetDict(
            {
                name: Dataset.from_dict({"text": list(part.texts), "label": part.labels.tolist()})
                for name, part in parts.items()
            }
        )
        self.data_loaded = True

    def load_data(self, **_: object) -> None:
        """Do nothing: the tables are given."""


def compare(
    task: AbsTaskClassification, body: Body, estimators: Sequence[str] = tuple(ESTIMATORS)
) -> dict[str, Any]:
    """Return the accuracy of each estimator on the task's draws, and the mean differences to the first of them."""
    accuracies = {}
    for name in estimators:
        task.evaluator_model = ESTIMATORS[name]
        result = mteb.evaluate(body, task, cache=None, show_progress_bar=False, co2_tracker=False)
        scores = result.task_results[0].scores["test"][0]
        accuracies[name] = [
            experiment["accuracy"] for experiment in scores["scores_per_experiment"]
        ]
    first = accuracies[estimators[0]]
    comparison: dict[str, Any] = {
        "samples_per_label": task.samples_per_label,
        "draws": len(first),
        "estimators": {},
    }
    for name, values in accuracies.items():
        row: dict[str, Any] = {
            "accuracy": asdict(MeanInterval.from_values(values)),
            "draws": values,
        }
        if name != estimators[0]:
            row["difference"] = asdict(
                MeanInterval.from_values([a - b for a, b in zip(values, first, strict=True)])
            )
        comparison["estimators"][name] = row
    return comparison


def main() -> None:
    """Run the tasks, print a line per estimator, and write the record."""
    parser = options(__doc__, sst2=False)
    parser.add_argument("--body", default="minilm")
    parser.add_argument(
        "--tasks", nargs="*", default=[], help="MTEB's tasks, such as Banking77Classification"
    )
    parser.add_argument(
        "--estimators", nargs="+", default=list(ESTIMATORS), choices=list(ESTIMATORS)
    )
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    tasks: list[AbsTaskClassification] = (
        list(mteb.get_tasks(arguments.tasks)) if arguments.tasks else []
    )
    if arguments.sst2 is not None:
        splits = read_corpus(DataConfig(source=arguments.sst2)).splits
        tasks.append(LocalTask("SST2Local", splits["train"], splits["test"]))
    record: dict[str, Any] = {
        "mteb": mteb.__version__,
        "body": Path(arguments.body).name,
        "tasks": {},
    }
    for task in tasks:
        comparison = record["tasks"][task.metadata.name] = compare(
            task, Body(arguments.body), arguments.estimators
        )
        for name, row in comparison["estimators"].items():
            mean = row["accuracy"]
            print(
                f"{task.metadata.name}: {name}: {100 * mean['mean']:.2f} ± {100 * mean['half_width']:.2f} %",
                flush=True,
            )
        arguments.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
