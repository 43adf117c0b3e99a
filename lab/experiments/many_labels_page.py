"""Page of `many_labels`, made from its record: ``python -m lab.experiments.many_labels_page``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lab.experiments.common import DOCS, by_keys, options, table, write_page
from lab.experiments.many_labels import (
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
COMPARISONS = (
    (HEAD, LOGISTIC),
    (PLAIN_HEAD, PLAIN_LOGISTIC),
    (HEAD, CONTROL),
    (NARROW_HEAD, LOW_RANK),
)
MACHINES = (36, 25)  # qubits
Row = dict[str, Any]


def accuracy(rows: Sequence[Row], model: str) -> str:
    """Return the mean accuracy of a model in %, "" if it was not trained."""
    if any(model not in row["right"] for row in rows):
        return ""
    return f"{np.mean([100 * row['right'][model] / row['test'] for row in rows]):.1f}"


def difference(rows: Sequence[Row], model: str, baseline: str) -> float | None:
    """Return the difference of two models' accuracies in points, None without them."""
    if any(model not in row["right"] for row in rows):
        return None
    counts = sum(row["right"][model] - row["right"][baseline] for row in rows)
    return float(100 * counts / sum(row["test"] for row in rows))


def in_points(value: float | None) -> str:
    """Return a difference with its sign, "" for none."""
    return "" if value is None else with_minus(value, "+.1f")


def mean_of_lines(
    groups: Sequence[Sequence[Row]], model: str, baseline: str
) -> tuple[float, float]:
    """Return the mean difference of all lines, and its standard error over the lines."""
    differences = [difference(rows, model, baseline) for rows in groups]
    lines = np.array([value for value in differences if value is not None])
    return float(lines.mean()), float(lines.std(ddof=1) / np.sqrt(len(lines)))


def with_error(mean: float, error: float) -> str:
    """Return a mean with its standard error, as ``−0.2 ± 0.1``."""
    return f"{in_points(mean)} ± {error:.1f}"


def headline(mean: float, error: float, labels: int) -> str:
    """Return the result in a few words."""
    if abs(mean) < 2 * error:
        return f"No clear difference from logistic regression up to {labels} labels"
    side = "below" if mean < 0 else "above"
    return f"The head is {abs(mean):.1f} points {side} logistic regression up to {labels} labels"


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
    searched, plain = (mean_of_lines(groups, *pair) for pair in COMPARISONS[:2])
    write_page(
        Path(__file__).with_name("many_labels_page.md.j2"),
        file,
        headline=headline(*searched, max(row["labels"] for row in content["results"])),
        facts=table(
            ["fact", "value"],
            [
                ["compared", "head minus logistic regression, C of both chosen in folds"],
                ["difference", f"{with_error(*searched)} points, mean of {len(groups)} lines"],
                [
                    "difference with C = 1",
                    f"{with_error(*plain)} points, mean of {len(groups)} lines",
                ],
                ["standard errors", "over the lines"],
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
                [*key, *(in_points(difference(rows, *pair)) for pair in COMPARISONS)]
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
    arguments = options(__doc__, "many-labels.json").parse_args()
    render(arguments.json, DOCS / "results" / "many-labels.md")


if __name__ == "__main__":
    main()
