"""Page of the default head: ``python -m lab.experiments.one_head_page`` writes it from the kept records.

They are made by `one_head`, `one_head_runs` and `setfit_heads`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lab.experiments.common import DOCS, by_keys, facts, read_rows, table, write_page
from lab.experiments.one_head import HEAD
from lab.experiments.one_head_runs import LR
from qllmft.tasks import (
    TASK_OF_SCORE,
    MeanInterval,
    PairedDifference,
    judge_differences,
)

RESULTS = {"better": "better", "worse": "worse", "equal": "equivalent", "open": "inconclusive"}
QUANTUM = "quantum head"
WITHOUT = "the same without its circuit"


def read_record(name: str) -> list[dict[str, Any]]:
    """Return the rows of a kept record."""
    return read_rows(DOCS / "records" / f"{name}.json")


def compare_seeds(ours: list[float], theirs: list[float], measure: Any) -> list[str]:
    """Return the cells of a difference over seeds: its mean, interval, and the least that was to be seen."""
    return difference_cells(PairedDifference.from_values(ours, theirs), measure)


def difference_cells(difference: PairedDifference, measure: Any) -> list[str]:
    """Return the cells of `compare_seeds`."""
    least = difference.detectable(0.05)
    return [
        measure.with_sign(difference.value, 2 if measure.in_percent else 3),
        measure.brackets(difference.interval, 2 if measure.in_percent else 3),
        "–" if least is None else f"{measure.factor * least:.{2 if measure.in_percent else 3}f}",
    ]


def folds() -> list[list[str]]:
    """Return the rows of the comparison in five folds, the last cell from Holm's correction over all of them."""
    lines: list[list[str]] = []
    differences: list[tuple[str, str, PairedDifference]] = []
    margins: list[float] = []
    for (task, body), rows in by_keys(read_record("one-head"), "task", "body").items():
        names = [name for name in rows[0]["scores"] if name != HEAD]
        task_scores = [name for name in rows[0]["scores"][HEAD] if name in TASK_OF_SCORE]
        page_scores = [
            *task_scores,
            *(["average precision"] if task_scores == ["macro-F1"] else []),
        ]
        for rival in names:
            for score in page_scores:
                measure = TASK_OF_SCORE[score if score in TASK_OF_SCORE else "macro-F1"].measure
                ours, theirs = (
                    [row["scores"][name][score] for row in rows] for name in (HEAD, rival)
                )
                mean = MeanInterval.from_values(theirs).mean
                value = f"{100 * mean:.1f} %" if measure.in_percent else f"{mean:.3f}"
                score_note = "" if measure.in_percent else f", {score}"
                difference = PairedDifference.from_values(ours, theirs)
                cells = difference_cells(difference, measure)
                lines.append([task, body, f"{rival}{score_note}", str(len(rows)), value, *cells])
                differences.append((HEAD, rival, difference))
                margins.append(measure.margin / measure.factor)
    comparisons = judge_differences(differences, margins)
    return [
        [*line, RESULTS[comparison.outcome]]
        for line, comparison in zip(lines, comparisons, strict=True)
    ]


def outcome_counts(counts: Counter[str]) -> str:
    """Return ``0 better, 1 worse, 5 equivalent, 14 inconclusive``."""
    return ", ".join(f"{counts[result]} {result}" for result in RESULTS.values())


def runs(part: str) -> list[dict[str, Any]]:
    """Return the runs of one part of the record."""
    return [row for row in read_record("one-head-runs") if row["part"] == part]


def shares(rows: list[dict[str, Any]], name: str) -> list[float]:
    """Return the accuracy of a model in each run."""
    return [row["right"][name] / row["texts"] for row in rows]


def mean(values: list[float]) -> str:
    """Return a mean in percent with half of its 95 % interval."""
    mean_interval = MeanInterval.from_values(values)
    width = "" if mean_interval.half_width is None else f" ± {100 * mean_interval.half_width:.2f}"
    return f"{100 * mean_interval.mean:.2f}{width} %"


def whole_runs() -> Iterator[list[str]]:
    """Yield the rows of the runs on SST-2's test texts."""
    measure = TASK_OF_SCORE["accuracy"].measure
    for part in ("SST-2", "SST-2, tuned"):
        for (body,), rows in by_keys(runs(part), "body").items():
            ours = shares(rows, QUANTUM)
            row = [part, body, str(len(rows)), mean(ours), mean(shares(rows, LR))]
            cells = compare_seeds(ours, shares(rows, LR), measure)
            gains = compare_seeds(ours, shares(rows, WITHOUT), measure)
            worst = min(a - b for a, b in zip(ours, shares(rows, LR), strict=True))
            load = f"{100 * np.mean([run['load'] for run in rows]):.1f} %"
            yield [*row, *cells[:2], measure.with_sign(worst, 2), " ".join(gains[:2]), load]


