"""`qllmft evaluate`: accuracy of a trained model on labelled texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Column, Table

from qllmft.cli.backend import BackendOptions
from qllmft.cli.consent import basis
from qllmft.cli.console import names, numbers, say, say_json, table
from qllmft.cli.options import (
    BadRows,
    ColumnNames,
    Count,
    Coverage,
    Delimiter,
    Json,
    Limit,
    Margin,
    Natural,
    Row,
    Run,
    TextColumn,
    Threshold,
    run_settings,
)
from qllmft.counts import count_of
from qllmft.errors import UserError

if TYPE_CHECKING:
    from qllmft.config import DataConfig
    from qllmft.inference import Predictor
    from qllmft.inference.decision import Decision
    from qllmft.inference.evaluation import Evaluation, LabelledTexts
    from qllmft_backends import Backend


def evaluate(
    run: Run,
    *,
    model: Row = None,
    data: str | None = None,
    split: str | None = None,
    text_column: TextColumn = None,
    label_column: str | None = None,
    delimiter: Delimiter = None,
    columns: ColumnNames = None,
    bad_rows: BadRows = None,
    limit: Limit = None,
    sample: Count = None,
    sample_seed: Natural = 0,
    threshold: Threshold = None,
    margin: Margin = 0.0,
    coverage: Coverage = None,
    budget: bool = False,
    json: Json = False,
    choice: BackendOptions,
) -> None:
    """Print the accuracy with its 95 % interval, scores per label and the confusion matrix on labelled texts.

    A warning gives the number of texts of --data that the run was trained on: their accuracy is not that of new texts.

    Without --data, evaluate on the run's own test set. With --backend, the encoder runs here and the head's circuit on
    the backend, and the agreement with the exact model is reported. The backend adjoint has the run's noise unless
    another one is given, with an error trajectory for each shot as on a machine (--backend-option shot_test=same: as in
    training). With several values of --aggregation there is a report for each, and several backends make one table.

    Args:
        data: Labelled texts: a table (.csv, .tsv, .txt, .xlsx, .json, .jsonl, .parquet, or .gz of one), a folder of
            splits, the name of a data set on the hub, or 'reviews' (embedded). [default: the run's own test set]
        split: Split of --data to evaluate on. [default: test if it has one, else all]
        label_column: Column of the labels. [default: the run's]
        sample: Evaluate on this many texts, drawn at random with --sample-seed.
        sample_seed: Seed of --sample.
        budget: Predict the accuracy on --backend from its errors, and the gain of each halved; send nothing.
    """
    if limit and sample:
        raise UserError(
            "--limit takes the first texts and --sample draws some; give one of the two."
        )
    reading = {
        "text_column": text_column,
        "label_column": label_column,
        "delimiter": delimiter,
        "column_names": columns,
        "bad_rows": bad_rows,
    }
    if budget and choice.backend is None:
        raise UserError(
            "--budget predicts the accuracy on a backend, and none is named. Add --backend."
        )
    if budget and (margin or coverage is not None):
        raise UserError("--budget is about the answers to all texts. Omit --margin and --coverage.")
    from qllmft.cli.listener import ConsoleListener
    from qllmft.inference.decision import Decision
    from qllmft.inference.evaluation import LabelledTexts, Subset
    from qllmft.inference.evaluation import evaluate as evaluated

    decision, size = Decision(threshold, margin, coverage), limit or sample
    other = _data(run, data, split, reading)
    predictor, backends = choice.open(run, model, decision, _noise(run))
    task = predictor.task
    if choice.several and task.several:
        raise UserError(
            "several backends are compared on one label per text, and the model gives several. Name one."
        )
    with ConsoleListener() as listener:
        subset = Subset(size, sample_seed if sample else None) if size else None
        texts = LabelledTexts.read(predictor, run, other, split, subset, listener)
    if budget:
        _show_budget(predictor, texts, decision, backends, json=json)
        return
    found: dict[str, Evaluation] = {}
    try:
        for name in choice.each(predictor, texts.vectors, decision, backends) if backends else [""]:
            found[name] = evaluated(predictor, texts, decision)
    finally:
        if choice.several:  # those before one that fails, too
            _show_backends(found, backends, json=json)
    if choice.several or not found:
        return
    if json:
        several = len(found) > 1
        records = [
            each.as_dict() | ({"aggregation": name} if several else {})
            for name, each in found.items()
        ]
        say_json(records if several else records[0])
        return
    for name, each in found.items():
        shown = _parts_of_targets if each.confusion is None else _parts
        heading = [f"aggregation {name}:"] if len(found) > 1 else []
        say(*heading, *shown(each, backends.get(name)))


def _noise(run: Path) -> dict[str, Any]:
    """Return the run's noise as options of ``adjoint``, with an error trajectory per shot, or no options."""
    noise = run_settings(run).noise
    options = dict(noise.backend_options)
    if noise.gates != "none":
        options["shot_test"] = "per_shot"
    elif not noise.shots:
        options.pop("trajectories", None)
    return options


def _data(
    run: Path, source: str | None, split: str | None, given: Mapping[str, str | None]
) -> DataConfig | None:
    """Return the settings of the texts, with those of the run unless others are given; None for its own test set."""
    if source is None:
        if split or any(given.values()):
            raise UserError(
                "--split, --delimiter, --columns, --bad-rows, --text-column and --label-column describe --data, which "
                "is not given. Without it the run's own test set is read; give --data, or omit them."
            )
        return None
    from qllmft.config import EMBEDDED, DataConfig, parse_config

    known = DataConfig() if source == EMBEDDED else run_settings(run).data
    kept = ("task", "label_separator", "pair_column", "pair_features", "missing_labels")
    settings = {name: getattr(known, name) for name in (*kept, *given)}
    settings |= {name: value for name, value in given.items() if value}
    return parse_config({"data": {"source": source, **settings}}, "the options of --data").data


def _parts(found: Evaluation, backend: Backend | None) -> Iterator[str | Table]:
    """Yield the lines and tables on the answers of one label per text."""
    from qllmft.inference.decision import share_left
    from qllmft.tasks.measure import percent

    accuracy, scores = found.accuracy, found.classes
    low, high = map(percent, accuracy.interval)
    yield (
        f"{found.source}: {percent(accuracy.value, 2)} % of {count_of(accuracy.total, 'text', ('is', 'are'))} right "
        f"(95 % interval {low} to {high} %)."
    )
    if found.only_label is not None:
        yield f"Balanced accuracy and F1 need two labels: every text has the label {found.only_label!r}."
    else:
        low, high = map(percent, scores.interval)
        yield (
            f"Balanced accuracy {percent(scores.balanced, 2)} % ({low} to {high} %), macro-F1 "
            f"{percent(scores.macro_f1, 2)} %; the most frequent label has {percent(scores.majority)} % of the texts"
            f"{', and every text got the same answer' * scores.constant}."
        )
        if scores.bound:
            yield scores.bound
    if found.margin:
        left = share_left(found.unsure, accuracy.total, found.margin)
        right = f"{found.sure} are right" if found.sure else "there are none"
        yield f"{left}; of the other answers {right}."
    if found.covered:
        yield (
            f"Sets of labels for a coverage of {found.coverage:g}: {found.covered} contain the true label, "
            f"and {found.single:,} of {accuracy.total:,} have one label."
        )
    if found.calibration:
        yield f"Expected calibration error of the probabilities: {found.calibration}."
    yield from _notes(found, backend)
    if found.only_label is None:
        rows = []
        for name, one in found.by_label.items():
            shares = (one.precision, one.recall, one.f1)
            cells = ("–" if share is None else f"{percent(share)} %" for share in shares)
            rows.append((name, f"{one.texts:,}", *cells))
        yield table("label", *numbers("texts", "precision", "recall", "F1"), rows=rows)
    yield "Confusion matrix: rows are the true label, columns the predicted."
    predicted = [Column(name, justify="right") for name in found.names]
    counts = zip(found.names, found.confusion or [], strict=True)
    yield table("", *predicted, rows=[(name, *(f"{n:,}" for n in row)) for name, row in counts])


def _parts_of_targets(found: Evaluation, backend: Backend | None) -> Iterator[str | Table]:
    """Yield the lines and tables on real values, or on several labels per text."""
    from qllmft.tasks.multilabel import LabelSetScores
    from qllmft.tasks.regression import TargetScores

    scores, names = found.scores, found.names
    yield f"{found.source}: {count_of(scores.total, 'text')}; in brackets 95 % intervals of a bootstrap over the texts."
    if isinstance(scores, LabelSetScores):
        rows = [(part.name, part.with_interval) for part in scores.parts]
        yield table("score", *numbers("value [95 % interval]"), rows=rows)
        headers = ("texts", "precision", "recall", "F1", "average precision")
        by_label = []
        for name, one in zip(names, scores.by_label, strict=True):
            shares = (one.precision, one.recall, one.f1, one.average_precision)
            cells = ("–" if share is None else f"{share:.3f}" for share in shares)
            by_label.append((name, f"{one.texts:,}", *cells))
        yield table("label", *numbers(*headers), rows=by_label)
    elif isinstance(scores, TargetScores):
        of_all = "mean" if len(names) > 1 else names[0]
        lines = [(of_all, *(part.with_interval for part in scores.parts))]
        if len(names) > 1:
            pairs = zip(names, scores.by_target, strict=True)
            lines += [(name, *(f"{value:.3g}" for value in values)) for name, values in pairs]
        yield table("target", *numbers(*(part.name for part in scores.parts)), rows=lines)
    yield from _notes(found, backend)


def _notes(found: Evaluation, backend: Backend | None) -> Iterator[str]:
    """Yield a warning about texts of the training, and the agreement of a backend with the exact model."""
    if found.trained_on is None:
        yield (
            "warning: the run's own texts cannot be read or have changed, so it was not checked how many of these "
            "texts it was trained on."
        )
    elif found.trained_on:
        yield (
            f"warning: the run was trained or validated on {found.trained_on:,} of these {found.scores.total:,} texts, "
            "so this accuracy is not that of new texts. Leave them out."
        )
    if found.agreement is not None:
        how = f", {found.measured}" if found.measured else ""
        without = basis(backend, found.agreement.known_texts, found.agreement.shortage)
        yield f"{found.backend}{how}: {found.agreement}{without}"


def _show_budget(
    predictor: Predictor,
    texts: LabelledTexts,
    decision: Decision,
    backends: Mapping[str, Backend],
    *,
    json: bool,
) -> None:
    """Print the error budget on each backend."""
    from qllmft.inference.budget import error_budget
    from qllmft.tasks.measure import ACCURACY, percent

    predictor.check_one_label("--budget predicts")
    classifier = predictor.model.classifier
    found = {
        name: error_budget(classifier, texts.vectors, texts.labels, backend, decision)
        for name, backend in backends.items()
    }
    if json:
        records = [asdict(each) | {"name": name} for name, each in found.items()]
        say_json(records if len(records) > 1 else records[0])
        return
    for name, each in found.items():
        own = "" if each.shots is None else f", {each.shots:,} shots of a circuit"
        first, rows = each.rows[0], []
        for row in each.rows:
            low, high = map(percent, row.interval)
            right = f"{percent(row.accuracy)} [{low}, {high}]"
            change = "" if row is first else ACCURACY.signed(row.accuracy - first.accuracy)
            rows.append((row.errors, right, change, percent(row.differ)))
        say(
            f"{name or backends[name].name}: predicted for {count_of(each.texts, 'text')}{own}; nothing was sent. The "
            f"exact model has {percent(each.exact)} % right.",
            table(*names("errors"), *numbers("right, % [95 %]", "points", "differ, %"), rows=rows),
            "Labels that differ from the exact model's, means over draws of the shots.",
            each.sentence,
        )


def _show_backends(
    found: Mapping[str, Evaluation], backends: Mapping[str, Backend], *, json: bool
) -> None:
    """Print the table of a model on several backends."""
    from qllmft.tasks.measure import percent

    if json:
        say_json([each.as_dict() | {"name": label} for label, each in found.items()])
        return
    rows = []
    for label, each in found.items():
        accuracy, agreement = each.accuracy, each.agreement
        assert agreement is not None
        low, high = (percent(end, 0) for end in accuracy.interval)
        rows.append(
            (
                ", ".join(filter(None, (label, backends[label].mitigation))),
                accuracy.plain,
                f"{low}–{high}",
                f"{agreement.flips:,}",
                f"{agreement.undecided:,}",
                f"{agreement.mean_abs_difference:.4f}",
                f"{agreement.mean_standard_error:.4f}" if agreement.shots else "–",
                f"{agreement.shots:,}" if agreement.shots else "–",
            )
        )
    if rows:
        headers = ("right", "95 %", "differ", "unsure", "|Δ⟨Z⟩|", "error", "shots")
        say(
            f"{each.source}: {count_of(accuracy.total, 'text')}.",
            table(*names("backend"), *numbers(*headers), rows=rows),
            "Labels that differ from the exact model's, and labels unsure at these shots;",
            "mean |Δ⟨Z⟩| from the exact model, and the mean standard error of ⟨Z⟩.",
        )
