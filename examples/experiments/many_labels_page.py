"""Page of `many_labels`, made from its record: ``python -m examples.experiments.many_labels_page``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from examples.experiments.common import DOCS, by_keys, options, table, write_page
from qllmft.tasks import with_minus

HEAD = "head"
CONTROL = "no circuit"
PLAIN = "logistic regression, C = 1"
SEARCHED = "logistic regression"
NARROW = "head of 13 qubits"
LOW_RANK = "logistic regression of rank 12"
COLUMNS = (HEAD, CONTROL, PLAIN, SEARCHED, NARROW, LOW_RANK)
MACHINES = (36, 25)  # qubits


def accuracy(rows: list[dict[str, Any]], name: str) -> float | None:
    """Return the mean accuracy of a model in %, or None if it was not trained."""
    if any(name not in row["right"] for row in rows):
        return None
    return float(np.mean([100 * row["right"][name] / row["texts"] for row in rows]))


def cell(value: float | None, form: str = ".1f") -> str:
    """Return a number of a table, "" for none."""
    return "" if value is None else with_minus(value, form)


def difference(rows: list[dict[str, Any]], name: str, other: str) -> str:
    """Return the difference of two mean accuracies in points."""
    first, second = (accuracy(rows, each) for each in (name, other))
    return "" if first is None or second is None else cell(first - second, "+.1f")


def circuits(row: dict[str, Any], qubits: int) -> int:
    """Return the circuits of a text on a machine."""
    registers: int = row["registers"]
    qubits_of_register: int = row["qubits"] // registers
    fitting = max(1, qubits // qubits_of_register)
    return math.ceil(registers / fitting)


def render(record: Path, file: Path) -> None:
    """Write the page of a record."""
    content = json.loads(record.read_text(encoding="utf-8"))
    by_labels = by_keys(content["results"], "labels")
    groups = {k: rows for (k,), rows in sorted(by_labels.items())}
    pairs = [(HEAD, CONTROL), (HEAD, PLAIN), (HEAD, SEARCHED), (NARROW, LOW_RANK)]
    titles = [*(f"to {other}" for _, other in pairs[:3]), f"narrow, to {LOW_RANK}"]
    count = max(len(rows) for rows in groups.values())
    write_page(
        Path(__file__).with_name("many_labels_page.md.j2"),
        file,
        learnt=content["learnt"],
        tested=content["tested"],
        seeds=f", means of {count} draws" if count > 1 else ", one draw",
        accuracies=table(
            ["labels", "test texts", *COLUMNS],
            [
                [k, rows[0]["texts"], *(cell(accuracy(rows, name)) for name in COLUMNS)]
                for k, rows in groups.items()
            ],
        ),
        differences=table(
            ["labels", *titles],
            [[k, *(difference(rows, *pair) for pair in pairs)] for k, rows in groups.items()],
        ),
        circuits=table(
            ["labels", "qubits", "registers", *(f"circuits on {n} qubits" for n in MACHINES)],
            [
                [k, row["qubits"], row["registers"], *(circuits(row, n) for n in MACHINES)]
                for k, (row, *_) in groups.items()
            ],
        ),
    )


def main() -> None:
    """Write the page."""
    given = options(__doc__, "many-labels.json").parse_args()
    render(given.json, DOCS / "results" / "many-labels.md")


if __name__ == "__main__":
    main()
