"""What a study's tables say, on the console, on its page and in ``table.md``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qllmft.baselines.classical import PLAIN_LOGISTIC_REGRESSION
from qllmft.baselines.compressed import PRINCIPAL_AXES, QUANTISED, RANDOM_AXES
from qllmft.baselines.trained import LOW_RANK, PERCEPTRON
from qllmft.campaign.bodies import moves, papers_margin
from qllmft.campaign.comparison import Comparison, limits
from qllmft.campaign.record import RowResult, StudyRecord
from qllmft.campaign.verdict import p_value, share, signed, verdict, with_interval
from qllmft.published import published
from qllmft.statistics import MeanInterval

OUTCOMES = {"better": "wins", "worse": "loses", "open": "open"}


def about(record: StudyRecord) -> str:
    """The study's title, and what is left of it where it was reduced."""
    return f"{record.title} ({record.reduced})" if record.reduced else record.title


def accuracy(interval: MeanInterval, digits: int = 2) -> str:
    """``76.40 ± 0.85``, in percent; ``76.40`` where there is one seed."""
    mean = f"{100 * interval.mean:.{digits}f}"
    return mean if interval.half_width is None else f"{mean} ± {100 * interval.half_width:.{digits}f}"


def parameters(row: RowResult) -> str:
    """``634``, or ``331–352`` where it depends on the seed, as an SVC's support vectors do."""
    low, high = min(row.parameters), max(row.parameters)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def published_parameters(row: RowResult) -> str:
    """The count that the paper prints; nothing where it prints none."""
    count = row.published.parameters if row.published else None
    return "" if count is None else f"{count:,}"


def published_accuracy(row: RowResult, record: StudyRecord) -> str:
    """``● 92.70``, or ``○ 92.70`` where body or texts are not the paper's; nothing where it prints none."""
    if row.published is None:
        return ""
    return f"{'●' if record.as_published else '○'} {row.published.accuracy:.2f}"


def published_note(record: StudyRecord) -> str:
    """What the paper's column is, and why it may not be held against ours; "" where it has no number."""
    tables = sorted({row.published.table for row in record.rows if row.published})
    if not tables:
        return ""
    ours = "of what validation chose" if record.budget else "at one setting"
    said = (
        f"Paper: table{'s' if len(tables) > 1 else ''} {', '.join(tables)}, the best test accuracy of a sweep over "
        f"hyperparameters, one number without an interval; ours are means {ours}."
    )
    if record.as_published:
        return said
    paper = published()
    return (
        f"{said} ○: published with the body {paper.body} on {paper.data}, and ours are with {record.body} on "
        f"{record.data.source}: the two columns are not to be held against each other."
    )


def selection_note(record: StudyRecord) -> str:
    """How epochs and settings were chosen."""
    rule = {
        "accuracy": "The epoch of each run is the one with the highest validation accuracy, among equals the lowest "
        "validation loss",
        "last": "The epoch of each run is the last one",
        "of each row": "The epoch of each run is chosen as its row's setting train.select says",
    }[record.select]
    if record.budget is not None:
        return (
            f"Every row has a budget of {record.budget} settings with each seed, drawn by the seed from the space of "
            "its kind, or all of a smaller space: the column settings. Tested is the one with the highest validation "
            f"accuracy (of heads, among equals, the lowest validation loss). {rule}. The test texts are read for what "
            "was chosen alone."
        )
    given = {
        baseline.label for baseline in (PLAIN_LOGISTIC_REGRESSION, PRINCIPAL_AXES, RANDOM_AXES, QUANTISED)
    }  # at C = 1
    trained = (PERCEPTRON.label, LOW_RANK.label)  # nor have these: they are trained as the head that they stand beside
    fitted = [
        row.label for row in record.rows if not (row.epochs or row.model in given or row.model.startswith(trained))
    ]
    baselines = f"; settings of {' and '.join(fitted)} are chosen on the validation texts too" if fitted else ""
    return f"{rule}{baselines}. The test texts are read once a run, for what was chosen."


def row_cells(row: RowResult, record: StudyRecord) -> dict[str, Any]:
    """Cells of the table of results; a balanced accuracy where the labels are uneven."""
    balanced = f" (balanced {accuracy(MeanInterval.of(row.balanced))})" if row.balanced else ""
    return {
        "label": row.label,
        "side": row.side,
        "test": accuracy(row.test_interval) + balanced,
        "validation": accuracy(row.validation_interval, 1),
        "exact": accuracy(MeanInterval.of(row.test_exact)) if row.test_exact else "",
        "parameters": parameters(row),
        "n": len(row.test),
        "tried": row.tried,
        "published": published_accuracy(row, record),
        "published_parameters": published_parameters(row),
    }


def comparison_cells(comparison: Comparison) -> dict[str, str]:
    """Cells of the table of comparisons."""
    ends = comparison.difference.interval
    return {
        "subject": comparison.subject,
        "baseline": comparison.baseline,
        "difference": signed(comparison.difference.mean),
        "interval": "" if ends is None else f"[{signed(ends[0])}, {signed(ends[1])}]",
        "p": p_value(comparison.difference.p),
        "p_holm": p_value(comparison.p_holm),
        "outcome": comparison.outcome,
        "word": OUTCOMES[comparison.outcome],
    }


def tables(record: StudyRecord, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """What the page and ``table.md`` both show, by the names that their files have for it."""
    return {
        "record": record,
        "sizes": record.data.sizes,
        "verdict": verdict(record, comparisons),
        "about": about(record),
        "rows": [row_cells(row, record) for row in record.rows],
        "exact": any(row.test_exact for row in record.rows),
        "comparisons": [comparison_cells(c) for c in comparisons],
        "limits": limits(record),
        "margin": f"{100 * papers_margin():.2f}",
        "moves": [{**vars(m), "points": with_interval(m), "share": share(m)} for m in moves(record)],
        "published_note": published_note(record),
        "selection_note": selection_note(record),
    }
