"""Settings of the contrastive step: ``python -m lab.experiments.contrastive_settings --sst2 FOLDER``.

The supervised step on the body minilm and logistic regression at C = 1, both on 16 texts of each label; right answers
to at most 300 others. The texts are the 512 drawn ones of SST-2, docstrings of the 7th to 12th largest sub-packages
(`docstrings`), and descriptions of packages in four sections of Debian (`debian`). The benchmark of few texts has other
docstrings and sections. Rows of the record ``--json`` are not computed again.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from lab.experiments import debian, docstrings
from lab.experiments.common import Record, draw_sst2, options, table
from qllmft.config import BodyConfig, ContrastiveConfig
from qllmft.data import Table
from qllmft.embed import Body, TrainableBody
from qllmft.training import contrastive_steps, fit_contrastive

SEEDS = (100, 101)
PAGE = 7  # seed of the sections of Debian in the benchmark of few texts
SETTINGS = (
    (0, 0, 0.0),  # the frozen body
    (8, 64, 1e-4),
    (20, 64, 5e-5),
)
NAMES = ("epochs", "batch_size", "lr")  # of the settings
TRAIN_TEXTS = 16  # texts of each label for the training, and most others
MAX_TEST_TEXTS = 300
Setting = tuple[int, int, float]


def sets(sst2: str, seed: int) -> dict[str, Table]:
    """Return the sets of texts by name."""
    docstring_classes = list(docstrings.classes().values())[6:12]
    on_page = debian.sections(4, debian.PER_SECTION, PAGE)[1]
    texts = defaultdict(list)
    for package in debian.packages():
        texts[package.section].append(package.text)
    large = [
        n
        for n, section_texts in sorted(texts.items())
        if n and len(section_texts) >= debian.PER_SECTION
    ]
    other_sections = [name for name in large if name not in on_page]
    names = np.random.default_rng(SEEDS[0]).choice(other_sections, 4, replace=False)
    return {
        "SST-2": draw_sst2(sst2, seed),
        "Debian": label_by_class([texts[name][: debian.PER_SECTION] for name in names]),
        "docstrings": label_by_class(docstring_classes),
    }


def label_by_class(classes: list[list[str]]) -> Table:
    """Return the texts of some classes with their numbers as labels."""
    labels = np.repeat(np.arange(len(classes)), [len(texts) for texts in classes])
    return Table([text for texts in classes for text in texts], labels)


def draw(texts: Table, seed: int) -> tuple[Table, Table]:
    """Return the training texts and the others."""
    order = np.random.default_rng(seed).permutation(len(texts))
    labels = texts.labels[order]
    train_rows = np.concatenate(
        [order[labels == label][:TRAIN_TEXTS] for label in np.unique(labels)]
    )
    test_rows = np.setdiff1d(order, train_rows, assume_unique=True)
    test_rows = np.random.default_rng(seed).permutation(test_rows)[:MAX_TEST_TEXTS]
    return texts.take(train_rows), texts.take(test_rows)


def try_settings(train: Table, test: Table, settings: Setting, seed: int) -> dict[str, Any]:
    """Return the right answers after a step, its steps and its seconds."""
    epochs, batch_size, lr = settings
    body = TrainableBody(Body(BodyConfig(model="minilm")))
    steps = 0
    started = time.process_time()
    if epochs:
        step = ContrastiveConfig(loss="supervised", epochs=epochs, batch_size=batch_size, lr=lr)
        fit_contrastive(body, train, step, seed)
        steps = contrastive_steps(len(train), step)
    seconds = round(time.process_time() - started, 1)
    fitted = LogisticRegression(max_iter=1000).fit(body.body.encode(train.texts), train.labels)
    right = int((fitted.predict(body.body.encode(test.texts)) == test.labels).sum())
    return {"steps": steps, "right": right, "of": len(test), "seconds": seconds}


def draws(sst2: str) -> Iterator[tuple[str, int, Setting, Table, Table]]:
    """Yield the name of each set, the seed, the settings, and the texts."""
    sets_by_seed = {seed: sets(sst2, seed) for seed in SEEDS}
    for settings, (seed, seed_sets) in product(SETTINGS, sets_by_seed.items()):
        for name, texts in seed_sets.items():
            yield name, seed, settings, *draw(texts, seed)


def summary(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Return a line for each settings: right answers in percent by set and seed, and their mean."""
    lines = []
    for settings in SETTINGS:
        setting_rows = [row for row in rows if tuple(row[name] for name in NAMES) == settings]
        percent = [100 * row["right"] / row["of"] for row in setting_rows]
        lines.append(
            [f"{value:g}" for value in settings]
            + [f"{value:.1f}" for value in (*percent, np.mean(percent))]
        )
    return lines


def main() -> None:
    """Write the record and print the table."""
    arguments = options(__doc__, "contrastive-settings.json", sst2=True).parse_args()
    torch.set_num_threads(1)
    record = Record(arguments.json, "set", "seed", *NAMES)
    for name, seed, settings, train, test in draws(arguments.sst2):
        if record.lacks(name, seed, *settings):
            row = {"set": name, "seed": seed, **dict(zip(NAMES, settings, strict=True))}
            record.add({**row, **try_settings(train, test, settings, seed)})
            print(record.rows[-1], flush=True)
    columns = [
        f"{name}, {seed}" for seed, name in product(SEEDS, ("SST-2", "Debian", "docstrings"))
    ]
    print(table(["epochs", "batch", "lr", *columns, "mean"], summary(record.rows), right=False))


if __name__ == "__main__":
    main()
