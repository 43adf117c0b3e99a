"""`qllmft evaluate`: accuracy of a trained model on labelled texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qllmft.cli.backend import BackendOptions
from qllmft.cli.backend_tables import show_backends, show_budget
from qllmft.cli.consent import (
    ask_in_terminal,
    report_calibration_texts,
    show_estimate,
)
from qllmft.cli.console import say, say_json
from qllmft.cli.evaluation_report import report_labels, report_targets
from qllmft.cli.options import (
    BadRows,
    ColumnNames,
    Count,
    Coverage,
    Delimiter,
    Head,
    Json,
    Limit,
    Margin,
    Natural,
    PairColumn,
    Row,
    Run,
    TextColumn,
    Threshold,
    run_settings,
    use_heads,
)
from qllmft_base.errors import UserError

if TYPE_CHECKING:
    from qllmft.answers.decision import Decision
    from qllmft.config import DataConfig
    from qllmft.inference import Predictor
    from qllmft.inference.evaluation import Evaluation
    from qllmft.inference.labelled_texts import LabelledTexts
    from qllmft.inference.measuring import MeasuredModel
    from qllmft_backends import Backend


def evaluate(
    run: Run,
    *,
    model: Row = None,
    head: Head = None,
    data: str | None = None,
    split: str | None = None,
    text_column: TextColumn = None,
    pair_column: PairColumn = None,
    label_column: str | None = None,
    delimiter: Delimiter = None,
    columns: ColumnNames = None,
    bad_rows: BadRows = None,
    limit: Limit = None,
    sample: Count = None,
    sample_seed: Natural = 0,
    new_texts_only: bool = False,
    threshold: Threshold = None,
    margin: Margin = 0.0,
    coverage: Coverage = None,
    budget: bool = False,
    json: Json = False,
    backend_options: BackendOptions,
) -> None:
    """Print the accuracy with its 95 % interval, scores per label and the confusion matrix on labelled texts.

    Without --data, evaluate on the run's own test set. Texts of --data that the run was trained on are counted in a
    warning: their accuracy says nothing about new texts. --new-texts-only leaves them out.

    With --backend, the head's circuit runs on the backend and all else here. The labels are compared with a noiseless
    simulation. The backend adjoint has the run's noise unless you give another one. It simulates one error trajectory
    per shot, as on a device (--backend-option shot_test=same: as in training). Several names of --backend, separated by
    commas, make one table.

    Args:
        data: Labelled texts: a table (.csv, .tsv, .txt, .xlsx, .ods, .json, .jsonl, .parquet, or .gz of one) or a
            folder of splits. Or the name of a data set on the hub, or 'reviews' (embedded). [default: the run's own
            test set]
        split: Split of --data to evaluate on. [default: test if it has one, else all]
        label_column: Column of the labels. [default: the run's]
        sample: Evaluate on this many texts, drawn at random with --sample-seed.
        sample_seed: Seed of --sample.
        new_texts_only: Leave out texts of --data that the run was trained or validated on, before --limit or --sample
            choose.
        budget: Predict the accuracy on --backend from its errors, and the gain if one of them is halved. Nothing is
            sent.
    """
    use_heads(head)
    if limit and sample:
        raise UserError(
            "--limit takes the first texts, and --sample draws texts at random. Give one of the two."
        )
    if new_texts_only and data is None:
        raise UserError(
            "the run's own test set has new texts only. Add --data, or omit --new-texts-only."
        )
    if budget:
        _check_budget(backend_options, abstains=bool(margin) or coverage is not None)
    reading = {
        "text_column": text_column,
        "pair_column": pair_column,
        "label_column": label_column,
        "delimiter": delimiter,
        "column_names": columns,
        "bad_rows": bad_rows,
    }
    from qllmft.answers.decision import Decision

    decision = Decision(threshold, margin, coverage)
    n_texts = limit or sample
    data_config = _data_config(run, data, split, reading)
    predictor, measured_models = backend_options.open(
        run, model, decision, _noise_options(run), sends_circuits=not budget
    )
    # it imports packages that an invalid call does not need
    from qllmft.cli.listener import ConsoleListener
    from qllmft.inference.evaluation import evaluate as evaluated
    from qllmft.inference.labelled_texts import LabelledTexts, Subset

    task = predictor.task
    if backend_options.names_several_backends and task.several:
        raise UserError(
            "several backends are compared on one label per text, and the model gives several. Name one backend."
        )
    with ConsoleListener() as listener:
        subset = Subset(n_texts, sample_seed if sample else None) if n_texts else None
        texts = LabelledTexts.load(
            predictor, run, data_config, split, subset, listener, new_only=new_texts_only
        )
    if budget:
        show_budget(predictor, texts, decision, measured_models, json=json)
        return
    if measured_models:
        _evaluate_on_backends(
            run, predictor, texts, decision, measured_models, backend_options, json=json
        )
    else:
        _print_evaluations({"": evaluated(predictor, texts, decision)}, {}, json=json)


def _check_budget(backend_options: BackendOptions, *, abstains: bool) -> None:
    """Raise UserError for options that do not fit --budget."""
    if backend_options.backend is None:
        raise UserError(
            "--budget predicts the accuracy on a backend, and none is named. Add --backend."
        )
    if abstains:
        raise UserError("--budget is about the answers to all texts. Omit --margin and --coverage.")
    if ignored := backend_options.without_effect_on_a_budget:
        raise UserError(f"--budget sends no circuit. Omit {', '.join(ignored)}.")


def _evaluate_on_backends(
    run: Path,
    predictor: Predictor,
    texts: LabelledTexts,
    decision: Decision,
    measured_models: Mapping[str, MeasuredModel],
    backend_options: BackendOptions,
    *,
    json: bool,
) -> None:
    """Evaluate a model on each backend, or print what it would take, and print the results."""
    from qllmft.inference.evaluation import evaluate as evaluated
    from qllmft.run.device_answers import write_device_answers

    load = ask_in_terminal(predictor, texts.vectors, decision, measured_models.values())
    evaluations: dict[str, Evaluation] = {}
    backends = {name: measured.backend for name, measured in measured_models.items()}
    try:
        for name, measured_model in measured_models.items():
            report_calibration_texts(measured_model, texts.vectors)
            if backend_options.dry_run:
                show_estimate(
                    measured_model.estimate(texts.vectors, offline=backend_options.offline), load
                )
                return
            evaluations[name] = evaluated(predictor, texts, decision, measured_model)
            if answers := evaluations[name].device_answers:
                file = write_device_answers(run, answers)
                say(f"Kept in {file}. qllmft report {run} shows the labels.", err=True)
    finally:
        if backend_options.names_several_backends:  # those before one that fails, too
            show_backends(evaluations, backends, json=json)
    if not backend_options.names_several_backends:
        _print_evaluations(evaluations, backends, json=json)


def _print_evaluations(
    evaluations: Mapping[str, Evaluation], backends: Mapping[str, Backend], *, json: bool
) -> None:
    """Print the evaluation of each aggregation of one backend, or of the model here."""
    if json:
        names_aggregation = len(evaluations) > 1
        records = [
            evaluation.as_dict() | ({"aggregation": name} if names_aggregation else {})
            for name, evaluation in evaluations.items()
        ]
        say_json(records if names_aggregation else records[0])
        return
    for name, evaluation in evaluations.items():
        make_report = report_targets if evaluation.confusion is None else report_labels
        heading = [f"aggregation {name}:"] if len(evaluations) > 1 else []
        say(*heading, *make_report(evaluation, backends.get(name)))


def _noise_options(run: Path) -> dict[str, Any]:
    """Return the run's noise as options of ``adjoint``, with an error trajectory per shot, or no options."""
    noise = run_settings(run).noise
    options = dict(noise.backend_options)
    if noise.gates != "none":
        options["shot_test"] = "per_shot"
    elif not noise.shots:
        options.pop("trajectories", None)
    return options


def _data_config(
    run: Path, source: str | None, split: str | None, columns: Mapping[str, str | None]
) -> DataConfig | None:
    """Return the settings of the texts, with those of the run unless others are given; None for its own test set."""
    if source is None:
        if split or any(columns.values()):
            raise UserError(
                "--split, --delimiter, --columns, --bad-rows, --text-column, --pair-column and --label-column describe "
                "--data, which is not given. Without it the run's own test set is read. Give --data, or omit them."
            )
        return None
    from qllmft.config import BUILT_IN_CORPUS, DataConfig, parse_config
    from qllmft.data.sources import settings_without_effect
    from qllmft_base.files import expand_home

    run_data = DataConfig() if source == BUILT_IN_CORPUS else run_settings(run).data
    inherited_names = ("task", "label_separator", "pair_features", "missing_labels")
    option_names = [name for name in columns if name != "pair_column"]
    settings = {name: getattr(run_data, name) for name in (*inherited_names, *option_names)}
    path = expand_home(source)
    if path.exists():  # how the run's table is written says nothing about a file of another kind
        settings |= dict.fromkeys(settings_without_effect(path))
    settings |= {name: columns[name] for name in option_names if columns[name]}
    if run_data.pair_column is not None:
        first_column = columns["text_column"] or run_data.text_columns[0]
        second_column = columns["pair_column"] or run_data.pair_column
        settings["text_column"] = (first_column, second_column)
    elif columns["pair_column"]:
        raise UserError(
            f"--pair-column is {columns['pair_column']!r}, and the model reads single texts. Omit it."
        )
    return parse_config({"data": {"source": source, **settings}}, "the options of --data").data
