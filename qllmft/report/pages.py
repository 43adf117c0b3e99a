"""Pages rendered from Jinja files, and report.html of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import tomli_w
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from qllmft.config import RunConfig
from qllmft.config.presets import describe_settings
from qllmft.report.figures import (
    measured_probabilities_svg,
    model_scores_svg,
    reliability_svg,
    scatter_svg,
    training_svgs,
)
from qllmft.report.label_errors import MAX_NAMED_COLUMNS, Confusion, label_set_rows
from qllmft.run import RunFolder, RunRecord
from qllmft.run.comparison import comparison_columns, comparison_rows
from qllmft.run.device_answers import DeviceAnswers, read_device_answers
from qllmft.run.own_rows import own_row_sentences
from qllmft.run.predictions import Mistake, Predictions
from qllmft.run.record import WITHOUT_CIRCUIT, BodyRecord, DataRecord, ModelResult
from qllmft.run.table import family_sentences
from qllmft.run.verdict import ablation_size, next_step, verdict
from qllmft.tasks import TASKS
from qllmft.tasks.measure import percent, with_minus
from qllmft.tasks.multilabel import LabelSetScores
from qllmft.tasks.statistics import p_value
from qllmft.templates import describe, encoder_template, head_template
from qllmft.training import EpochMetrics
from qllmft_base.errors import UserError
from qllmft_base.escaping import code, markdown, tex, verbatim, visible, without_html
from qllmft_base.files import write_text
from qllmft_base.parts import load_part
from qllmft_base.text import format_count
from qllmft_circuits import draw_text

if TYPE_CHECKING:
    from qllmft.inference.explanation import Explanation


_ESCAPES = {".md.j2": markdown, ".tex.j2": tex}  # in HTML jinja2 escapes


def render_template(package: str, name: str, **values: Any) -> str:
    """Return a page of a package as text. Values are escaped for its format, unless a page marks them as ``safe``.

    It may extend the pages of this package.

    The file's name ends in ``.html.j2``, ``.md.j2`` or ``.tex.j2``. It can use the filters ``percent``, ``p_value``,
    ``shown``, ``count_of`` and ``with_minus``, and those of `qllmft_base.escaping`. A missing value is an error.
    """
    environment = _environment(package, "".join(Path(name).suffixes[-2:]))
    return visible(environment.get_template(name).render(values))


@cache
def _environment(package: str, suffix: str) -> Environment:
    """Return the environment of pages with a suffix, which keeps the compiled pages."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader("qllmft.report", "")]),
        autoescape=suffix.endswith(".html.j2"),
        finalize=_ESCAPES.get(suffix),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": percent,
        "p_value": p_value,
        "shown": setting_text,
        "count_of": format_count,
        "with_minus": with_minus,
    }
    environment.filters |= {"code": code, "verbatim": verbatim, "without_html": without_html}
    return environment


def identity_rows(data: DataRecord, body: BodyRecord) -> list[tuple[str, str]]:
    """Return texts and body of a page, each with the hash that identifies it."""
    weights = f"SHA-256 of its weights {body.weights}" if body.weights else body.identity
    return [("texts", f"{data.source}, {data.fingerprint}"), ("body", f"{body}, {weights}")]


def setting_text(value: Any) -> str:
    """Return the value of a setting for people."""
    if value is None:
        return "not set"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- the page of a run, or of the folds of a cross-validation


class _Content(NamedTuple):
    """Content of the folder of a run, or of the folds of a cross-validation."""

    config: RunConfig
    record: RunRecord
    predictions: Predictions | None
    config_toml: str
    metrics: Sequence[EpochMetrics] = ()  # of a run
    ledger: Path | None = None  # of a run
    device_answers: Sequence[DeviceAnswers] = ()  # of a run
    folds: Sequence[tuple[RunFolder, RunRecord]] = ()

    @classmethod
    def read(cls, folder: RunFolder) -> _Content:
        """Read a folder, or raise UserError if the run or a fold is not finished."""
        if folder.folds:
            return cls._read_folds(folder)
        predictions = folder.read_predictions()
        return cls(
            folder.read_config(),
            folder.require_record().with_differences(predictions),
            predictions,
            folder.config_file.read_text(encoding="utf-8"),
            folder.metrics(),
            folder.ledger,
            read_device_answers(folder.path),
        )

    @classmethod
    def _read_folds(cls, folder: RunFolder) -> _Content:
        config = folder.folds_config()
        record = folder.require_pooled()
        settings = config.model_dump(mode="json", exclude_none=True)
        return cls(
            config,
            record,
            folder.read_pooled_predictions(),
            tomli_w.dumps(settings),
            folds=[(fold, fold.require_record()) for fold in folder.folds],
        )


def write_report(run: Path, *, explained: int = 0) -> Path:
    """Write ``report.html`` into the folder of a run or of folds, and return its path.

    Raises:
        UserError: if the run or a fold is not finished.
    """
    folder = RunFolder(run)
    write_text(folder.report_file, render_report(folder, explained=explained))
    return folder.report_file


