"""Training run: data, embeddings, the head and its baselines, one reading of the test set, one record."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from qllmft.baselines import (
    BASELINES,
    FittedHead,
    Head,
    TrainedHead,
    as_classifier,
    check_baselines,
    fit_and_score,
    fit_without_circuit,
    in_latent,
    left_out,
    make_baselines,
    score_of,
    scored,
)
from qllmft.config import RunConfig
from qllmft.data import Corpus, Findings
from qllmft.data.corpus import listed
from qllmft.embed import published_name, weights_hash
from qllmft.errors import UserError
from qllmft.events import DataChecked, EpochEnded, Message, OnEvent, ignore, stage
from qllmft.model.store import StoredModel, save_model
from qllmft.run.bodies import RunBody, body_of
from qllmft.run.folder import RunFolder, folder_of
from qllmft.run.lock import sole_use
from qllmft.run.novelty import Novelty
from qllmft.run.predictions import Predictions
from qllmft.run.record import (
    BodyRecord,
    DataRecord,
    LearnedBody,
    ModelResult,
    RunRecord,
    WithoutCircuit,
)
from qllmft.run.setup import RunSetup, SharedInputs, training_backend
from qllmft.run.table import table_html
from qllmft.run.vectors import Vectors
from qllmft.tasks import TASKS
from qllmft.tasks.calibration import Calibration
from qllmft.tasks.coverage import true_probabilities
from qllmft.templates import check_classes
from qllmft.training import EpochMetrics, Examples, contrastive_pairs, logits_of
from qllmft.training.linear_solution import FOLDS, fold_counts
from qllmft.versions import versions


@dataclass(frozen=True)
class Outcome:
    """Outcome of a run."""

    folder: RunFolder  # the run's folder
    # content of ``result.json``, or of ``validation.json`` if the test set was not read; None if
    # training was interrupted
    record: RunRecord | None
    epochs_done: int  # number of trained epochs
    signal: int | None = None  # number of the signal that interrupted training, or None

    def _repr_html_(self) -> str:
        """Return the table of its models, for a notebook."""
        return (
            table_html(self.record)
            if self.record
            else f"interrupted after epoch {self.epochs_done}"
        )


@dataclass(frozen=True)
class TrainedRun(Outcome):
    """Outcome of a finished run, which always has a record."""

    record: RunRecord  # content of ``result.json``

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """Return a finished run's outcome.

        Raises:
            KeyboardInterrupt: if Ctrl-C interrupted the training.
            SystemExit: if SIGTERM did.
        """
        if outcome.record is not None:
            return cls(outcome.folder, outcome.record, outcome.epochs_done)
        if outcome.signal == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        raise KeyboardInterrupt(f"after epoch {outcome.epochs_done}; the same call resumes the run")


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
    folder = folder_of(config, out)
    folder.check_can_be_made()
    texts = inputs or SharedInputs()
    corpus = texts.corpus(config.data)
    check_classes(config.model, corpus.n_classes)
    splits = texts.splits(config.data, config.seed)
    finished = _finished(folder, config, corpus, read_test)
    if finished:
        on_event(Message(f"This run is finished already; its record is {folder.result_file}."))
        return Outcome(folder, finished, config.train.epochs)
    with sole_use(folder.path, (lambda text: on_event(Message(text))) if wait else None):
        finished = _finished(folder, config, corpus, read_test)  # by another process
        if finished:
            return Outcome(folder, finished, config.train.epochs)
        findings = splits.findings(corpus)
        on_event(DataChecked(findings, splits.in_words))
        backend = training_backend(config, splits, on_event, backend_options)
        return _work(
            RunSetup(config, folder, corpus, splits, findings, backend, on_event, inputs, read_test)
        )


def _work(setup: RunSetup) -> Outcome:
    """Embed the texts, train the head, fit its baselines and write the record."""
    folder = setup.folder
    body, config = body_of(setup), setup.config
    body.announce(folder.checkpoint.epochs_done())
    if config.model.start == "linear":
        setup.message(
            "The given settings leave no start at sines: the head's weights start at random, behind encoders that "
            "start at the linear solution."
        )
    _report_few_folds(setup)
    folder.open_for(config)
    done = folder.checkpoint.epochs_done()
    folder.keep_metrics_until(done)
    name = ("classical head" if config.model.head == "mlp" else "quantum head") + body.suffix

    def on_epoch(metrics: EpochMetrics) -> None:
        folder.write_metrics(metrics)
        setup.on_event(EpochEnded(metrics))

    head = TrainedHead(
        name,
        body.classifier,
        config.train,
        config.seed,
        checkpoint=folder.checkpoint,
        on_epoch=on_epoch,
        end_to_end=body.end_to_end,
    )
    with stage(setup.on_event, "training", name, config.train.epochs, done):
        started = time.perf_counter()
        head.fit(*body.learnt)
        seconds = body.seconds(time.perf_counter() - started)
    identity = _save_model(setup, body, head)
    selection = head.selection
    assert selection is not None  # it was trained
    if head.interrupted:
        return Outcome(folder, None, selection.epochs_done, selection.signal)
    vectors = [body.head_vectors]
    fitted = [scored(head, vectors[0].validation, seconds)]
    n_texts = len(setup.splits.train)
    for left in left_out(config, n_texts):
        setup.message(
            f"{BASELINES[left].label} is left out: its time grows with the square of the {n_texts:,} training texts. "
            "Compare it on fewer with --per-label."
        )
    for baseline in make_baselines(
        config, body.classifier.n_parameters, body.dimension, setup.corpus.n_classes, n_texts
    ):
        vectors.append(body.baseline_vectors)
        with stage(setup.on_event, "fitting", baseline.name):
            fitted.append(fit_and_score(baseline, vectors[-1].train, vectors[-1].validation))
        if baseline.interrupted:
            stopped = baseline.selection if isinstance(baseline, TrainedHead) else None
            return Outcome(folder, None, selection.epochs_done, stopped.signal if stopped else None)
    record = _record(setup, body, identity, selection.epoch, fitted)
    if setup.read_test:
        _save_rows(setup, body, [each.head for each in fitted[1:]], vectors[1:])
        record = _tested(setup, record, fitted, vectors)
        folder.write_result(record)
        if config.body.learns:
            folder.drop_checkpoint()
    else:
        folder.write_validation(record)
    return Outcome(folder, record, selection.epochs_done)


def _report_few_folds(setup: RunSetup) -> None:
    """Report labels with too few training texts for the usual number of folds of the start's C."""
    config, train = setup.config, setup.splits.train
    chosen = config.model.start == "sines" and config.train.ridge_c == "auto"
    if not chosen or not TASKS[config.data.task].several:
        return
    counts = fold_counts(train.labels)
    few = [
        f"{name!r} {'none, C = 1' if folds < 2 else folds}"
        for name, folds in zip(setup.corpus.label_names, counts.tolist(), strict=True)
        if folds < FOLDS
    ]
    if few:
        setup.message(
            f"C of each label is chosen by cross-validation in {FOLDS} folds; fewer of {listed(few, len(few), ', ')}, "
            "which too few training texts have or lack."
        )


