"""Page on one run, ``report.html`` in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from qllmft.config.presets import describe_settings
from qllmft.energy.formula import formula_kj, measured_kj
from qllmft.files import write_bytes
from qllmft.report.figures import reliability_svg, scatter_svg, training_svgs
from qllmft.report.render import identified, render_template
from qllmft.run import ModelResult, RunFolder
from qllmft.run.predictions import Mistake
from qllmft.run.record import WITHOUT_CIRCUIT
from qllmft.run.table import circuit_notes
from qllmft.run.verdict import headline, verdict
from qllmft.tasks import TASKS
from qllmft.templates import describe, encoder_template, head_template
from qllmft_circuits import draw_text

if TYPE_CHECKING:
    from qllmft.inference.explanation import Explanation
    from qllmft_backends.remote import Job


def write_report(run: Path, *, explained: int = 0) -> Path:
    """Write ``report.html`` into a run's folder, and return its path. UserError if the run is not finished."""
    folder = RunFolder(run)
    page = render_report(folder, explained=explained)
    # a text can contain half a surrogate pair
    write_bytes(folder.report_file, page.encode("utf-8", "replace"))
    return folder.report_file


def render_report(folder: RunFolder, *, explained: int = 0) -> str:
    """Return the page as HTML that needs no network. UserError if the run is not finished.

    Up to ``explained`` of its misclassified texts have the nearest training texts and the effect of each word, which
    needs the texts and the language model.
    """
    config, found, metrics = folder.read_config(), folder.read_predictions(), folder.metrics()
    result = folder.finished().compared(found)
    task, models = TASKS[config.data.task], result.models
    answers = found if task.one_label else None
    template = encoder_template if config.model.head == "none" else head_template
    circuit = template(config.model)
    calibrations = {each.name: each.test_calibration for each in models if each.test_calibration}
    return render_template(
        "qllmft.report",
        "run.html.j2",
        verdict=headline(models),
        sentence=verdict(models),
        result=result,
        task=task,
        config=config,
        bars=_bars(models),
        without_circuit=WITHOUT_CIRCUIT,
        circuit_notes=list(circuit_notes(result)),
        configuration=describe_settings(config),
        jobs=_paid_jobs(folder.ledger),
        energies_kj=(measured_kj, formula_kj),
        parts=describe(config.model, result.body.dimension, len(result.data.labels)),
        curves=training_svgs(metrics, result.selected_epoch) if metrics else None,
        epochs=metrics[-1].epoch if metrics else 0,
        chosen=next((m for m in metrics if m.epoch == result.selected_epoch), None),
        circuit=draw_text(circuit, fold=False) if circuit is not None else None,
        calibrations=calibrations,
        reliability=reliability_svg(calibrations) if calibrations else None,
        found=found,
        scatter=scatter_svg(found, result.head.name) if found and task.real else None,
        answers=answers,
        explanations=_explanations(folder, answers.mistakes[:explained]) if answers else [],
        made_with=[*identified(result.data, result.body), *result.versions.items()],
        config_toml=folder.config_file.read_text(encoding="utf-8"),
    )


def _explanations(folder: RunFolder, mistakes: Sequence[Mistake]) -> list[Explanation]:
    """Return explanations of misclassified texts."""
    if not mistakes:
        return []
    from qllmft.inference import Predictor
    from qllmft.inference.explanation import TrainingTexts, explain_text

    predictor = Predictor.load(folder.path)
    trained = cache(partial(TrainingTexts.of, predictor, folder.path))
    return [explain_text(predictor, mistake.text, trained) for mistake in mistakes]


def _bars(models: Sequence[ModelResult]) -> list[dict[str, float]]:
    """Return each model's test accuracy and interval as places on a line of length 100, with one scale for all."""
    least = min(m.tested.interval[0] for m in models)
    width = (max(m.tested.interval[1] for m in models) - least) or 1.0

    def place(share: float) -> float:
        return float(round(4 + 92 * (share - least) / width, 1))

    ends = [(*m.tested.interval, m.tested.value) for m in models]
    return [
        {"low": place(low), "at": place(value), "high": place(high)} for low, high, value in ends
    ]


def _paid_jobs(folder: Path) -> list[Job]:
    """Return the jobs of all ledgers in a folder that were accepted and are not free. No server is asked."""
    if not folder.exists():
        return []
    from qllmft_backends.remote import ledger_jobs, ledgers_in

    jobs = [job for each in ledgers_in(folder) for job in ledger_jobs(each)]
    return [job for job in jobs if job.job_id and (job.price != 0 or job.cost)]
