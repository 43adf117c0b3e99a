"""Lines and tables of an evaluation for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Column, Table

from qllmft.cli.consent import decided_labels_caveat
from qllmft.cli.console import numbers, table
from qllmft_base.text import format_count

if TYPE_CHECKING:
    from qllmft.inference.evaluation import Evaluation
    from qllmft_backends import Backend

MAX_PAIRS = 10  # confused pairs of labels in the terminal; JSON has the whole matrix


def report_labels(evaluation: Evaluation, backend: Backend | None) -> Iterator[str | Table]:
    """Yield the lines and tables on the answers of one label per text."""
    from qllmft.answers.decision import abstention_sentence
    from qllmft.tasks.measure import percent

    accuracy = evaluation.accuracy
    scores = evaluation.classes
    low, high = map(percent, accuracy.interval)
    yield (
        f"{evaluation.source}: {percent(accuracy.value, 2)} % of "
        f"{format_count(accuracy.total, 'text', ('is', 'are'))} right "
        f"(95 % interval {low} to {high} %)."
    )
    if evaluation.only_label is not None:
        yield f"Balanced accuracy and F1 need two labels: every text has the label {evaluation.only_label!r}."
    else:
        low, high = map(percent, scores.interval)
        yield (
            f"Balanced accuracy {percent(scores.balanced, 2)} % ({low} to {high} %), macro-F1 "
            f"{percent(scores.macro_f1, 2)} %. The most frequent label has {percent(scores.majority)} % of the texts."
        )
        if scores.is_constant:
            yield "Every text got the same answer."
        if scores.bound:
            yield scores.bound
    if evaluation.margin:
        abstentions = abstention_sentence(evaluation.unsure, accuracy.total, evaluation.margin)
        yield abstentions
        if evaluation.sure:
            n_sure = format_count(evaluation.sure.total, "other text")
            yield f"Accuracy on the {n_sure}: {evaluation.sure}."
    if evaluation.covered:
        yield (
            f"Prediction sets for a coverage of {evaluation.coverage:g}: {evaluation.covered} contain the true label. "
            f"{evaluation.single:,} of {accuracy.total:,} have one label."
        )
    if evaluation.calibration:
        yield f"Expected calibration error: {evaluation.calibration}."
    yield from _evaluation_notes(evaluation, backend)
    yield from _label_tables(evaluation)


def _label_tables(evaluation: Evaluation) -> Iterator[str | Table]:
    """Yield the scores of each label, and the confusion matrix or the most confused pairs."""
    import numpy as np

    from qllmft.report.label_errors import MAX_NAMED_COLUMNS, confused_pairs, label_order
    from qllmft.tasks.measure import percent

    label_names = evaluation.names
    counts = np.array(evaluation.confusion)
    many = len(label_names) > MAX_NAMED_COLUMNS
    if evaluation.only_label is None:
        rows = []
        order = label_order(counts) if many else range(len(label_names))
        for name in (label_names[label] for label in order):
            label_scores = evaluation.by_label[name]
            shares = (label_scores.precision, label_scores.recall, label_scores.f1)
            cells = ("–" if share is None else f"{percent(share)} %" for share in shares)
            rows.append((name, f"{label_scores.texts:,}", *cells))
        yield table("label", *numbers("texts", "precision", "recall", "F1"), rows=rows)
    if many:
        pairs = confused_pairs(counts, label_names)
        yield (
            f"Labels have most errors first. Most confused pairs, {min(MAX_PAIRS, len(pairs))} of {len(pairs):,}. "
            "The whole confusion matrix: --json."
        )
        pair_rows = [
            (pair.label, pair.answer, f"{pair.texts:,}", f"{percent(pair.share)} %")
            for pair in pairs[:MAX_PAIRS]
        ]
        yield table(
            "true label", "predicted label", *numbers("texts", "of the label"), rows=pair_rows
        )
        return
    yield "Confusion matrix: rows are the true label, columns the predicted."
    predicted = [Column(name, justify="right") for name in label_names]
    text_rows = [[f"{count:,}" for count in row] for row in counts.tolist()]
    matrix = [(name, *row) for name, row in zip(label_names, text_rows, strict=True)]
    yield table("", *predicted, rows=matrix)


def report_targets(evaluation: Evaluation, backend: Backend | None) -> Iterator[str | Table]:
    """Yield the lines and tables on real values, or on several labels per text."""
    from qllmft.tasks.multilabel import LabelSetScores
    from qllmft.tasks.regression import TargetScores

    scores = evaluation.scores
    names = evaluation.names
    yield (
        f"{evaluation.source}: {format_count(scores.total, 'text')}. Brackets: 95 % intervals of a bootstrap over "
        "the texts."
    )
    if isinstance(scores, LabelSetScores):
        rows = [(score.name, score.with_interval) for score in scores.parts]
        yield table("score", *numbers("value [95 % interval]"), rows=rows)
        headers = ("texts", "precision", "recall", "F1", "average precision")
        by_label = []
        for name, label_scores in zip(names, scores.by_label, strict=True):
            shares = (
                label_scores.precision,
                label_scores.recall,
                label_scores.f1,
                label_scores.average_precision,
            )
            cells = ("–" if share is None else f"{share:.3f}" for share in shares)
            by_label.append((name, f"{label_scores.texts:,}", *cells))
        yield table("label", *numbers(*headers), rows=by_label)
    elif isinstance(scores, TargetScores):
        mean_name = "mean" if len(names) > 1 else names[0]
        lines = [(mean_name, *(score.with_interval for score in scores.parts))]
        if len(names) > 1:
            pairs = zip(names, scores.by_target, strict=True)
            lines += [(name, *(f"{value:.3g}" for value in values)) for name, values in pairs]
        yield table("target", *numbers(*(score.name for score in scores.parts)), rows=lines)
    yield from _evaluation_notes(evaluation, backend)


def _evaluation_notes(evaluation: Evaluation, backend: Backend | None) -> Iterator[str]:
    """Yield a warning about texts of the training, and the agreement of a backend with the exact model."""
    if evaluation.trained_on is None:
        yield (
            "warning: the run's own texts cannot be read or have changed. Some of these texts may be its training "
            "texts."
        )
    elif evaluation.trained_on:
        yield (
            f"warning: the run was trained or validated on {evaluation.trained_on:,} of these "
            f"{evaluation.scores.total:,} texts. The accuracy on new texts may be lower. Add --new-texts-only."
        )
    if evaluation.agreement is not None:
        conditions = f", {evaluation.measured}" if evaluation.measured else ""
        caveat = decided_labels_caveat(
            backend, evaluation.agreement.known_texts, evaluation.agreement.shortage
        )
        yield f"{evaluation.backend}{conditions}: {evaluation.agreement}{caveat}"
        if backend is not None and (warning := evaluation.agreement.exactness_warning(backend)):
            yield warning
