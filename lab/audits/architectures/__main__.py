"""Train and audit the architectures: ``python -m lab.audits.architectures --sst2 FOLDER [--json FILE]``.

A record that is there is continued. ``python -m lab.audits.architectures.page`` writes the page from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from lab.audits.architectures.attention import QMSAN, QSANN
from lab.audits.architectures.claqs import CLAQS
from lab.audits.architectures.discocat import DisCoCat
from lab.audits.architectures.model import QuantumTextModel, audit_model, train
from lab.audits.architectures.texts import (
    MAX_TOKENS,
    Task,
    kitchen_or_computer,
    reduce_tokens,
    sentences,
    sst2,
    token_vectors,
)
from lab.experiments.common import Record, options

SEEDS = 3
RECORD = "architectures.json"
# model, numbers of a token, and training
TOKEN_MODELS: dict[str, tuple[Callable[[], QuantumTextModel], int, dict[str, Any]]] = {
    "QSANN": (lambda: QSANN(6), 18, {"rate": 0.02, "epochs": 40}),
    "QMSAN": (lambda: QMSAN(6), 6, {"rate": 0.02, "epochs": 40}),
    "CLAQS": (lambda: CLAQS(8, 16, MAX_TOKENS), 16, {"rate": 0.02, "epochs": 15, "decay": 0.01}),
}


def figures(task: Task, seed: int) -> dict[str, dict[str, Any]]:
    """Return the figures of each model that is trained on a task, and the accuracy of logistic regression."""
    tokens = token_vectors(task.train), token_vectors(task.test)
    texts = {name: reduce_tokens(*tokens, size) for name, (_, size, _) in TOKEN_MODELS.items()}
    recipes = {name: (make, training) for name, (make, _, training) in TOKEN_MODELS.items()}
    if task.numbers is not None:
        texts["DisCoCat"] = task.numbers
        recipes["DisCoCat"] = (lambda: DisCoCat(sentences()[0]), {"rate": 0.05, "epochs": 40})
    model_figures = {}
    for name, (make, training) in recipes.items():
        x, test = texts[name]
        torch.manual_seed(seed)  # of weights and batches
        model = make()
        train(model, x, task.y, **training)
        model_figures[name] = audit_model(model, x, task.y, test, task.y_test)
    train_means, test_means = (
        np.array([text_vectors.mean(axis=0) for text_vectors in part]) for part in tokens
    )
    linear = LogisticRegression(max_iter=1000).fit(train_means, task.y)
    return model_figures | {
        "logistic regression": {"test": float(linear.score(test_means, task.y_test))}
    }


def main() -> None:
    """Train and audit on each task and seed that the record does not have yet."""
    arguments = options(__doc__, RECORD, sst2=True).parse_args()
    record = Record(arguments.json, "task", "seed")
    torch.set_num_threads(1)
    tasks: dict[str, Callable[[int], Task]] = {
        "kitchen or computer": kitchen_or_computer,
        "SST-2": lambda seed: sst2(arguments.sst2, seed),
    }
    for seed in range(SEEDS):
        for name, task in tasks.items():
            if record.lacks(name, seed):
                row = {"task": name, "seed": seed, "models": figures(task(seed), seed)}
                record.add(row)
                print(row, flush=True)


if __name__ == "__main__":
    main()
