"""The work of a study: check everything, train what is not finished, gather the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from qllmft.config import RunConfig
from qllmft.data import read_corpus, split_corpus
from qllmft.embed import locate_body
from qllmft.errors import UserError
from qllmft.experiments.compare.plan import FITTED, Job, Row, Study, jobs
from qllmft.experiments.compare.record import RowResult, StudyRecord
from qllmft.experiments.cost import BEGINNING, epoch_cost, run_cost
from qllmft.heads import build_classifier
from qllmft.run import ModelResult, Reporter, RunFolder, RunRecord, run_experiment
from qllmft.training import EpochMetrics
from qllmft_backends import create

_ANY_DIMENSION = 2  # of an embedding, to build a model and see whether it fits the labels


class StudyReporter(Reporter):
    """Callbacks of a study beside those of its runs. Override what is of interest."""

    def runs(self, total: int, finished: int, cost: float) -> None:
        """Before the first run: how many there are, how many of them are finished, the relative cost of the others."""

    def run(self, label: str, seed: int) -> None:
        """Before each run that is not finished; ``label`` of the row that its head is."""

    def worked(self, cost: float, *, earlier: bool = False) -> None:
        """After each epoch and each run: the cost of what is done since; ``earlier`` by a call that was interrupted."""


def run_study(
    study: Study,
    folder: Path,
    settings: Mapping[str, Any],
    command: str,
    reporter: StudyReporter | None = None,
) -> StudyRecord:
    """Do every run of ``study`` that is not finished; a run's folder is ``runs/<identity>``.

    Args:
        study: its plan.
        folder: of the study.
        settings: what all runs have in common, by dotted names.
        command: that was given, for the record.
        reporter: who watches.

    Raises:
        UserError: for bad input, before any work.
        KeyboardInterrupt: where a run was interrupted; the same call goes on.
    """
    reporter = reporter or StudyReporter()
    planned = jobs(study, settings)
    _check(planned, folder)
    left = [job for job in planned if not (_run_folder(folder, job.config).result_file.exists())]
    reporter.runs(len(planned), len(planned) - len(left), sum(run_cost(job.config) for job in left))
    results = [_result(study, job, folder, reporter, new=job in left) for job in planned]
    return _record(study, planned, results, settings, command)


def _run_folder(folder: Path, config: RunConfig) -> RunFolder:
    return RunFolder(folder / "runs" / config.identity)


def _check(planned: Sequence[Job], folder: Path) -> None:
    """Find what is wrong with texts, splits, body, backends and structures now, not hours later.

    Raises:
        UserError: where something is.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder} is a file; expected a folder, or a name that does not exist.")
    corpora = {}
    for job in planned:
        data = job.config.data
        if data not in corpora:
            corpora[data] = read_corpus(data)
            locate_body(job.config.body)
        split_corpus(corpora[data], data, job.seed)
    for job in planned:
        if job.seed == 0:
            config = job.config
            backend = create(config.backend.name, {**config.backend.options, **config.noise.backend_options})
            build_classifier(config.model, _ANY_DIMENSION, corpora[config.data].n_classes, backend=backend)


class _OneRun(Reporter):
    """Passes a run's epochs on to the study's reporter as cost."""

    def __init__(self, watcher: StudyReporter, config: RunConfig) -> None:
        self._watcher, self._config = watcher, config
        self._reported = 0.0

    def message(self, text: str) -> None:
        self._watcher.message(text)

    def embedding(self, total: int, body: str) -> AbstractContextManager[Callable[[int], None]]:
        return self._watcher.embedding(total, body)

    def contrastive(self, steps: int, done: int) -> AbstractContextManager[Callable[[int], None]]:
        return self._watcher.contrastive(steps, done)

    def fitting(self, name: str) -> AbstractContextManager[None]:
        return self._watcher.fitting(name)

    @contextmanager
    def training(self, epochs: int, done: int) -> Iterator[Callable[[EpochMetrics], None]]:
        each = epoch_cost(self._config)
        self._report(BEGINNING)
        self._report(BEGINNING + done * each, earlier=True)
        with self._watcher.training(epochs, done) as show:

            def report(metrics: EpochMetrics) -> None:
                show(metrics)
                self._report(BEGINNING + metrics.epoch * each)

            yield report

    def finish(self) -> None:
        self._report(run_cost(self._config))

    def _report(self, cost: float, *, earlier: bool = False) -> None:
        self._watcher.worked(cost - self._reported, earlier=earlier)
        self._reported = cost


def _result(study: Study, job: Job, folder: Path, reporter: StudyReporter, *, new: bool) -> RunRecord:
    """The record of a job's run."""
    path = _run_folder(folder, job.config).path
    if not new:
        finished = run_experiment(job.config, path).record
        assert finished is not None
        return finished
    rows = [study.rows[index] for index in job.rows]
    reporter.run(next((row for row in rows if not row.classical), rows[0]).label, job.seed)
    watcher = _OneRun(reporter, job.config)
    result = run_experiment(job.config, path, watcher).record
    if result is None:
        raise KeyboardInterrupt
    watcher.finish()
    return result


def _record(
    study: Study, planned: Sequence[Job], results: Sequence[RunRecord], settings: Mapping[str, Any], command: str
) -> StudyRecord:
    first, config = results[0], planned[0].config
    versions: dict[str, list[str]] = {}
    for result in results:
        for name, version in result.versions.items():
            if version not in versions.setdefault(name, []):
                versions[name].append(version)
    given_splits = config.data.protocol == "given" and config.data.drawn_per_label is None
    validation_given = given_splits and "validation" in read_corpus(config.data).splits
    return StudyRecord(
        study=study.name,
        title=study.title,
        subject=study.subject,
        rival=study.rival,
        reduced=study.reduced,
        seeds=tuple(range(study.seeds)),
        epochs=config.train.epochs,
        select=config.train.select,
        protocol=config.data.protocol,
        redrawn=not validation_given,
        data=first.data,
        body=first.body,
        settings=dict(settings),
        command=command,
        rows=tuple(_row(study, index, planned, results) for index in range(len(study.rows))),
        versions=versions,
    )


def _row(study: Study, index: int, planned: Sequence[Job], results: Sequence[RunRecord]) -> RowResult:
    """One row, from its runs."""
    row = study.rows[index]
    pairs = [(job, result) for job, result in zip(planned, results, strict=True) if index in job.rows]
    models = [_model(result, row) for _, result in pairs]
    return RowResult(
        label=row.label,
        side=row.side,
        group=row.group,
        preset=row.preset,
        model=models[0].name,
        published=row.published,
        runs=tuple(job.config.identity for job, _ in pairs),
        parameters=tuple(model.parameters for model in models),
        validation=tuple(model.validation.value for model in models),
        test=tuple(model.tested.value for model in models),
        test_exact=tuple(model.test_exact for model in models if model.test_exact is not None),
        epochs=() if row.classical else tuple(result.selected_epoch for _, result in pairs),
    )


def _model(record: RunRecord, row: Row) -> ModelResult:
    """The model of a run that a row is about."""
    if row.classical is None:
        return record.head
    model = record.model(FITTED[row.classical])
    assert model is not None  # the run was configured with it
    return model
