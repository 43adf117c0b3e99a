"""Training run: data, embeddings, the head and its baselines, one reading of the test set, one record."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from qllmft.baselines import (
    GridBaseline,
    Head,
    WordBaseline,
    calibrate_baseline,
    check_answers,
    check_baselines,
    check_fitted,
    fit_and_score,
    fitting_stage,
    score_head,
)
from qllmft.baselines.head import CLASSICAL_HEAD, QUANTUM_HEAD
from qllmft.config import RunConfig, TrainConfig
from qllmft.data import Corpus
from qllmft.embed.reading import Reader
from qllmft.events import EpochEnded, FinishedBefore, Message, OnEvent, ignore, stage
from qllmft.run.bodies import RunBody, make_body
from qllmft.run.compilation import start_compilation
from qllmft.run.cross_validation import (
    CrossValidation,
    HeldOutResults,
    cross_validate,
    make_run_baselines,
)
from qllmft.run.device import compile_kernels
from qllmft.run.folder import RunFolder, run_folder
from qllmft.run.interruption import StageInterruptedError, check_not_interrupted
from qllmft.run.lock import sole_use
from qllmft.run.notes import report_choices, report_reading
from qllmft.run.outcome import Outcome
from qllmft.run.record import RunRecord
from qllmft.run.recording import make_record, test_models
from qllmft.run.rows import Row
from qllmft.run.saving import save_baselines, save_head
from qllmft.run.setup import RunSetup, SharedInputs, training_backend
from qllmft.run.vectors import Vectors, word_vectors
from qllmft.templates import check_classes
from qllmft.training import (
    Checkpoint,
    EpochMetrics,
    Selection,
    TorchHead,
)
from qllmft.training.head import calibrates
from qllmft_base.errors import UserError


def run_experiment(
    config: RunConfig,
    out: Path | None = None,
    on_event: OnEvent = ignore,
    *,
    read_test: bool = True,
    wait: bool = True,
    inputs: SharedInputs | None = None,
    backend_options: Mapping[str, Any] | None = None,
) -> Outcome:
    """Run ``config`` from data to record, or continue an unfinished run of the same configuration.

    The page report.html is not written. `qllmft.train` writes it too, and `qllmft report` later.

    Args:
        config: the whole run.
        out: its folder; ``runs/<identity>`` if None.
        on_event: receives the events of the run.
        read_test: read the test set; if False, stop after validation. The test set is then not even embedded, and
            neither the outcome nor a file holds a value of it. The same call with True continues from there: the head
            is not trained again, but the baselines are, since they are not kept.
        wait: if another process works on the run, wait for it and return its outcome.
        inputs: texts and embeddings that are in memory, shared by several runs.
        backend_options: of the backend in training, in addition to those of ``config``; an address, a key and the
            consent to a price are given here, since they are not kept.

    Raises:
        UserError: for bad input, before any work.
        RunBusyError: if another process works on the run and ``wait`` is off.
    """
    check_baselines(config.baselines.names, config.data.task)
    folder = run_folder(config, out)
    folder.check_can_be_made()
    texts = inputs or SharedInputs()
    corpus = texts.corpus(config.data)
    splits = texts.splits(config.data, config.seed)
    check_classes(config.model, corpus.n_classes)
    finished = _read_finished_record(folder, config, corpus, read_test)
    if finished:
        on_event(
            FinishedBefore(f"This run is finished already. Its record is {folder.result_file}.")
        )
        if read_test:  # the process that finished it may have died before
            _remove_unneeded(folder, config)
        folder.remove_temporaries()
        return Outcome(folder, finished, config.train.epochs)
    with sole_use(folder.path, (lambda text: on_event(Message(text))) if wait else None):
        finished = _read_finished_record(folder, config, corpus, read_test)  # by another process
        if finished:
            return Outcome(folder, finished, config.train.epochs)
        folder.check_texts(corpus)
        checked = texts.check(config.data, config.seed)
        on_event(checked)
        backend = training_backend(config, splits, corpus.n_classes, on_event, backend_options)
        outcome = _train_and_test(
            RunSetup(
                config,
                folder,
                corpus,
                splits,
                checked.findings,
                backend,
                on_event,
                inputs,
                read_test,
            )
        )
        folder.remove_temporaries()
    return outcome


class _TrainedRow(NamedTuple):
    """Row of the trained head, and what the record says of its training."""

    row: Row
    body_identity: str
    selection: Selection


def _train_and_test(setup: RunSetup) -> Outcome:
    """Do the stages of a run in turn: prepare, train, fit the baselines, test, keep."""
    start_compilation(setup.config)
    reader = Reader.for_body(setup.config.body)  # None: its model has to be downloaded first
    report_reading(setup, reader)
    try:
        folds = _validate_by_folds(setup)
        body = _prepare_body(setup, folds, is_new=reader is None)
        baselines = make_run_baselines(
            setup, body
        )  # faults of their names end a run before its training
        head = _train_head(setup, body, folds)
        epochs_done = head.selection.epochs_done
        rows = [head.row, *_fit_baselines(setup, body, baselines, folds, epochs_done)]
    except StageInterruptedError as stop:
        in_checkpoint = setup.folder.checkpoint.epochs_done()
        epochs_done = in_checkpoint if stop.epochs_done is None else stop.epochs_done
        return Outcome(setup.folder, None, epochs_done, stop.signal)
    record = make_record(setup, body, head.body_identity, head.selection.epoch, rows)
    if setup.read_test:
        save_baselines(setup, body, rows[1:])
        record = test_models(setup, record, rows)
    setup.folder.write_result(record)
    if setup.read_test:
        _remove_unneeded(setup.folder, setup.config)
    return Outcome(setup.folder, record, head.selection.epochs_done)


def _validate_by_folds(setup: RunSetup) -> CrossValidation | None:
    """Train the head and its baselines without each fold of the training texts, if the run has folds."""
    if setup.splits.folds is None:
        return None
    setup.folder.open_for(setup.config, setup.corpus)  # the folds have folders there
    return cross_validate(setup, partial(_make_head, setup.config))


def _prepare_body(setup: RunSetup, folds: CrossValidation | None, *, is_new: bool) -> RunBody:
    """Embed the texts, build the head on their embeddings and report what training will take.

    If the language model ``is_new``, it is downloaded here, and the texts that it does not know are reported then.
    """
    config = setup.config
    body = make_body(setup)
    if is_new:
        report_reading(setup, Reader.for_body(config.body))
    if folds is None:
        n_classes = setup.corpus.n_classes
        compile_kernels(config, body.dimension, n_classes, setup.splits.sizes, setup.on_event)
    body.announce(setup.folder.checkpoint.epochs_done())
    report_choices(setup)
    return body


def _train_head(setup: RunSetup, body: RunBody, folds: CrossValidation | None) -> _TrainedRow:
    """Train the head, or continue its training, and save it."""
    folder = setup.folder
    folder.open_for(setup.config, setup.corpus)
    folder.keep_body(body.start_identity)
    done = folder.checkpoint.epochs_done()
    folder.keep_metrics_until(done)

    def on_epoch(metrics: EpochMetrics) -> None:
        metrics = folds.with_validation(metrics) if folds else metrics
        folder.write_metrics(metrics)
        setup.on_event(EpochEnded(metrics))

    head = _make_head(setup.config, body, on_epoch, folder.checkpoint)
    head_results = folds.rows[0] if folds else None
    if head_results:
        head_results.choose_settings(head)
    with stage(setup.on_event, "training", head.name, setup.config.train.epochs, done):
        started = time.perf_counter()
        head.fit(*body.training_inputs)
        seconds = body.seconds(time.perf_counter() - started)
    selection = head.selection
    assert selection is not None  # it was trained
    if head.interrupted:
        save_head(setup, body, head, None)
    check_not_interrupted(head, selection.epochs_done)
    if head_results:
        fitted = head_results.calibrate_and_score(
            head, body.head_vectors.train, seconds, setup.config.train
        )
        identity = save_head(setup, body, head, folds)
    else:  # saved first: the vectors of a trained body are computed from its folder
        identity = save_head(setup, body, head, None)
        fitted = score_head(head, body.head_vectors.validation, seconds)
    return _TrainedRow(Row(fitted, body.head_vectors, head_results), identity, selection)


def _fit_baselines(
    setup: RunSetup,
    body: RunBody,
    baselines: Sequence[Head],
    folds: CrossValidation | None,
    epochs_done: int,
) -> list[Row]:
    """Fit the classical baselines to the training texts of the head, whose ``epochs_done`` an interruption keeps."""
    n_labels = setup.corpus.n_classes
    rows = []
    for i, baseline in enumerate(baselines, 1):
        with fitting_stage(setup.on_event, baseline, body.baseline_vectors.train):
            vectors = body.baseline_vectors
            if isinstance(baseline, WordBaseline):
                vectors = word_vectors(setup, baseline.read)
            fold_results = folds.rows[i] if folds else None
            rows.append(
                _fit_baseline(baseline, vectors, fold_results, n_labels, setup.config.train)
            )
        check_not_interrupted(baseline, epochs_done)
    return rows


def _remove_unneeded(folder: RunFolder, config: RunConfig) -> None:
    """Remove bodies that a finished run has copied or does not need, and its checkpoint if that has one."""
    unfinished = folder.checkpoint.path.parent
    if config.body.learns:  # several times as large as the trained body
        shutil.rmtree(unfinished, ignore_errors=True)
    for place in (folder.words.parent, *unfinished.glob("fold-*")):
        shutil.rmtree(place, ignore_errors=True)


def _make_head(
    config: RunConfig,
    body: RunBody,
    on_epoch: Callable[[EpochMetrics], None],
    checkpoint: Checkpoint | None = None,
) -> TorchHead:
    """Return the run's head before its training.

    After a contrastive step the labels of the training texts are in their embeddings, so validation texts choose.
    """
    train = config.train
    if config.body.contrastive.switched_on and train.ridge_c == "folds":
        train = train.model_copy(update={"ridge_c": "validation"})
    return TorchHead(
        (CLASSICAL_HEAD if config.model.head == "mlp" else QUANTUM_HEAD) + body.suffix,
        body.classifier,
        train,
        config.seed,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
        end_to_end=body.end_to_end,
    )


def _fit_baseline(
    baseline: Head,
    vectors: Vectors,
    fold_results: HeldOutResults | None,
    n_labels: int,
    config: TrainConfig,
) -> Row:
    """Return the row of a baseline after its fit, calibrated as the head is.

    Args:
        baseline: not yet fitted.
        vectors: of the texts.
        fold_results: results of the folds; None without folds.
        n_labels: k, number of labels or targets.
        config: training of the head, which says whether rows are calibrated.
    """
    if fold_results is None:
        validation = vectors.validation
        fitted = fit_and_score(baseline, vectors.train, validation, n_labels)
        if isinstance(baseline, GridBaseline) and calibrates(
            config, validation.task, len(validation)
        ):
            calibrate_baseline(baseline, validation, n_labels)
        return Row(fitted, vectors)
    fold_results.choose_settings(baseline)
    started = time.perf_counter()
    baseline.fit(vectors.train, vectors.train)
    seconds = time.perf_counter() - started
    check_fitted(baseline)
    fitted = fold_results.calibrate_and_score(baseline, vectors.train, seconds, config)
    check_answers(baseline.name, fitted.validation_answers, vectors.train, n_labels)
    return Row(fitted, vectors, fold_results)


def _read_finished_record(
    folder: RunFolder, config: RunConfig, corpus: Corpus, read_test: bool
) -> RunRecord | None:
    """Return the record of the finished run, without the test set unless it is to be read."""
    if not folder.path.exists():
        return None
    folder.check_holds(config)
    result = folder.read_result()
    validation = folder.read_validation()
    for record in (result, validation):
        if record and (record.data.fingerprint, record.data.labels) != (
            corpus.fingerprint,
            corpus.label_names,
        ):
            raise UserError(
                f"the folder {folder.path} holds a finished run on other texts: {corpus.source} has changed since. "
                "Choose another folder with --out."
            )
    if read_test:
        return result
    return result.without_test() if result else validation
