"""A study's tables as Markdown, and the cells that the console and the page show too."""

from __future__ import annotations

from collections.abc import Sequence

from qllmft.experiments.compare.comparison import Comparison, limits
from qllmft.experiments.compare.record import PAPER_BODY, PAPER_DATA, RowResult, StudyRecord
from qllmft.experiments.compare.verdict import p_value, signed
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


def published(row: RowResult, record: StudyRecord) -> str:
    """``● 92.70``, or ``○ 92.70`` where body or texts are not the paper's; nothing where it prints none."""
    if row.published is None:
        return ""
    return f"{'●' if record.as_published else '○'} {row.published.accuracy:.2f}"


def published_note(record: StudyRecord) -> str:
    """What the paper's column is, and why it may not be held against ours; "" where it has no number."""
    tables = sorted({row.published.table for row in record.rows if row.published})
    if not tables:
        return ""
    said = (
        f"Paper: table{'s' if len(tables) > 1 else ''} {', '.join(tables)}, the best test accuracy of a sweep over "
        "hyperparameters, one number without an interval; ours are means at one setting."
    )
    if record.as_published:
        return said
    return (
        f"{said} ○: published with the body {PAPER_BODY} on {PAPER_DATA}, and ours are with {record.body_name} on "
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
    fitted = [row.label for row in record.rows if not row.epochs]
    rivals = f"; settings of {' and '.join(fitted)} are chosen on the validation texts too" if fitted else ""
    return f"{rule}{rivals}. The test texts are read once a run, for what was chosen."


def markdown(record: StudyRecord, comparisons: Sequence[Comparison], verdict: str) -> str:
    """``table.md``: the verdict, the rows, the comparisons, what the numbers do not say, the command, the notes."""
    exact = any(row.test_exact for row in record.rows)
    sizes = record.data.sizes
    head = ["model", "parameters", "seeds", "validation, %", "test, % (± 95 % interval)"]
    head += ["test without noise, %"] if exact else []
    head += ["paper, %", "paper's parameters"] if record.published else []
    lines = [
        f"# Study {record.study}",
        "",
        verdict,
        "",
        f"{about(record)}. {record.data.source}: {sizes['train']:,} training, {sizes['validation']:,} validation, "
        f"{sizes['test']:,} test texts; body {record.body_name}, D = {record.body.dimension}; "
        f"{record.epochs} epochs.",
        "",
        _line(head),
        _line(["---"] * len(head)),
    ]
    for row in record.rows:
        cells = [row.label, parameters(row), str(len(row.test)), accuracy(row.validation_interval, 1)]
        cells += [accuracy(row.test_interval)]
        cells += [accuracy(MeanInterval.of(row.test_exact)) if row.test_exact else ""] if exact else []
        if record.published:
            cells += [published(row, record), published_parameters(row)]
        lines.append(_line(cells))
    notes = [note for note in (published_note(record), selection_note(record)) if note]
    lines += ["", *notes, "", "## Comparisons, paired by seed", ""]
    lines.append(_line([record.subject, record.rival, "difference, points", "95 % interval", "p (Holm)", "outcome"]))
    lines.append(_line(["---"] * 6))
    for c in comparisons:
        cells = [c.subject, c.rival, signed(c.difference.mean), interval(c), p_value(c.p_holm), OUTCOMES[c.outcome]]
        lines.append(_line(cells))
    lines += ["", *(f"- {sentence}" for sentence in limits(record)), "", f"    {record.command}", ""]
    lines += [record.notes] if record.notes else []
    return "\n".join(lines)


def interval(comparison: Comparison) -> str:
    """``[−3.1, +0.4]`` in points; nothing where there is one seed."""
    found = comparison.difference.interval
    return "" if found is None else f"[{signed(found[0])}, {signed(found[1])}]"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
