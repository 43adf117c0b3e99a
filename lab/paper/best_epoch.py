"""Optimism of an epoch chosen on the texts it is judged on: ``python -m lab.paper.best_epoch --sst2 FOLDER``.

What must not be done, and how much it would give: the paper's letter at 10 qubits is trained at each learning rate of
table VI, and judged after every epoch on drawn texts of the choosing seeds 0 to 7 that its own seed did not draw. Four
choices are compared there: epoch by validation or by those texts, learning rate of the letter or the best of the table
by either. No test text of a study is read beyond the drawn ones. ``--json FILE`` keeps the record,
and ``--page FILE`` writes the table.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from qllmft import RunConfig, load_preset
from qllmft.embed import embed
from qllmft.heads import build_classifier
from qllmft.run import SharedInputs
from qllmft.tasks import MeanInterval, PairedDifference
from qllmft.training import EpochMetrics, Examples, evaluate, fit
from qllmft_backends import create

LETTER = 2.5e-3  # learning rate of the preset
RATES = (1e-3, 1.5e-3, 2e-3, LETTER, 3e-3, 5e-3)  # of table VI
CHOOSING = range(8)
CHOICES = {
    "epoch by validation": ("validation", False),
    "best epoch by the judging texts": ("judged", False),
    "epoch and learning rate by validation": ("validation", True),
    "best epoch and learning rate by the judging texts": ("judged", True),
}


def draw_texts(config: RunConfig, inputs: SharedInputs, seed: int) -> dict[str, int]:
    """Return the drawn texts of a seed, training and validation, with their labels."""
    splits = inputs.splits(config.data, seed)
    return {
        text: int(label)
        for part in (splits.train, splits.validation)
        for text, label in zip(part.texts, part.labels, strict=True)
    }


def curves(config: RunConfig, inputs: SharedInputs) -> dict[str, Any]:
    """Train one head, and return by epoch its accuracy and loss on the validation texts, and accuracy on the others."""
    splits = inputs.splits(config.data, config.seed)
    own_texts = draw_texts(config, inputs, config.seed)
    choosing_texts = {
        text: label for seed in CHOOSING for text, label in draw_texts(config, inputs, seed).items()
    }
    judging_texts = {text: label for text, label in choosing_texts.items() if text not in own_texts}
    train, validation, judge = (
        Examples.from_arrays(embed(list(texts), config.body).vectors, np.fromiter(labels, np.int64))
        for texts, labels in (
            (splits.train.texts, splits.train.labels),
            (splits.validation.texts, splits.validation.labels),
            (judging_texts.keys(), judging_texts.values()),
        )
    )
    backend = create(config.backend.name, config.backend_options)
    model = build_classifier(config.model, train.x.shape[1], 2, seed=config.seed, backend=backend)
    epoch_rows: list[list[float]] = []

    def on_epoch(metrics: EpochMetrics) -> None:
        epoch_rows.append([metrics.score, metrics.validation_loss, evaluate(model, judge)[1]])

    fit(model, train, validation, config.train, config.seed, on_epoch=on_epoch)
    columns = ("validation", "validation_loss", "judged")
    by_name = {
        name: list(values)
        for name, values in zip(columns, zip(*epoch_rows, strict=True), strict=True)
    }
    return {"texts": len(judging_texts), "dimension": train.x.shape[1], **by_name}


def select_accuracy(runs: dict[float, dict[str, Any]], by: str, rates: tuple[float, ...]) -> float:
    """Return the accuracy on the judging texts of the epoch and rate with the highest accuracy ``by`` some texts.

    Among equals the validation loss decides, as in a run.
    """
    points = [
        (runs[rate][by][i], -runs[rate]["validation_loss"][i], runs[rate]["judged"][i])
        for rate in rates
        for i in range(len(runs[rate]["judged"]))
    ]
    return float(max(points)[-1])


def table(record: dict[str, Any]) -> str:
    """Return the page of a record."""
    by_seed = [
        {run["lr"]: run for run in record["runs"] if run["seed"] == seed}
        for seed in record["seeds"]
    ]
    results = {
        name: [select_accuracy(runs, by, RATES if swept else (LETTER,)) for runs in by_seed]
        for name, (by, swept) in CHOICES.items()
    }
    first = next(iter(results.values()))
    lines = []
    differences = {}
    for name, values in results.items():
        mean = MeanInterval.from_values(values)
        paired = PairedDifference.from_values(values, first)
        low, high = paired.interval or (paired.value, paired.value)
        difference = (
            f"{100 * paired.value:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"
            if values is not first
            else ""
        )
        differences[name] = difference
        lines.append(
            f"| {name} | {100 * mean.mean:.2f} ± {100 * (mean.half_width or 0):.2f} | {difference} |"
        )
    seeds = record["seeds"]
    judged_names = [name for name, (by, _) in CHOICES.items() if by == "judged"]
    most = max(np.mean(results[name]) - np.mean(first) for name in judged_names)
    return PAGE.format(
        headline=f"Choosing on the judging texts adds up to {100 * most:.2f} points",
        gains="\n".join(f"| {name} | {differences[name]} points |" for name in judged_names),
        texts=record["texts"],
        dimension=record["dimension"],
        epochs=record["epochs"],
        first=seeds[0],
        last=seeds[-1],
        rows="\n".join(lines),
    )


PAGE = """# What choosing on the judging texts would give

