"""Settings of the contrastive step: ``python -m examples.experiments.contrastive_settings --sst2 FOLDER``.

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

from examples.experiments import debian, docstrings
from examples.experiments.common import Record, drawn_sst2, options, table
from qllmft.config import BodyConfig, ContrastiveConfig
from qllmft.data import Table
from qllmft.embed import Body, TrainableBody
from qllmft.training import contrastive_steps, fit_contrastive

SEEDS = (100, 101)
PAGE = 7  # seed of the sections of Debian in the benchmark of few texts
TRIED = (
    (0, 0, 0.0),  # the frozen body
    (8, 64, 1e-4),
    (20, 64, 5e-5),
)
NAMES = ("epochs", "batch_size", "lr")  # of the settings
SHOWN = 16  # texts of each label for the training, and most others
HELD = 300
Setting = tuple[int, int, float]


def sets(sst2: str, seed: int) -> dict[str, Table]:
    """Return the sets of texts by name."""
    others = list(docstrings.classes().values())[6:12]
    on_page = debian.sections(4, debian.PER_SECTION, PAGE)[1]
    texts = defaultdict(list)
    for each in debian.packages():
        texts[each.section].append(each.text)
    large = [n for n, those in sorted(texts.items()) if n and len(those) >= debian.PER_SECTION]
    left = [name for name in large if name not in on_page]
    names = np.random.default_rng(SEEDS[0]).choice(left, 4, replace=False)
    return {
        "SST-2": drawn_sst2(sst2, seed),
        "Debian": labelled([texts[name][: debian.PER_SECTION] for name in names]),
        "docstrings": labelled(others),
    }


def labelled(classes: list[list[str]]) -> Table:
    """Return the texts of some classes with their numbers as labels."""
    labels = np.repeat(np.arange(len(classes)), [len(texts) for texts in classes])
    return Table([text for texts in classes for text in texts], labels)


def draw(texts: Table, seed: int) -> tuple[Table, Table]:
    """Return the training texts and the others."""
    order = np.random.default_rng(seed).permutation(len(texts))
    labels = texts.labels[order]
    shown = np.concatenate([order[labels == label][:SHOWN] for label in np.unique(labels)])
    held = np.setdiff1d(order, shown, assume_unique=True)
    held = np.random.default_rng(seed).permutation(held)[:HELD]
    return texts.take(shown), texts.take(held)


def tried(shown: Table, held: Table, settings: Setting, seed: int) -> dict[str, Any]:
    """Return the right answers after a step, its steps and its seconds."""
    epochs, batch_size, lr = settings
    body = TrainableBody(Body(BodyConfig(model="minilm")))
    steps = 0
    started = time.process_time()
    if epochs:
        step = ContrastiveConfig(loss="supervised", epochs=epochs, batch_size=batch_size, lr=lr)
        fit_contrastive(body, shown, step, seed)
        steps = contrastive_steps(len(shown), step)
    seconds = round(time.process_time() - started, 1)
    fitted = LogisticRegression(max_iter=1000).fit(body.body.encode(shown.texts), shown.labels)
    right = int((fitted.predict(body.body.encode(held.texts)) == held.labels).sum())
    return {"steps": steps, "right": right, "of": len(held), "seconds": seconds}


def draws(sst2: str) -> Iterator[tuple[str, int, Setting, Table, Table]]:
    """Yield the name of each set, the seed, the settings, and the texts."""
    found = {seed: sets(sst2, seed) for seed in SEEDS}
    for settings, (seed, of_seed) in product(TRIED, found.items()):
        for name, texts in of_seed.items():
            yield name, seed, settings, *draw(texts, seed)


def summary(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Return a line for each settings: right answers in percent by set and seed, and their mean."""
    lines = []
    for settings in TRIED:
        own = [row for row in rows if tuple(row[name] for name in NAMES) == settings]
        percent = [100 * row["right"] / row["of"] for row in own]
        lines.append(
            [f"{value:g}" for value in settings]
            + [f"{value:.1f}" for value in (*percent, np.mean(percent))]
        )
    return lines


def main() -> None:
    """Write the record and print the table."""
    given = options(__doc__, "contrastive-settings.json", sst2=True).parse_args()
    torch.set_num_threads(1)
    record = Record(given.json, "set", "seed", *NAMES)
    for name, seed, settings, shown, held in draws(given.sst2):
        if record.lacks(name, seed, *settings):
            own = {"set": name, "seed": seed, **dict(zip(NAMES, settings, strict=True))}
            record.add({**own, **tried(shown, held, settings, seed)})
            print(record.rows[-1], flush=True)
    columns = [
        f"{name}, {seed}" for seed, name in product(SEEDS, ("SST-2", "Debian", "docstrings"))
    ]
    print(table(["epochs", "batch", "lr", *columns, "mean"], summary(record.rows), right=False))


if __name__ == "__main__":
    main()
