"""`qllmft evaluate`: accuracy of a trained model on labelled texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qllmft.cli.backend import BackendOptions, check_of_labels
from qllmft.cli.consent import attend_load, basis, say_known_texts, show_estimate
from qllmft.cli.console import PlainConsole, names, numbers, plain_table, say, say_json
from qllmft.cli.options import (
    BadRows,
    Coverage,
    Json,
    Limit,
    Margin,
    RowOfTable,
    RunFolderArgument,
    RunsDelimiter,
    RunsLabelColumn,
    RunsTextColumn,
    Threshold,
    loaded,
    run_settings,
    with_options,
)
from qllmft.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from qllmft.config import DataConfig
    from qllmft.inference import Predictor
    from qllmft.inference.decision import Decision
    from qllmft.inference.evaluation import Evaluation, LabelledTexts
    from qllmft_backends import Backend


@with_options(choice=BackendOptions)
def evaluate(
    *,
    run: RunFolderArgument,
    model: RowOfTable = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Labelled texts: a .tsv, .csv, .jsonl or .parquet file, a folder of splits, the name of a data set on "
            "the hub, or 'reviews' (embedded).",
            show_default="the run's own test set",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Split of --data to evaluate on.", show_default="test if it has one, else all"
        ),
    ] = None,
    text_column: RunsTextColumn = None,
    label_column: RunsLabelColumn = None,
    delimiter: RunsDelimiter = None,
    bad_rows: BadRows = None,
    limit: Limit = None,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1, help="Evaluate on this many texts, drawn at random with --sample-seed."
        ),
    ] = None,
    sample_seed: Annotated[int, typer.Option(min=0, help="Seed of --sample.")] = 0,
    threshold: Threshold = None,
    margin: Margin = 0.0,
    coverage: Coverage = None,
    budget: Annotated[
        bool,
        typer.Option(
            "--budget",
            help="Predict the accuracy on --backend from its errors, and the gain of each halved; send nothing.",
        ),
    ] = False,
    json: Json = False,
    choice: BackendOptions,
) -> None:
    """Print the accuracy with its 95 % interval, scores per label and the confusion matrix on labelled texts.

    A warning gives the number of texts of --data that the run was trained on: their accuracy is not that of new texts.

    Without --data, evaluate on the run's own test set. With --backend, the encoder runs here and the head's circuit on
    the backend, and the agreement with the exact model is reported. The backend adjoint has the run's noise unless
    another one is given, with an error trajectory for each shot as on a machine (--backend-option shot_test=same: as in
    training). With several values of --aggregation there is a report for each, and several backends make one table.
    """
    if limit and sample:
        raise UserError(
            "--limit takes the first texts and --sample draws some; give one of the two."
        )
    columns = {
        "text_column": text_column,
        "label_column": label_column,
        "delimiter": delimiter,
        "bad_rows": bad_rows,
    }
    if data is None and (split or any(columns.values())):
        raise UserError(
            "--split, --delimiter, --bad-rows, --text-column and --label-column describe --data, which is not given. "
            "Without it the run's own test set is read; give --data, or omit them."
        )
    from qllmft.cli.listener import ConsoleListener
    from qllmft.inference.decision import Decision
    from qllmft.inference.evaluation import LabelledTexts, Subset
    from qllmft.inference.evaluation import evaluate as evaluated

    console = PlainConsole(stderr=json)
    other = None if data is None else _data(run, data, columns)
    backends = choice.make(run, _own_noise(run))
    size = limit or sample
    subset = Subset(size, sample_seed if sample else None) if size else None
    predictor, decision = loaded(run, model), Decision(threshold, margin, coverage)
    check_of_labels(predictor, decision, backends)
    choice.instruct(predictor)
    if choice.several and predictor.task.several:
        raise UserError(
            "several backends are compared on one label per text, and the model gives several. Name one."
        )
    with ConsoleListener(PlainConsole(stderr=True)) as listener:
        texts = LabelledTexts.read(predictor, run, other, split, subset, listener)
    if predictor.task.real:
        _print_scores(evaluated(predictor, texts), console, json=json)
        return
    if budget:
        _print_budget(predictor, texts, decision, backends, console, json=json)
        return
    load = attend_load(backends.values(), predictor, texts.vectors, decision)
    if choice.several:
        compare_backends(predictor, texts, decision, backends, console, json=json)
        return
    evaluations: dict[str, Evaluation] = {}
    asked: Mapping[str, Backend | None] = backends or {"": None}
    for name, backend in asked.items():
        predictor.backend = backend
        if backend is not None:
            say_known_texts(predictor, texts.vectors)
        if choice.dry_run:
            show_estimate(predictor.estimate(texts.vectors, offline=choice.offline), load)
            return
        evaluations[name] = evaluated(predictor, texts, decision)
    several = len(evaluations) > 1
    if json:
        records = [
            found.as_dict() | ({"aggregation": name} if several else {})
            for name, found in evaluations.items()
        ]
        say_json(records if several else records[0])
        return
    for name, evaluation in evaluations.items():
        if several:
            say(f"aggregation {name}:", console)
        if evaluation.confusion is None:
            _print_scores(evaluation, console, asked[name])
        else:
            _print(evaluation, console, asked[name])


def _print_budget(
    predictor: Predictor,
    texts: LabelledTexts,
    decision: Decision,
    backends: Mapping[str, Backend],
    console: Console,
    *,
    json: bool,
) -> None:
    """Print the error budget on each backend."""
    from qllmft.inference.budget import error_budget
    from qllmft.tasks.measure import ACCURACY, percent

    if not backends:
        raise UserError(
            "--budget predicts the accuracy on a backend, and none is named. Add --backend."
        )
    predictor.check_one_label("--budget predicts")
    found = {
        name: error_budget(
            predictor.model.classifier, texts.vectors, texts.labels, backend, decision
        )
        for name, backend in backends.items()
    }
    if json:
        records = [each.as_dict() | {"name": name} for name, each in found.items()]
        say_json(records if len(records) > 1 else records[0])
        return
    for name, each in found.items():
        own = "" if each.shots is None else f", {each.shots:,} shots of a circuit"
        say(
            f"{name or backends[name].name}: predicted for {each.texts:,} texts{own}; nothing was sent. The exact "
            f"model has {percent(each.exact)} % right.",
            console,
        )
        table = plain_table(*names("errors"), *numbers("right, % [95 %]", "points", "differ, %"))
        first = each.rows[0]
        for row in each.rows:
            low, high = map(percent, row.interval)
            change = "" if row is first else ACCURACY.signed(row.accuracy - first.accuracy)
            right = f"{percent(row.accuracy)} [{low}, {high}]"
            table.add_row(row.errors, right, change, percent(row.differ))
        console.print(table)
        say("Labels that differ from the exact model's, means over draws of the shots.", console)
        say(each.sentence, console)


def _own_noise(run: Path) -> dict[str, Any]:
    """Return the run's noise as options of ``adjoint``, with an error trajectory per shot, or no options."""
    noise = run_settings(run).noise
    if noise.gates == "none" or noise.shots:
        return noise.backend_options | ({} if noise.gates == "none" else {"shot_test": "per_shot"})
    return {name: value for name, value in noise.backend_options.items() if name != "trajectories"}


