"""Page of `bodies`, made from its record: ``python -m lab.experiments.bodies_page``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lab.experiments.bodies import HEAD, LOGISTIC, MINILM
from lab.experiments.common import DOCS, by_keys, facts, options, table, write_page
from qllmft.tasks import with_minus

Row = dict[str, Any]


def percent(rows: Sequence[Row], model: str) -> list[float]:
    """Return the accuracy of a model on each seed in %."""
    return [100 * row["right"][model] / row["test"] for row in rows]


def with_error(values: Sequence[float], form: str = ".1f") -> str:
    """Return a mean with its standard error, as ``80.1 ± 0.3``."""
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{with_minus(float(np.mean(values)), form)} ± {error:.1f}"


def differences(rows: Sequence[Row]) -> list[float]:
    """Return the head's accuracy minus that of logistic regression on each seed, in points."""
    pairs = zip(percent(rows, HEAD), percent(rows, LOGISTIC), strict=True)
    return [head - regression for head, regression in pairs]


def relative_speed(rows: Sequence[Row]) -> str:
    """Return how many times as fast as MiniLM a model embeds, the median over all turns, or "" without a time."""
    ratios = [ratio for row in rows for ratio in row.get("times_as_fast", [])]
    if not ratios:
        return ""
    median = float(np.median(ratios))
    return f"{median:.2g}" if median < 10 else f"{median:.0f}"


def headline(by_body: dict[str, list[Row]]) -> str:
    """Return the result in a few words: what the fastest language model gains and loses."""
    fastest = max(by_body, key=lambda body: float(relative_speed(by_body[body]) or 1))
    accuracies = {body: np.mean(percent(by_body[body], HEAD)) for body in (MINILM, fastest)}
    loss = accuracies[MINILM] - accuracies[fastest]
    times = relative_speed(by_body[fastest])
    return f"{fastest.capitalize()} embeds {times} times as fast as {MINILM}, and loses {loss:.1f} points"


def render(record: Path, file: Path) -> None:
    """Write the page of a record."""
    content = json.loads(record.read_text(encoding="utf-8"))
    by_body = {name: rows for (name,), rows in by_keys(content["results"], "body").items()}
    seeds = sorted({row["seed"] for row in content["results"]})
    columns = ["language model", "dimension", "head", "logistic regression", "difference"]
    write_page(
        Path(__file__).with_name("bodies_page.md.j2"),
        file,
        headline=headline(by_body),
        facts=facts(
            {
                "data": "SST-2, drawn again for each seed",
                "texts of a label": f"{content['train_texts']:,} training, {content['test_texts']} test",
                "seeds": ", ".join(map(str, seeds)),
                "fine-tuning": "none, each language model is frozen",
                "reference": MINILM,
            }
        ),
        accuracies=table(
            [*columns, "times as fast"],
            [
                [
                    name,
                    rows[0]["dimension"],
                    with_error(percent(rows, HEAD)),
                    with_error(percent(rows, LOGISTIC)),
                    with_error(differences(rows), "+.1f"),
                    relative_speed(rows),
                ]
                for name, rows in by_body.items()
            ],
        ),
        timed=content["timed"],
    )


def main() -> None:
    """Write the page."""
    arguments = options(__doc__, "bodies.json").parse_args()
    render(arguments.json, DOCS / "results" / "bodies.md")


if __name__ == "__main__":
    main()
