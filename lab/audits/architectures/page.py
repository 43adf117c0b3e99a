"""Page of the audited architectures: ``python -m lab.audits.architectures.page``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lab.audits.architectures.__main__ import RECORD
from lab.experiments.common import DOCS, facts, read_rows, table, write_page

PAGE = DOCS / "results" / "architectures.md"
SENTENCES = "kitchen or computer"
# of SimCert's paper/tables/results.tex: χ*, accuracy, and that of product states
PUBLISHED = {
    (SENTENCES, "QSANN"): (1, 100.0, 100.0),
    (SENTENCES, "QMSAN"): (1, 100.0, 100.0),
    (SENTENCES, "CLAQS"): (1, 100.0, 100.0),
    (SENTENCES, "DisCoCat"): (2, 93.6, 55.1),
    ("SST-2", "QSANN"): (1, 63.4, 63.5),
    ("SST-2", "QMSAN"): (1, 60.4, 60.4),
    ("SST-2", "CLAQS"): (1, 55.4, 54.4),
}
COLUMNS = {"train": "train", "test": "test", "test_of_products": "test, χ = 1"}
LABELS = {"labels_of_products": "labels, χ = 1", "labels_of_zeros": "labels, no circuit"}
PUBLISHED_HEAD = ("published χ\\*", "published test", "published test, χ = 1")


def mean(rows: list[dict[str, Any]], task: str, model: str, name: str) -> str:
    """Return the mean of a share over seeds, in percent."""
    return (
        f"{100 * np.mean([row['models'][model][name] for row in rows if row['task'] == task]):.1f}"
    )


def bonds(rows: list[dict[str, Any]], task: str, model: str, name: str) -> str:
    """Return the least bond of each seed, or one number if all are equal."""
    least_bonds = [str(row["models"][model]["bonds"][name]) for row in rows if row["task"] == task]
    return ", ".join(least_bonds if len({*least_bonds}) > 1 else least_bonds[:1])


def models(rows: list[dict[str, Any]], task: str) -> str:
    """Return the table of the models of a task."""
    head = ["", "qubits", "χ\\*", "χ of 99 % of labels", *COLUMNS.values(), *LABELS.values()]
    lines = []
    for (published_task, model), published in PUBLISHED.items():
        if published_task == task:
            qubits = rows[0]["models"][model]["qubits"]
            least = [bonds(rows, task, model, name) for name in ("accuracy", "most")]
            shares = [mean(rows, task, model, name) for name in (*COLUMNS, *LABELS)]
            lines.append([model, qubits, *least, *shares, *published])
    return table([*head, *PUBLISHED_HEAD], lines)


def published_agreement(rows: list[dict[str, Any]]) -> str:
    """Return for how many models and tasks the least bond of every seed is the published one: ``7 of 7``."""
    count = sum(
        bonds(rows, task, model, "accuracy") == str(least)
        for (task, model), (least, *_) in PUBLISHED.items()
    )
    return f"{count} of {len(PUBLISHED)}"


def main() -> None:
    """Write the page."""
    rows = read_rows(DOCS / "records" / RECORD)
    template_values = {
        f"{name}_{key}": text
        for key, task in (("sentences", SENTENCES), ("sst2", "SST-2"))
        for name, text in (
            ("models", models(rows, task)),
            ("linear", mean(rows, task, "logistic regression", "test")),
        )
    }
    agreement = published_agreement(rows)
    write_page(
        Path(__file__).with_suffix(".md.j2"),
        PAGE,
        headline=f"χ\\* is the published one in {agreement} cases",
        facts=facts(
            {
                "models and tasks with the published χ\\* in every seed": agreement,
                "seeds": len({row["seed"] for row in rows}),
                "published": "[SimCert](https://github.com/minhaz-42/simcert-qnlp)",
                "audited with": "`qllmft_audit.state_bonds`",
            }
        ),
        **template_values,
    )


if __name__ == "__main__":
    main()