def _data(run: Path, source: str, given: Mapping[str, str | None]) -> DataConfig:
    """Return the settings of the texts, with those of the run unless others are given; a model folder has none."""
    from qllmft.config import EMBEDDED, DataConfig, parse_config

    known = DataConfig() if source == EMBEDDED else run_settings(run).data
    settings: dict[str, Any] = {
        name: value or getattr(known, name) for name, value in given.items()
    }
    settings |= {"task": known.task, "targets": () if given["label_column"] else known.targets}
    settings |= {"label_separator": known.label_separator}
    settings |= {"pair_column": known.pair_column, "pair_features": known.pair_features}
    return parse_config({"data": {"source": source, **settings}}, "the options of --data").data


def _print(evaluation: Evaluation, console: Console, backend: Backend | None) -> None:
    from qllmft.inference.decision import share_left
    from qllmft.tasks.measure import percent

    accuracy = evaluation.accuracy
    low, high = map(percent, accuracy.interval)
    say(
        f"{evaluation.source}: {percent(accuracy.value, 2)} % of {accuracy.total:,} texts are right "
        f"(95 % interval {low} to {high} %).",
        console,
    )
    scores = evaluation.classes
    least, most = map(percent, scores.interval)
    say(
        f"Balanced accuracy {percent(scores.balanced, 2)} % ({least} to {most} %), macro-F1 "
        f"{percent(scores.macro_f1, 2)} %; the most frequent label has {percent(scores.majority)} % of the texts"
        f"{', and every text got the same answer' * scores.constant}.",
        console,
    )
    if evaluation.margin:
        left = share_left(evaluation.unsure, accuracy.total, evaluation.margin)
        right = f"{evaluation.sure} are right" if evaluation.sure else "there are none"
        say(f"{left}; of the other answers {right}.", console)
    if evaluation.covered:
        say(
            f"Sets of labels for a coverage of {evaluation.coverage:g}: {evaluation.covered} contain the true label, "
            f"and {evaluation.single:,} of {accuracy.total:,} have one label.",
            console,
        )
    if evaluation.calibration:
        say(f"Expected calibration error of the probabilities: {evaluation.calibration}.", console)
    _warn_of_known_texts(evaluation, console)
    if evaluation.agreement is not None:
        measured = f", {evaluation.measured}" if evaluation.measured else ""
        without = basis(backend, evaluation.agreement.known_texts) if backend else ""
        say(f"{evaluation.backend}{measured}: {evaluation.agreement}{without}", console)
    table = plain_table("label", *numbers("texts", "precision", "recall", "F1"))
    for name, of_label in evaluation.by_label.items():
        shares = (of_label.precision, of_label.recall, of_label.f1)
        table.add_row(
            name, f"{of_label.texts:,}", *("–" if s is None else f"{percent(s)} %" for s in shares)
        )
    console.print(table)
    say("Confusion matrix: rows are the true label, columns the predicted.", console)
    table = plain_table()
    table.add_column("")
    for name in evaluation.names:
        table.add_column(name, justify="right")
    for name, row in zip(evaluation.names, evaluation.confusion or [], strict=True):
        table.add_row(name, *(f"{n:,}" for n in row))
    console.print(table)