def run_facts(test_runs: list[list[str]]) -> Iterator[tuple[str, str]]:
    """Yield the difference to logistic regression on the test texts for each language model."""
    for data, body, seeds, _, _, difference, interval, *_ in test_runs:
        name = f"test texts of {data}, {body}: head minus logistic regression"
        yield name, f"{difference} points, 95 % CI {interval}, {seeds} seeds"


def noisy() -> Iterator[list[str]]:
    """Yield the rows of noisy machines on the included reviews."""
    rows = runs("noise")
    for name in ("only noise", "Forte's noise", "trained with Forte's noise"):
        machine_answers = [row[name] for row in rows]
        differ = sum(answers["differ"] for answers in machine_answers)
        total = sum(answers["texts"] for answers in machine_answers)
        balanced = mean([answers["balanced"] for answers in machine_answers])
        yield [name, f"{differ} of {total} ({100 * differ / total:.1f} %)", balanced]


def learning() -> Iterator[list[str]]:
    """Yield the rows of bodies that learn with the head."""
    rows = runs("body that learns")
    for name in ("whole", "adapter"):
        body_runs = [row[name] for row in rows]
        yield [
            name,
            str(len(body_runs)),
            mean(shares(body_runs, f"{QUANTUM} and body")),
            mean(shares(body_runs, WITHOUT)),
            mean(shares(body_runs, LR)),
        ]


def qubits() -> tuple[list[list[str]], str, int]:
    """Return the rows of numbers of qubits, the slope of the accuracy in points per qubit, and the number of seeds."""
    scores_by_qubits: dict[int, list[dict[str, Any]]] = {}
    for row in read_record("one-head-qubits"):
        scores_by_qubits.setdefault(int(row["preset"].rpartition("=")[2]), []).append(row["scores"])
    measure = TASK_OF_SCORE["accuracy"].measure
    lines = []
    columns = []
    for n, rows in scores_by_qubits.items():
        ours, theirs = (
            [row[name]["accuracy"] for row in rows] for name in (HEAD, "logistic regression")
        )
        columns.append(ours)
        lines.append([str(n), mean(ours), mean(theirs), *compare_seeds(ours, theirs, measure)[:2]])
    slopes = MeanInterval.from_values(
        np.polyfit(list(scores_by_qubits), np.array(columns), 1)[0].tolist()
    )
    slope = f"{measure.per_qubit(slopes.mean)} {measure.brackets(slopes.interval, 2)}"
    return lines, slope, slopes.n


def setfit() -> Iterator[list[str]]:
    """Yield the rows of heads in SetFit."""
    for row in read_record("one-head-setfit"):
        names = [name for name in row if name not in ("labels", "seed", "texts", "iterations")]
        yield [
            str(row["labels"]),
            str(row["seed"]),
            *(f"{100 * row[name] / row['texts']:.1f} %" for name in names),
        ]


def main(file: Path = DOCS / "results" / "one-head.md") -> None:
    """Write the page."""
    rows = runs("noise")
    sizes, slope, seeds = qubits()
    test_runs = list(whole_runs())
    comparisons = folds()
    counts = Counter(row[-1] for row in comparisons)
    write_page(
        Path(__file__).with_suffix(".md.j2"),
        file,
        folds=table(
            [
                "task",
                "language model",
                "baseline",
                "seeds",
                "baseline's score",
                "difference",
                "95 %",
                "MDE",
                "result",
            ],
            comparisons,
        ),
        headline=f"{len(comparisons)} comparisons: {outcome_counts(counts)}",
        facts=facts(
            {
                "compared": "default head `sines` minus the plainest baselines of each task",
                "test": f"paired t-tests (Holm, {len(comparisons)} comparisons)",
                "equivalence margin": "0.5 points, or 0.01 of macro-F1 or R²",
                **dict(run_facts(test_runs)),
                "settings chosen on": (
                    "seeds 0 and 1 of SST-2, of docstrings with 3 and 6 labels and of real targets"
                ),
            }
        ),
        runs=table(
            [
                *["data", "language model", "seeds", "head", "logistic regression", "difference"],
                *["95 %", "worst seed", "over the no-circuit ablation", "load"],
            ],
            test_runs,
        ),
        qubits=table(
            ["qubits", "head", "logistic regression", "difference", "95 %"],
            sizes,
        ),
        slope=slope,
        qubits_seeds=seeds,
        noise=table(["machine", "labels that differ", "balanced accuracy"], noisy()),
        noise_seeds=len(rows),
        noise_texts=sum(row["texts"] for row in rows),
        exact=mean(shares(rows, QUANTUM)),
        plain=mean(shares(rows, LR)),
        learning=table(
            [
                *["what learns", "seeds", "head", "without its circuit"],
                "logistic regression, body as it was",
            ],
            learning(),
        ),
        setfit=table(["labels", "seed", "logistic regression", "SetFitHead", "`sines`"], setfit()),
    )


if __name__ == "__main__":
    main()