def render_report(folder: RunFolder, *, explained: int = 0) -> str:
    """Return the page as HTML that needs no network. UserError if the run or a fold is not finished.

    Up to ``explained`` of its misclassified texts have the nearest training texts and the effect of each word, which
    needs the texts and the language model. The page of folds has what all of them share, and leads to their pages.
    """
    content = _Content.read(folder)
    if explained and content.folds:
        raise UserError(
            f"--explain needs one model, and {folder.path} holds {len(content.folds)} folds with a model each. Give "
            f"one of them, such as {folder.fold(0).path}."
        )
    config = content.config
    predictions = content.predictions
    metrics = content.metrics
    result = content.record
    task = TASKS[config.data.task]
    models = result.models
    place = folder.model_for_texts(result)
    step = next_step(result, config, str(place.path), place.stored_rows(result))
    answers = predictions if task.one_label else None
    own_sentences = own_row_sentences(models, predictions) if predictions else ()
    template = encoder_template if config.model.head == "none" else head_template
    n_labels = result.data.n_learned
    circuit = template(config.model.for_labels(n_labels))
    parts = describe(config.model, result.body.dimension, n_labels)
    return render_template(
        "qllmft.report",
        "run.html.j2",
        verdict=verdict(models, result.data.folds, step),
        result=result,
        task=task,
        config=config,
        folds=[_fold_row(fold, record) for fold, record in content.folds],
        fold_thresholds=any("thresholds" in record.head.settings for _, record in content.folds),
        scores=model_scores_svg(models),
        without_circuit=WITHOUT_CIRCUIT,
        comparisons=[comparison_columns(models), *comparison_rows(models)],
        configuration=describe_settings(config),
        **_paid_job_variables(content.ledger),
        device_answers=content.device_answers,
        measured_probabilities=[
            measured_probabilities_svg(answers) for answers in content.device_answers
        ],
        parts=parts,
        ablation_size=ablation_size(result.head, parts),
        family_sentences=[*family_sentences(models), *own_sentences],
        curves=training_svgs(metrics, result.selected_epoch) if metrics else None,
        epochs=metrics[-1].epoch if metrics else 0,
        chosen=next((m for m in metrics if m.epoch == result.selected_epoch), None),
        circuit=draw_text(circuit, fold=False) if circuit is not None else None,
        **_calibration_variables(models),
        found=predictions,
        scatter=scatter_svg(predictions, result.head.name) if predictions and task.real else None,
        answers=answers,
        confusion=(
            Confusion.from_counts(answers.confusion(result.head.name), answers.label_names)
            if answers
            else None
        ),
        label_set_rows=_label_set_rows(result),
        max_rows=MAX_NAMED_COLUMNS,
        explanations=_explanations(folder, answers.mistakes[:explained]) if answers else [],
        made_with=[*identity_rows(result.data, result.body), *result.versions.items()],
        config_toml=content.config_toml,
    )


def _paid_job_variables(ledger: Path | None) -> dict[str, Any]:
    """Return the paid jobs of a run, and the energy of each."""
    if not (ledger and ledger.exists()):
        return {"jobs": [], "energies_kj": []}
    paid_jobs = load_part("paid_jobs", f"the page of {ledger}")  # most runs have none
    jobs = paid_jobs.paid_jobs(ledger)
    energies_kj = [(paid_jobs.measured_kj(job), paid_jobs.formula_kj(job)) for job in jobs]
    return {"jobs": jobs, "energies_kj": energies_kj}


def _calibration_variables(models: Sequence[ModelResult]) -> dict[str, Any]:
    """Return the calibration of each row on the test texts, its diagram, and the rows without a temperature."""
    calibrations = {row.name: row.test_calibration for row in models if row.test_calibration}
    return {
        "calibrations": calibrations,
        "as_trained": [
            row.name
            for row in models[1:]
            if row.test_calibration and "temperature" not in row.settings
        ],
        "reliability": reliability_svg(calibrations) if calibrations else None,
    }


def _label_set_rows(result: RunRecord) -> list[Any]:
    """Return the scores of each label where texts have several, else none."""
    scores = result.head.test
    if not isinstance(scores, LabelSetScores):
        return []
    thresholds = result.head.settings.get("thresholds")
    return label_set_rows(scores.by_label, result.data.labels, thresholds)


def _fold_row(fold: RunFolder, record: RunRecord) -> dict[str, Any]:
    """Return the cells of a fold: its name, the address of its report if there is one, and the scores of its head."""
    address = f"{fold.path.name}/{fold.report_file.name}"
    return {
        "name": fold.path.name,
        "report": address if fold.report_file.exists() else None,
        "test": record.head.tested,
        "validation": record.head.validation.plain,
    }


def _explanations(folder: RunFolder, mistakes: Sequence[Mistake]) -> list[Explanation]:
    """Return explanations of misclassified texts."""
    if not mistakes:
        return []
    from qllmft.inference import Predictor
    from qllmft.inference.explanation import TrainingTexts, explain_text

    predictor = Predictor.load(folder.path)
    load_training_texts = cache(partial(TrainingTexts.load, predictor, folder.path))
    return [explain_text(predictor, mistake.text, load_training_texts) for mistake in mistakes]