def _print_scores(
    found: Evaluation, console: Console, backend: Backend | None = None, *, json: bool = False
) -> None:
    """Print the scores of real values or of several labels, with a row for each."""
    if json:
        say_json(found.as_dict())
        return
    from qllmft.tasks.multilabel import LabelSetScores
    from qllmft.tasks.regression import TargetScores

    scores = found.scores
    say(
        f"{found.source}: {scores.total:,} texts; in brackets 95 % intervals of a bootstrap over the texts.",
        console,
    )
    if isinstance(scores, LabelSetScores):
        table = plain_table("score", *numbers("value [95 % interval]"))
        for part in scores.parts:
            table.add_row(part.name, part.with_interval)
        console.print(table)
        table = plain_table(
            "label", *numbers("texts", "precision", "recall", "F1", "average precision")
        )
        for name, one in zip(found.names, scores.by_label, strict=True):
            shares = (one.precision, one.recall, one.f1, one.average_precision)
            table.add_row(
                name,
                f"{one.texts:,}",
                *("–" if share is None else f"{share:.3f}" for share in shares),
            )
    elif isinstance(scores, TargetScores):
        table = plain_table("target", *numbers(*(part.name for part in scores.parts)))
        several = len(found.names) > 1
        cells = [part.with_interval for part in scores.parts]
        table.add_row("mean" if several else found.names[0], *cells)
        for name, of_target in zip(found.names, scores.by_target, strict=True) if several else ():
            table.add_row(name, *(f"{value:.3g}" for value in of_target))
    console.print(table)
    _warn_of_known_texts(found, console)
    if found.agreement is not None:
        without = basis(backend, found.agreement.known_texts) if backend else ""
        say(f"{found.backend}: {found.agreement}{without}", console)


def _warn_of_known_texts(evaluation: Evaluation, console: Console) -> None:
    if evaluation.trained_on is None:
        say(
            "warning: the run's own texts cannot be read or have changed, so it was not checked how many of these "
            "texts it was trained on.",
            console,
        )
    elif evaluation.trained_on:
        say(
            f"warning: the run was trained or validated on {evaluation.trained_on:,} of these "
            f"{evaluation.scores.total:,} texts, so this accuracy is not that of new texts. Leave them out.",
            console,
        )


def compare_backends(
    predictor: Predictor,
    texts: LabelledTexts,
    decision: Decision,
    backends: Mapping[str, Backend],
    console: Console,
    *,
    json: bool,
) -> None:
    """Evaluate a model on each backend and print a table, also of those before one that fails.

    Args:
        predictor: the model; its backend is changed.
        texts: labelled texts, embedded once.
        decision: threshold and margin of the answers.
        backends: by the names of the rows.
        console: prints the table.
        json: print JSON instead, on standard output.
    """
    from qllmft.inference.evaluation import evaluate

    found: dict[str, Evaluation] = {}
    try:
        for label, backend in backends.items():
            predictor.backend = backend
            found[label] = evaluate(predictor, texts, decision)
    finally:
        if json:
            say_json(
                [evaluation.as_dict() | {"name": label} for label, evaluation in found.items()]
            )
        elif found:
            _print_backends(found, backends, console)


def _print_backends(
    found: Mapping[str, Evaluation], backends: Mapping[str, Backend], console: Console
) -> None:
    from qllmft.tasks.measure import percent

    first = next(iter(found.values()))
    say(f"{first.source}: {first.accuracy.total:,} texts.", console)
    headers = ("right", "95 %", "differ", "unsure", "|Δ⟨Z⟩|", "error", "shots")
    table = plain_table(*names("backend"), *numbers(*headers))
    for label, evaluation in found.items():
        accuracy, agreement = evaluation.accuracy, evaluation.agreement
        assert agreement is not None
        low, high = accuracy.interval
        table.add_row(
            f"{label}, {how}" if (how := backends[label].mitigation) else label,
            accuracy.plain,
            f"{percent(low, 0)}–{percent(high, 0)}",
            f"{agreement.flips:,}",
            f"{agreement.undecided:,}",
            f"{agreement.mean_abs_difference:.4f}",
            f"{agreement.mean_standard_error:.4f}" if agreement.shots else "–",
            f"{agreement.shots:,}" if agreement.shots else "–",
        )
    console.print(table)
    say("Labels that differ from the exact model's, and labels unsure at these shots;", console)
    say("mean |Δ⟨Z⟩| from the exact model, and the mean standard error of ⟨Z⟩.", console)