**{headline}**

This is what must not be done, and how much it would add.

| fact | value |
|---|---|
{gains}
| model | paper's letter at 10 qubits (`single-10q`) |
| training | {epochs} epochs at each learning rate of table VI |
| language model | frozen, {dimension} dimensions |
| seeds | {first} to {last} |

After every epoch the model is judged on about {texts:,} texts that seeds 0 to 7 drew and its own seed did not.
A choice by validation reads the 77 validation texts, as every run does.
A choice by the judging texts reads the accuracy that it then reports.

| choice of the epoch and of the learning rate | accuracy, % | difference to the first, points |
|---|---|---|
{rows}

Accuracies are means on the judging texts ± half of the 95 % interval over the seeds.
Differences are paired by seed.
The first command makes [the record](../records/best-epoch.json), and the second one makes this page from it.

    python -m lab.paper.best_epoch --sst2 <SST-2> --body <body>
    python -m lab.paper.best_epoch --page docs/results/best-epoch.md
"""


def main() -> None:
    """Train what the record lacks, write it, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sst2", help="folder of SST-2; without it, only the page of the record is made"
    )
    parser.add_argument("--body", default="sentence-transformers/all-mpnet-base-v2")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(8, 13)))
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--json", type=Path, default=Path("docs/records/best-epoch.json"))
    parser.add_argument("--page", type=Path, help="file of the page")
    arguments = parser.parse_args()
    if arguments.sst2:
        inputs = SharedInputs()
        record: dict[str, Any] = {"epochs": arguments.epochs, "seeds": arguments.seeds, "runs": []}
        for seed in arguments.seeds:
            for lr in RATES:
                settings = {
                    "data.source": arguments.sst2,
                    "body.model": arguments.body,
                    "seed": seed,
                }
                settings |= {
                    "train.epochs": arguments.epochs,
                    "train.lr": lr,
                    "baselines.names": [],
                }
                config = load_preset("single-10q").config(settings)
                run_curves = curves(config, inputs)
                record |= {
                    "texts": run_curves.pop("texts"),
                    "dimension": run_curves.pop("dimension"),
                }
                record["runs"].append({"seed": seed, "lr": lr, **run_curves})
                arguments.json.write_text(json.dumps(record) + "\n", encoding="utf-8")
                print(
                    f"seed {seed}, learning rate {lr:g}: {max(run_curves['judged']):.4f} at best",
                    flush=True,
                )
    page = table(json.loads(arguments.json.read_text(encoding="utf-8")))
    if arguments.page:
        arguments.page.write_text(page, encoding="utf-8")
    else:
        print(page)


if __name__ == "__main__":
    main()