def _save_model(setup: RunSetup, body: RunBody, head: TrainedHead) -> str:
    """Save the selected model, with its body if that was trained, and return the identity of the body."""
    trained, identity = body.saved()
    own = setup.config.body.learns and trained.adapter is None
    held = None
    if not head.interrupted:
        held = body.head_vectors.validation
        Novelty.of(body.head_vectors, setup.config.seed).save(setup.folder.path)
    model = StoredModel(
        classifier=body.classifier,
        config=setup.config.model.for_labels(setup.corpus.n_classes),
        body=trained,
        body_identity=identity,
        dimension=body.dimension,
        label_names=setup.corpus.label_names,
        own_body=own,
        task=setup.config.data.task,
        pair=setup.config.data.pair,
        thresholds=None if head.thresholds is None else tuple(head.thresholds.tolist()),
        true_probabilities=held and _of_true_labels(held, head.probabilities(held.x.numpy())),
    )
    save_model(setup.folder.model_folder, model, versions())
    return identity


def _of_true_labels(
    held: Examples, probabilities: NDArray[np.floating] | None
) -> tuple[float, ...] | None:
    """Return the probabilities of the true labels of validation texts, or None unless each has one label."""
    if probabilities is None or not held.task.one_label:
        return None
    return true_probabilities(probabilities, held.y.numpy())


def _save_rows(
    setup: RunSetup, body: RunBody, baselines: Sequence[Head], vectors: Sequence[Vectors]
) -> None:
    """Save the baselines as models, those that are affine or have RBF kernels."""
    start = body.start
    if start is None:
        return
    for baseline, own in zip(baselines, vectors, strict=True):
        if (found := as_classifier(baseline, own.validation, setup.corpus.n_classes)) is None:
            continue
        model = StoredModel(
            classifier=found.classifier,
            config=found.config,
            kernel=found.kernel,
            body=start,
            body_identity=own.identity,
            dimension=body.dimension,
            label_names=setup.corpus.label_names,
            own_body=setup.config.body.contrastive.switched_on and start.adapter is None,
            task=setup.config.data.task,
            pair=setup.config.data.pair,
            thresholds=found.thresholds,
            true_probabilities=_of_true_labels(
                own.validation,
                own.validation.task.probabilities(logits_of(found.classifier, own.validation.x)),
            ),
        )
        save_model(setup.folder.row_folder(baseline.name), model, versions(), with_body=False)


