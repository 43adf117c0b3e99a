"""Texts of a study's tables, for the console, its page and ``table.md``."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from math import floor, log10
from typing import Any

from qllmft.run.verdict import Verdict
from qllmft.tasks.comparison import RESULTS
from qllmft.tasks.measure import Measure, percent, with_minus
from qllmft.tasks.statistics import MeanInterval
from qllmft_studies.comparison import (
    compare,
    gains,
    gains_of_the_papers_heads,
    papers_margin,
    trends,
)
from qllmft_studies.published import paper_numbers
from qllmft_studies.record import NOT_REGISTERED, RowResult, StudyRecord
from qllmft_studies.seeds import seeds_text
from qllmft_studies.verdict import gain_points, gain_share, limits, verdict

UNCHOSEN_COLUMN = "test texts drawn by no such seed"
PAPERS_EPOCHS = 800


def about(record: StudyRecord) -> str:
    """Return the study's title, with its reduction if it was reduced."""
    return f"{record.title} ({record.reduced})" if record.reduced else record.title


def facts(record: StudyRecord, study_verdict: Verdict) -> dict[str, str]:
    """Return the table of facts of a study's page: those of its verdict, and the conditions of its runs."""
    epochs = record.epochs_text
    has_papers_epochs = record.epochs == PAPERS_EPOCHS and record.epochs_range is None
    if record.measure.in_percent and not has_papers_epochs:
        epochs += f" (the paper: {PAPERS_EPOCHS})"
    registered = "none" if record.registered == NOT_REGISTERED else record.registered
    tuned_labels = [row.label for row in record.rows if row.tuned and record.budget is None]
    tuned_fact = {"settings selected on validation": "; ".join(tuned_labels)}
    return {
        **study_verdict.facts,
        "study": about(record),
        "data": f"{record.data.source}: {record.data.counts}",
        "language model": f"{record.body}, D = {record.body.dimension}",
        "training": epochs,
        **(tuned_fact if tuned_labels else {}),
        "preregistration": registered,
    }


def scores_csv(record: StudyRecord) -> str:
    """Return the rows as CSV: parameters, the mean test score with its 95 % interval, and each seed's score."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    header = ["model", "side", "parameters", "test", "low", "high"]
    writer.writerow([*header, *(f"seed {seed}" for seed in record.seeds)])
    for row in record.rows:
        low, high = row.test_interval.interval or ("", "")
        cells = [safe_cell(row.label), row.side, max(row.parameters), row.test_interval.mean]
        writer.writerow([*cells, low, high, *row.test])
    return lines.getvalue()


def safe_cell(text: str) -> str:
    """Return a user's text that a spreadsheet does not read as a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def mean(scores: Sequence[float], measure: Measure) -> str:
    """Return ``76.40 ± 0.85``, the mean of scores by seed, or "" if there are none."""
    return measure.mean(MeanInterval.from_values(scores)) if scores else ""


def format_test_score(row: RowResult, measure: Measure) -> str:
    """Return a row's test score, with its balanced accuracy if the labels are uneven."""
    balanced = f" (balanced {mean(row.balanced, measure)})" if row.balanced else ""
    return mean(row.test, measure) + balanced


def format_validation_score(row: RowResult, measure: Measure) -> str:
    """Return a row's validation score, with the balanced accuracy that it is selected by if the labels are uneven."""
    text = measure.mean(row.validation_interval, measure.coarse)
    if not row.validation_balanced:
        return text
    balanced = MeanInterval.from_values(row.validation_balanced)
    return f"{text} (balanced {measure.mean(balanced, measure.coarse)})"


def chosen_on(record: StudyRecord) -> str:
    """Return a sentence on the share of the test texts on which settings were chosen, or "" if it is not known."""
    if not record.test_drawn:
        return ""
    chosen_share = sum(record.test_drawn) / len(record.test_drawn)
    seeds = seeds_text(record.choosing_seeds)
    return (
        f"{percent(chosen_share, 0)} % of a seed's test texts are drawn texts of {seeds}, so settings were chosen on "
        f'them. The column "{UNCHOSEN_COLUMN}" has the other {percent(1 - chosen_share, 0)} %.'
    )


