"""Page of `many_labels`, made from its record: ``python -m examples.experiments.many_labels_page``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from examples.experiments.common import DOCS, by_keys, options, table, write_page
from examples.experiments.many_labels import (
    COMPARISONS,
    CONTROL,
    HEAD,
    LOGISTIC,
    LOW_RANK,
    NARROW_HEAD,
    PLAIN_HEAD,
    PLAIN_LOGISTIC,
)
from qllmft.tasks import with_minus

COLUMNS = (HEAD, LOGISTIC, PLAIN_HEAD, PLAIN_LOGISTIC, CONTROL, NARROW_HEAD, LOW_RANK)
MACHINES = (36, 25)  # qubits
Row = dict[str, Any]


def accuracy(rows: Sequence[Row], model: str) -> str:
    """Return the mean accuracy of a model in %, "" if it was not trained."""
    if any(model not in row["right"] for row in rows):
        return ""
    return f"{np.mean([100 * row['right'][model] / row['test'] for row in rows]):.1f}"


def difference(rows: Sequence[Row], comparison: int) -> tuple[float, float] | None:
    """Return the difference of two models in points and its standard error over test texts, None without them."""
    model, baseline = COMPARISONS[comparison]
    if any(model not in row["right"] for row in rows):
        return None
    texts = sum(row["test"] for row in rows)
    both = sum(row["both"][comparison] for row in rows)
    only_model = sum(row["right"][model] for row in rows) - both
    only_baseline = sum(row["right"][baseline] for row in rows) - both
    share = (only_model - only_baseline) / texts
    variance = ((only_model + only_baseline) / texts - share**2) / texts
    return 100 * share, 100 * math.sqrt(variance)


def in_words(value: tuple[float, float] | None) -> str:
    """Return a difference with its standard error, as ``−0.2 ± 0.1``."""
    if value is None:
        return ""
    return f"{with_minus(value[0], '+.1f')} ± {value[1]:.1f}"


def mean_of_lines(groups: Sequence[Sequence[Row]], comparison: int) -> tuple[float, float]:
    """Return the mean difference of all lines, and its standard error over test texts."""
    lines = [line for rows in groups if (line := difference(rows, comparison)) is not None]
    means, errors = np.array(lines).T
    return float(means.mean()), float(np.sqrt(np.square(errors).sum()) / len(lines))


def headline(mean: float, labels: int) -> str:
    """Return the result in a few words."""
    points = f"{abs(mean):.1f}"
    if float(points) == 0:
        return f"The head is level with logistic regression up to {labels} labels"
    side = "below" if mean < 0 else "above"
    return f"The head is {points} points {side} logistic regression up to {labels} labels"


def circuits(row: Row, qubits: int) -> int:
    """Return the circuits of a text on a machine."""
    registers: int = row["registers"]
    qubits_of_register: int = row["qubits"] // registers
    fitting = max(1, qubits // qubits_of_register)
    return math.ceil(registers / fitting)


def largest(rows: Sequence[Row], fact: str, form: str = ",.0f") -> str:
    """Return the largest value of a fact, "" if no row has it."""
    values = [row[fact] for row in rows if fact in row]
    return format(max(values), form) if values else ""


def render(record: Path, file: Path) -> None:
    """Write the page of a record."""
    content = json.loads(record.read_text(encoding="utf-8"))
    by_line = by_keys(content["results"], "texts", "labels")
    order = list(dict.fromkeys(name for name, _ in by_line))
    lines = sorted(by_line.items(), key=lambda line: (order.index(line[0][0]), line[0][1]))
    groups = [rows for _, rows in lines]
    by_labels = sorted(by_keys(content["results"], "labels").items())
    titles = [f"{model} − {baseline}" for model, baseline in COMPARISONS]
    seeds = sorted({row["seed"] for row in content["results"]})
    mean, _ = searched = mean_of_lines(groups, 0)
    write_page(
        Path(__file__).with_name("many_labels_page.md.j2"),
        file,
        headline=headline(mean, max(row["labels"] for row in content["results"])),
        facts=table(
            ["fact", "value"],
            [
                ["compared", "head minus logistic regression, C of both chosen in folds"],
                ["difference", f"{in_words(searched)} points, mean of {len(groups)} lines"],
                [
                    "difference with C = 1",
                    f"{in_words(mean_of_lines(groups, 1))} points, mean of {len(groups)} lines",
                ],
                ["standard errors", "over test texts, paired"],
                ["data", "two sets of texts, one label each"],
                [
                    "texts of a label",
                    f"{content['train_texts']} training, {content['test_texts']} test",
                ],
                ["seeds", f"{', '.join(map(str, seeds))}, which chose no setting"],
                ["language model", "all-MiniLM-L6-v2"],
            ],
            right=False,
        ),
        accuracies=table(
            ["texts", "labels", "draws", "test texts", *COLUMNS],
            [
                [
                    *key,
                    len(rows),
                    sum(row["test"] for row in rows),
                    *(accuracy(rows, model) for model in COLUMNS),
                ]
                for key, rows in lines
            ],
        ),
        differences=table(
            ["texts", "labels", *titles],
            [
                [*key, *(in_words(difference(rows, i)) for i in range(len(COMPARISONS)))]
                for key, rows in lines
            ],
        ),
        costs=table(
            ["labels", "training, s", "training, processor s", "memory, MiB", "one text, ms"],
            [
                [
                    *key,
                    largest(rows, "seconds"),
                    largest(rows, "processor_seconds"),
                    largest(rows, "mebibytes"),
                    largest(rows, "milliseconds_alone", ".1f"),
                ]
                for key, rows in by_labels
            ],
        ),
        circuits=table(
            ["labels", "qubits", "registers", *(f"circuits on {n} qubits" for n in MACHINES)],
            [
                [*key, row["qubits"], row["registers"], *(circuits(row, n) for n in MACHINES)]
                for key, (row, *_) in by_labels
            ],
        ),
    )


def main() -> None:
    """Write the page."""
    given = options(__doc__, "many-labels.json").parse_args()
    render(given.json, DOCS / "results" / "many-labels.md")


if __name__ == "__main__":
    main()