def _record(
    setup: RunSetup, body: RunBody, identity: str, epoch: int, fitted: Sequence[FittedHead]
) -> RunRecord:
    """Return the record without the test set, with the seconds of the call that trained."""
    config, corpus = setup.config, setup.corpus
    earlier = setup.folder.read_validation()
    seconds = {model.name: model.seconds for model in earlier.models} if earlier else {}
    return RunRecord(
        identity=config.identity,
        seed=config.seed,
        data=DataRecord(
            corpus.source,
            corpus.fingerprint,
            corpus.label_names,
            setup.splits.sizes,
            setup.findings if setup.findings != Findings() else None,
            setup.splits.rule,
        ),
        body=BodyRecord(
            published_name(config.body),
            identity,
            body.dimension,
            _learned_body(setup),
            weights_hash(config.body),
        ),
        selected_epoch=epoch,
        models=tuple(
            ModelResult(
                name=each.head.name,
                validation=each.validation,
                parameters=each.head.n_parameters,
                seconds=seconds.get(each.head.name, each.seconds),
                settings=each.head.settings,
                validation_exact=each.validation_exact,
            )
            for each in fitted
        ),
        versions=versions(),
        noise=None if config.noise.is_none else config.noise,
    )


def _learned_body(setup: RunSetup) -> LearnedBody | None:
    """Return the training of the run's body, or None for a frozen one."""
    body = setup.config.body
    if not body.learns:
        return None
    size = sum(
        file.stat().st_size for file in setup.folder.trained_body(body).rglob("*") if file.is_file()
    )
    return LearnedBody(
        contrastive_pairs(len(setup.splits.train), body.contrastive),
        body.trainable is not False,
        size,
    )


def _tested(
    setup: RunSetup, record: RunRecord, fitted: Sequence[FittedHead], vectors: Sequence[Vectors]
) -> RunRecord:
    """Add the test set to the record and keep all answers. No other function reads the test set."""
    tests = [each.tested for each in vectors]
    heads = [each.head if isinstance(each.head, TrainedHead) else None for each in fitted]
    without = [
        None if head is None else fit_without_circuit(head, own.train, own.validation)
        for head, own in zip(heads, vectors, strict=True)
    ]
    answers, calibrations, loads, controls = [], [], [], []
    for each, head, control, test in zip(fitted, heads, without, tests, strict=True):
        answers.append(each.head.predict(test.x.numpy()))
        of_head = getattr(each.head, "probabilities", None)  # None of labels alone
        found = of_head(test.x.numpy()) if of_head and test.task.one_label else None
        calibrations.append(None if found is None else Calibration.of(found, test.y.numpy()))
        loads.append(head and head.load(test))
        controls.append(
            _without_circuit(head, control, test, answers[-1]) if head and control else None
        )
    by_name = {each.head.name: labels for each, labels in zip(fitted, answers, strict=True)}
    validation = {each.head.name: each.validation_answers for each in fitted}
    task, names = TASKS[setup.config.data.task], setup.corpus.label_names
    predictions = Predictions.of(task, names, setup.splits.test, by_name, validation)
    setup.folder.write_predictions(predictions)
    models = tuple(
        replace(
            model,
            test=score_of(test, labels),
            test_exact=each.head.exact_score(test),
            load=load,
            without_circuit=control,
            test_classes=predictions.by_class(each.head.name),
            test_calibration=calibration,
        )
        for model, each, test, labels, calibration, load, control in zip(
            record.models, fitted, tests, answers, calibrations, loads, controls, strict=True
        )
    )
    return replace(record, models=models).compared(predictions)


def _without_circuit(
    head: TrainedHead, found: FittedHead, test: Examples, answers: NDArray[Any]
) -> WithoutCircuit:
    """Return the result of the same model without its circuit.

    Args:
        head: the trained model.
        found: the linear model of its latent values, see `fit_without_circuit`.
        test: the test texts, which `head` has answered just before.
        answers: its answers to them.
    """
    latent = in_latent(head, test)
    assert latent is not None
    other = found.head.predict(latent.x.numpy())
    difference = test.task.paired(test.y.numpy(), answers, other)
    return WithoutCircuit(
        parameters=head.n_encoder_parameters + found.head.n_parameters,
        validation=found.validation,
        test=score_of(test, other),
        settings=found.head.settings,
        gain=difference.value,
        gain_interval=difference.interval,
    )


def _finished(
    folder: RunFolder, config: RunConfig, corpus: Corpus, read_test: bool
) -> RunRecord | None:
    """Return the record of the finished run, without the test set unless it is to be read."""
    if not folder.path.exists():
        return None
    folder.check_holds(config)
    result, validation = folder.read_result(), folder.read_validation()
    for record in (result, validation):
        if record and record.data.fingerprint != corpus.fingerprint:
            raise UserError(
                f"the folder {folder.path} holds a finished run on other texts: {corpus.source} has changed since. "
                "Choose another folder with --out."
            )
    if read_test:
        return result
    return result.without_test() if result else validation
