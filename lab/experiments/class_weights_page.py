"""Page of `class_weights`, made from its record: ``python -m lab.experiments.class_weights_page``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lab.experiments.class_weights import HEAD, WAYS
from lab.experiments.common import DOCS, by_keys, facts, options, table, write_page
from qllmft.tasks import with_minus

MODELS = (HEAD, "logistic regression", "SVC", "logistic regression (C = 1)")
COMPARISONS = (("balanced", "none"), ("balanced", "auto"), ("auto", "none"))
Row = dict[str, Any]


def balanced_accuracy(row: Row, model: str, test: Sequence[int]) -> float:
    """Return a model's balanced accuracy on the test texts, in %."""
    shares = [right / total for right, total in zip(row["right"][model], test, strict=True)]
    return float(100 * sum(shares) / len(shares))


def natural_accuracy(row: Row, model: str, test: Sequence[int]) -> float:
    """Return a model's accuracy, in %, on texts of which as many have the rare label as in the training."""
    shares = [right / total for right, total in zip(row["right"][model], test, strict=True)]
    rare = row["seed"] % 2
    return float(100 * (row["share"] * shares[rare] + (1 - row["share"]) * shares[1 - rare]))


def differences(content: dict[str, Any], model: str, way: str, other: str) -> list[float]:
    """Return the differences of balanced accuracies of two ways in points, one for each draw."""
    pairs = by_keys(content["results"], "seed", "size", "share").values()
    values = []
    for rows in pairs:
        scores = {row["way"]: balanced_accuracy(row, model, content["test"]) for row in rows}
        if way in scores and other in scores:
            values.append(scores[way] - scores[other])
    return values


def mean_with_error(values: Sequence[float]) -> str:
    """Return a mean in points with its standard error over the draws, as ``+9.2 ± 0.8``."""
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{with_minus(float(np.mean(values)), '+.1f')} ± {error:.1f}"


def count_cells(values: Sequence[float]) -> list[int]:
    """Return how many differences are above, at and below 0."""
    array = np.array(values)
    return [int((array > 0).sum()), int((array == 0).sum()), int((array < 0).sum())]


def headline(content: dict[str, Any]) -> str:
    """Return the result in a few words."""
    gains = [
        with_minus(float(np.mean(differences(content, HEAD, "balanced", other))), "+.1f")
        for other in ("none", "auto")
    ]
    return f"Balanced weights: {gains[0]} points against none, {gains[1]} against the default"


def render(record: Path, file: Path) -> None:
    """Write the page of a record."""
    content = json.loads(record.read_text(encoding="utf-8"))
    test = content["test"]
    groups = by_keys(content["results"], "size", "share")
    by_way = {key: by_keys(rows, "way") for key, rows in sorted(groups.items())}

    def means(way: Sequence[Row], model: str, score: Any) -> str:
        return f"{np.mean([score(row, model, test) for row in way]):.1f}"

    def scores_table(model: str, score: Any) -> str:
        lines = [
            [
                size,
                f"{100 * share:g} %",
                len(ways["none",]),
                *(means(ways[way,], model, score) for way in WAYS),
            ]
            for (size, share), ways in by_way.items()
        ]
        return table(["training texts", "rare label", "draws", *WAYS], lines)

    comparisons = [
        [model, f"{way} − {other}", len(values), mean_with_error(values), *count_cells(values)]
        for model in MODELS
        for way, other in COMPARISONS
        if (values := differences(content, model, way, other))
    ]
    seeds = sorted({row["seed"] for row in content["results"]})
    write_page(
        Path(__file__).with_name("class_weights_page.md.j2"),
        file,
        headline=headline(content),
        facts=facts(
            {
                "data": f"SST-2, two labels, drawn from {content['pool']:,} of its training texts",
                "test texts": f"{sum(test):,}, all of SST-2's, which chose nothing",
                "seeds": f"{', '.join(map(str, seeds))}, which chose no setting",
                "rare label": "negative with even seeds, positive with odd ones",
                "language model": "all-MiniLM-L6-v2",
            }
        ),
        comparisons=table(
            ["model", "compared", "draws", "points", "higher", "the same", "lower"], comparisons
        ),
        tables=[(model, scores_table(model, balanced_accuracy)) for model in MODELS],
        natural=scores_table(HEAD, natural_accuracy),
    )


def main() -> None:
    """Write the page."""
    arguments = options(__doc__, "class-weights.json").parse_args()
    render(arguments.json, DOCS / "results" / "class-weights.md")


if __name__ == "__main__":
    main()