def other_score(values: Sequence[float]) -> str:
    """Return ``0.612 ± 0.034``, the mean of a score beside that of the study, with two digits of its interval."""
    interval = MeanInterval.from_values(values)
    if not interval.half_width:
        return with_minus(interval.mean, ".3g")
    digits = min(max(0, 1 - floor(log10(interval.half_width))), 3)
    return f"{with_minus(interval.mean, f',.{digits}f')} ± {interval.half_width:,.{digits}f}"


def parameters(row: RowResult) -> str:
    """Return ``634``, or ``331–352`` if it depends on the seed, as an SVC's support vectors do."""
    low = min(row.parameters)
    high = max(row.parameters)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def published_parameters(row: RowResult) -> str:
    """Return the printed number of parameters, or "" if the paper prints none."""
    count = row.published.parameters if row.published else None
    return "" if count is None else f"{count:,}"


def published_accuracy(row: RowResult, record: StudyRecord) -> str:
    """Return ``● 92.70``, or ``○ 92.70`` if body or texts are not the paper's, or "" if the paper prints none."""
    if row.published is None:
        return ""
    return f"{'●' if record.as_published else '○'} {row.published.accuracy:.2f}"


def published_note(record: StudyRecord) -> str:
    """Return the source of the paper's column and whether it is comparable with ours, or "" without such a column."""
    tables = sorted({row.published.table for row in record.rows if row.published})
    if not tables:
        return ""
    ours = "of what validation chose" if record.budget else "at one setting"
    note = (
        f"Paper: table{'s' if len(tables) > 1 else ''} {', '.join(tables)}, the best test accuracy of a sweep over "
        f"hyperparameters, one number without an interval. Ours are means {ours}."
    )
    if record.as_published:
        return note
    paper = paper_numbers()
    level = (
        "The language models have one dimension, and the columns are those of two similar experiments"
        if record.body.dimension == paper.dimension
        else "The two columns are not comparable"
    )
    return (
        f"{note} ○: published with the language model {paper.body} on {paper.data}, and ours are with {record.body} on "
        f"{record.data.source}. {level}."
    )


def selection_note(record: StudyRecord) -> str:
    """Return how epochs and settings were selected."""
    rule = {
        "accuracy": f"The epoch of each run is the one with the highest validation {record.measure.name}, and the "
        "lowest validation loss among equals",
        "last": "The epoch of each run is the last one",
        "of each row": "The epoch of each run is chosen as its row's setting train.select says",
    }[record.select]
    if record.budget is not None:
        return (
            f"Every row has a budget of {record.budget} settings with each seed: the column settings. The seed draws "
            "them from the space of the row's kind, or takes all of a smaller space. The setting with the highest "
            f"validation {record.compared_name} is tested, among equals that with the lowest validation loss. {rule}. "
            "The test texts are read only for the selected ones."
        )
    return f"{rule}. The test texts are read once per run, for the selected epoch and settings."


_FUNCTIONS: tuple[Callable[..., str], ...] = (
    *(format_test_score, format_validation_score, mean, other_score, published_accuracy),
    *(parameters, published_parameters, gain_points, gain_share),
)


def page_variables(record: StudyRecord) -> dict[str, Any]:
    """Return the variables and functions of the page, of ``table.md`` and of the LaTeX table."""
    comparisons = compare(record)
    study_verdict = verdict(record, comparisons)
    return {
        **{function.__name__: function for function in _FUNCTIONS},
        "record": record,
        "measure": record.measure,
        "others": list(record.rows[0].others),
        "verdict": study_verdict,
        "facts": facts(record, study_verdict),
        "about": about(record),
        "rows": record.rows,
        "stored": any(row.stored for row in record.rows),
        "exact": any(row.test_exact for row in record.rows),
        "apart_name": UNCHOSEN_COLUMN if record.test_drawn else "",
        "chosen_on": chosen_on(record),
        "comparisons": comparisons,
        "results": RESULTS,
        "limits": limits(record),
        "margin": percent(papers_margin(), 2),
        "gains": [*gains(record), *gains_of_the_papers_heads(record)],
        "trends": trends(record),
        "published_note": published_note(record),
        "selection_note": selection_note(record),
    }
