"""Sections of the paper's page from studies: body of its size, accuracy per qubit, budget of the difference, epochs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qllmft import UserError, load_preset
from qllmft.campaign import Comparison, RowResult, StudyRecord, Trend, compare, trends
from qllmft.config import flat
from qllmft.tasks import MeanInterval, PairedDifference
from qllmft_studies.published import paper_numbers

STUDIES = ("paper-size", "budget", "figure8", "which-part", "epochs")


@dataclass(frozen=True)
class Budget:
    """Difference between a printed accuracy and ours, and its change by one thing at a time."""

    printed: float  # in percent
    label: str  # of the printed row
    where: str  # table
    start: RowResult  # the paper's letter
    changes: tuple[tuple[RowResult, Comparison], ...]
    # gains of choices by test accuracy, which are no results
    on_test: tuple[tuple[str, MeanInterval], ...]

    def remaining_difference(self, row: RowResult) -> float:
        """Return the rest of the difference in percentage points, if this row is in the place of the letter."""
        return self.printed - 100 * row.test_interval.mean


def sections(records: Sequence[StudyRecord]) -> dict[str, Any]:
    """Return the page's variables of the studies. UserError if a study has no section, or is given twice."""
    records_by_study: dict[str, StudyRecord] = {}
    for record in records:
        if (
            record.study not in STUDIES
            or record.study in records_by_study
            or record.score != "accuracy"
        ):
            problem = (
                "was given twice"
                if record.study in records_by_study
                else "has no section on this page"
            )
            raise UserError(
                f"the study {record.study} {problem}, expected each of {', '.join(STUDIES)} at most once."
            )
        records_by_study[record.study] = record
    size, budget, figure8, part, epochs = (records_by_study.get(name) for name in STUDIES)
    return {
        "size": size,
        "printed": {} if size is None else {row.label: printed_accuracy(row) for row in size.rows},
        "budget": budget,
        "budgets": [] if budget is None else budgets(budget),
        "without_head": [] if budget is None else without_head(budget),
        "parts": [study for study in (figure8, part) if study is not None],
        "epochs": epochs,
        "longer": [] if epochs is None else longer(epochs),
        "lines": [
            (study, line, printed_slope(study, line))
            for study in (figure8, part)
            if study is not None
            for line in trends(study)
        ],
    }


def printed_accuracy(row: RowResult) -> float | None:
    """Return the paper's accuracy of a row's head or baseline on its frozen body, in percent, or None without one."""
    for value in paper_numbers().values_for("accuracy"):
        baseline = load_preset(value.preset).baseline if value.preset else None
        # only a head has selected epochs
        is_head = row.preset == value.preset and bool(row.epochs) and not row.settings
        if value.preset and (row.model == baseline if baseline else is_head):
            return value.value
    return None


def budgets(record: StudyRecord) -> list[Budget]:
    """Return a budget for each group of rows whose baseline is a row of the paper."""
    compared = {c.subject: c for c in compare(record)}
    row_budgets = []
    for start in record.select_rows("baseline"):
        value = paper_numbers().value_for_preset("accuracy", start.preset)
        if value is None:
            continue
        rows = [row for row in record.select_rows("subject") if row.group == start.group]
        changes = tuple((row, compared[row.label]) for row in rows)
        row_budgets.append(
            Budget(
                value.value, value.label, value.where, start, changes, _chosen_on_test(start, rows)
            )
        )
    return row_budgets


def without_head(record: StudyRecord) -> list[tuple[str, PairedDifference]]:
    """Return the differences, in words, between the letter and the model without a head and their steps in between.

    The model without a head has an initial latent scale of 1 and exact values. Empty if the study lacks one of these
    rows.
    """
    settings = {row.label: flat(row.settings) for row in record.rows}
    letter = _only(row for row in record.select_rows("baseline") if row.preset == "single-10q")
    none = _only(row for row in record.rows if row.preset == "single-10q-no-head")
    scaled = _only(row for row in record.rows if settings[row.label] == {"model.latent_scale": 1.0})
    exact = _only(row for row in record.rows if settings[row.label] == {"noise.shots": 0})
    if not (letter and none and scaled and exact):
        return []
    pairs = {
        "no head − letter: head, scale and shots at once": (none, letter),
        "letter with scale 1 − letter": (scaled, letter),
        "letter with exact values − letter": (exact, letter),
        "no head − letter with scale 1": (none, scaled),
    }
    return [
        (words, PairedDifference.from_values(a.test, b.test)) for words, (a, b) in pairs.items()
    ]


def _only(rows: Iterable[RowResult]) -> RowResult | None:
    """Return the one row, or None for none or several."""
    row_list = list(rows)
    return row_list[0] if len(row_list) == 1 else None


def longer(record: StudyRecord) -> list[tuple[RowResult, RowResult, Comparison]]:
    """Return the rows with few epochs, each with the row of its group with more epochs and their comparison."""
    rows = {row.label: row for row in record.rows}
    return [(rows[c.baseline], rows[c.subject], c) for c in compare(record)]


def _chosen_on_test(
    start: RowResult, rows: Sequence[RowResult]
) -> tuple[tuple[str, MeanInterval], ...]:
    """Return the gains over the letter if each seed's best row by test accuracy is taken, of the sweep and of all."""
    sweep = [row for row in rows if flat(row.settings).keys() == {"train.lr"}]
    choices = {f"the best of {len(sweep) + 1} learning rates by test accuracy": sweep}
    choices[f"the best of all {len(rows) + 1} rows by test accuracy"] = list(rows)
    gains = {
        words: np.max([start.test, *(row.test for row in choice_rows)], axis=0)
        for words, choice_rows in choices.items()
    }
    return tuple(
        (words, MeanInterval.from_values((gains[words] - np.array(start.test)).tolist()))
        for words, choice_rows in choices.items()
        if choice_rows
    )


def printed_slope(record: StudyRecord, line: Trend) -> tuple[float, tuple[int, ...]] | None:
    """Return the slope of the paper's accuracies in [0, 1] per qubit, and their numbers of qubits.

    They are all that the paper prints between the line's first and last one. None for fewer than two.
    """
    points = {
        row.qubits: value.value / 100
        for row in record.rows
        if row.series == line.series and not row.settings and row.qubits in line.qubits
        if (value := paper_numbers().value_for_preset("accuracy", row.preset)) is not None
        and row.qubits is not None
    }
    if len(points) < 2:
        return None
    slope = float(np.polyfit(list(points), list(points.values()), 1)[0])
    return round(slope, 9), tuple(sorted(points))  # the last bits differ between processors
