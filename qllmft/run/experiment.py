"""Training run: data, embeddings, the head and its baselines, one reading of the test set, one record."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qllmft.baselines import (
    BASELINES,
    FittedHead,
    Head,
    WordBaseline,
    as_classifier,
    check_baselines,
    fit_and_score,
    fit_without_circuit,
    left_out_baselines,
    make_baselines,
    score_answers,
    score_head,
)
from qllmft.config import RunConfig
from qllmft.data import Corpus, Findings
from qllmft.data.corpus import join_first
from qllmft.embed import published_name, weights_hash
from qllmft.embed.reading import Reader
from qllmft.errors import UserError
from qllmft.events import EpochEnded, Message, OnEvent, TextsRead, ignore, stage
from qllmft.model import StoredModel, save_model
from qllmft.run.bodies import RunBody, make_body
from qllmft.run.cross_validation import (
    CrossValidation,
    FoldInterruptedError,
    HeldOutResults,
    cross_validate,
)
from qllmft.run.device import compile_kernels, start_compilation
from qllmft.run.folder import Outcome, RunFolder, run_folder
from qllmft.run.lock import sole_use
from qllmft.run.novelty import Novelty
from qllmft.run.reading import reading_sentences
from qllmft.run.record import (
    WITHOUT_CIRCUIT,
    BodyRecord,
    DataRecord,
    LearnedBody,
    ModelResult,
    Predictions,
    RunRecord,
    WithoutCircuit,
    difference,
)
from qllmft.run.setup import RunSetup, SharedInputs, training_backend
from qllmft.run.vectors import Vectors, word_vectors
from qllmft.tasks import TASKS
from qllmft.tasks.accuracy import balanced_accuracy, majority_share
from qllmft.tasks.calibration import Calibration, true_probabilities
from qllmft.templates import check_classes
from qllmft.training import (
    Checkpoint,
    EpochMetrics,
    Examples,
    TrainedHead,
    compute_logits,
    to_latent,
)
from qllmft.training.linear_model import fold_counts
from qllmft.training.search import FOLDS
from qllmft.versions import versions


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
    folder = run_folder(config, out)
    folder.check_can_be_made()
    texts = inputs or SharedInputs()
    corpus = texts.corpus(config.data)
    splits = texts.splits(config.data, config.seed)
    check_classes(config.model, corpus.n_classes)
    finished = _read_finished_record(folder, config, corpus, read_test)
    if finished:
        on_event(Message(f"This run is finished already. Its record is {folder.result_file}."))
        if read_test:  # the process that finished it may have died before
            _remove_unneeded(folder, config)
        folder.remove_temporaries()
        return Outcome(folder, finished, config.train.epochs)
    with sole_use(folder.path, (lambda text: on_event(Message(text))) if wait else None):
        finished = _read_finished_record(folder, config, corpus, read_test)  # by another process
        if finished:
            return Outcome(folder, finished, config.train.epochs)
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


class _Row(NamedTuple):
    """Fitted model of the run's table, with the vectors of its texts."""

    fitted: FittedHead
    vectors: Vectors
    fold_results: HeldOutResults | None = None  # results of the folds; None without folds

    @property
    def validation_balanced(self) -> float:
        """Return the balanced accuracy on the validation texts, of one label per text."""
        texts = self.vectors.train if self.fold_results else self.vectors.validation
        return balanced_accuracy(texts.y.numpy(), self.fitted.validation_answers)


def _train_and_test(setup: RunSetup) -> Outcome:
    """Embed the texts, train the head, fit its baselines and write the record."""
    folder = setup.folder
    config = setup.config
    start_compilation(config)
    reader = Reader.for_body(config.body)
    _report_reading(setup, reader)
    folds = None
    if setup.splits.folds is not None:
        folder.open_for(config)  # the folds have folders there
        try:
            folds = cross_validate(setup, partial(_make_head, config))
        except FoldInterruptedError as stop:
            return Outcome(folder, None, folder.checkpoint.epochs_done(), stop.signal)
    body = make_body(setup)
    if reader is None:  # a model of the hub was downloaded meanwhile
        _report_reading(setup, Reader.for_body(config.body))
    if folds is None:
        n_classes = setup.corpus.n_classes
        compile_kernels(config, body.dimension, n_classes, setup.splits.sizes, setup.on_event)
    body.announce(folder.checkpoint.epochs_done())
    _report_choices(setup)
    folder.open_for(config)
    done = folder.checkpoint.epochs_done()
    folder.keep_metrics_until(done)

    def on_epoch(metrics: EpochMetrics) -> None:
        metrics = folds.with_validation(metrics) if folds else metrics
        folder.write_metrics(metrics)
        setup.on_event(EpochEnded(metrics))

    head = _make_head(config, body, on_epoch, folder.checkpoint)
    head_results = folds.rows[0] if folds else None
    if head_results:
        head_results.choose_settings(head)
    with stage(setup.on_event, "training", head.name, config.train.epochs, done):
        started = time.perf_counter()
        head.fit(*body.training_inputs)
        seconds = body.seconds(time.perf_counter() - started)
    selection = head.selection
    assert selection is not None  # it was trained
    if head.interrupted:
        _save_head(setup, body, head, None)
        return Outcome(folder, None, selection.epochs_done, selection.signal)
    if head_results:
        fitted = head_results.calibrate_and_score(head, body.head_vectors.train, seconds)
        identity = _save_head(setup, body, head, folds)
    else:  # saved first: the vectors of a trained body are computed from its folder
        identity = _save_head(setup, body, head, None)
        fitted = score_head(head, body.head_vectors.validation, seconds)
    rows = [_Row(fitted, body.head_vectors, head_results)]
    baselines = make_baselines(
        config,
        body.classifier.n_parameters,
        body.dimension,
        setup.corpus.n_classes,
        len(setup.splits.train),
    )
    for i, baseline in enumerate(baselines, 1):
        with stage(setup.on_event, "fitting", baseline.name):
            words = isinstance(baseline, WordBaseline)
            vectors = word_vectors(setup) if words else body.baseline_vectors
            rows.append(_fit_baseline(baseline, vectors, folds.rows[i] if folds else None))
        if baseline.interrupted:
            baseline_selection = baseline.selection if isinstance(baseline, TrainedHead) else None
            return Outcome(
                folder,
                None,
                selection.epochs_done,
                baseline_selection.signal if baseline_selection else None,
            )
    record = _make_record(setup, body, identity, selection.epoch, rows)
    if setup.read_test:
        _save_baselines(setup, body, rows[1:])
        record = _test_models(setup, record, rows)
    folder.write_result(record)
    if setup.read_test:
        _remove_unneeded(folder, config)
    return Outcome(folder, record, selection.epochs_done)


def _report_reading(setup: RunSetup, reader: Reader | None) -> None:
    """Report the texts that the language model does not know, if its tokenizer is there."""
    if reader is None:
        return
    tables = setup.splits.tables
    if not setup.read_test:
        del tables["test"]
    for sentence in reading_sentences(tables, reader, setup.config.body.model):
        setup.on_event(TextsRead(sentence))


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
) -> TrainedHead:
    """Return the run's head, not yet trained.

    After a contrastive step the labels of the training texts are in their embeddings, so validation texts choose.
    """
    train = config.train
    if config.body.contrastive.switched_on and train.ridge_c == "folds":
        train = train.model_copy(update={"ridge_c": "validation"})
    return TrainedHead(
        ("classical head" if config.model.head == "mlp" else "quantum head") + body.suffix,
        body.classifier,
        train,
        config.seed,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
        end_to_end=body.end_to_end,
    )


def _fit_baseline(baseline: Head, vectors: Vectors, fold_results: HeldOutResults | None) -> _Row:
    """Return the row of a baseline after its fit."""
    if fold_results is None:
        return _Row(fit_and_score(baseline, vectors.train, vectors.validation), vectors)
    fold_results.choose_settings(baseline)
    started = time.perf_counter()
    baseline.fit(vectors.train, vectors.train)
    seconds = time.perf_counter() - started
    return _Row(
        fold_results.calibrate_and_score(baseline, vectors.train, seconds), vectors, fold_results
    )


def _report_choices(setup: RunSetup) -> None:
    """Report a start at random, few folds of the start's C, and baselines that are left out."""
    config = setup.config
    train = setup.splits.train
    if config.model.start == "linear":
        setup.message(
            "The given settings leave no start at sines: the head's weights start at random, behind encoders that "
            "start at the linear solution."
        )
    strength = config.train.ridge_c if config.model.start == "sines" else None
    several = TASKS[config.data.task].several
    if strength == "folds" and not several and (single := _labels_of_one_text(setup)):
        setup.message(
            f"{join_first(single)} {'has' if len(single) == 1 else 'have'} one training text, which leaves no folds. C "
            "of the head follows from the numbers of texts, and validation texts choose the settings of its baselines."
        )
    if several and strength in ("auto", "folds"):
        counts = fold_counts(train.labels).tolist()
        small_counts = {
            repr(name): count
            for name, count in zip(setup.corpus.label_names, counts, strict=True)
            if count < FOLDS
        }
        if small_counts and strength == "folds":
            numbers = join_first([f"{name} {count}" for name, count in small_counts.items()])
            setup.message(
                f"Fewer than {FOLDS} training texts have or lack a label: {numbers}. Its threshold rests on these few."
            )
        elif small_counts:
            numbers = join_first(
                [f"{name} {'none, C = 1' if n < 2 else n}" for name, n in small_counts.items()]
            )
            setup.message(
                f"C of each label is chosen by cross-validation in {FOLDS} folds. Labels with few training texts have "
                f"fewer folds: {numbers}."
            )
    for name in left_out_baselines(config, len(train)):
        setup.message(
            f"{BASELINES[name].label} is left out: its time grows with the square of the {len(train):,} training "
            "texts. Compare it on fewer with --per-label."
        )


def _labels_of_one_text(setup: RunSetup) -> list[str]:
    """Return the names of the labels that a single training text has, if each text has one label."""
    if not TASKS[setup.config.data.task].one_label:
        return []
    counts = np.bincount(setup.splits.train.labels, minlength=setup.corpus.n_classes)
    names = zip(setup.corpus.label_names, counts.tolist(), strict=True)
    return [repr(name) for name, count in names if count == 1]


def _save_head(
    setup: RunSetup, body: RunBody, head: TrainedHead, folds: CrossValidation | None
) -> str:
    """Save the selected model, with its body if that was trained, and return the identity of the body."""
    trained, identity = body.save_body()
    validation_examples = None
    probabilities = None
    if not head.interrupted:
        validation_examples = body.head_vectors.validation
        novelty = Novelty.from_vectors(body.head_vectors, setup.config.seed)
        if folds:
            novelty = novelty.with_distances(folds.distances)
            probabilities = folds.rows[0].calibrated_probabilities(head)
        else:
            probabilities = head.probabilities(validation_examples.x.numpy())
        novelty.save(setup.folder.path)
    model = _make_stored_model(
        setup,
        validation_examples,
        probabilities,
        classifier=body.classifier,
        config=setup.config.model.for_labels(setup.corpus.n_classes),
        body=trained,
        body_identity=identity,
        dimension=body.dimension,
        own_body=setup.config.body.learns and trained.adapter is None,
        thresholds=None if head.thresholds is None else tuple(head.thresholds.tolist()),
    )
    save_model(setup.folder.model_folder, model)
    return identity


def _save_baselines(setup: RunSetup, body: RunBody, rows: Sequence[_Row]) -> None:
    """Save the baselines as models, those that are affine or have RBF kernels."""
    if (start := body.start) is None:
        return
    for row in rows:
        words = isinstance(row.fitted.head, WordBaseline)
        validation_examples = row.vectors.validation
        baseline_classifier = as_classifier(
            row.fitted.head, validation_examples, setup.corpus.n_classes
        )
        if baseline_classifier is None:
            continue
        if row.fold_results:
            row.fold_results.rescale(baseline_classifier.classifier)
            probabilities = row.fold_results.calibrated_probabilities(row.fitted.head)
        else:
            probabilities = validation_examples.task.probabilities(
                compute_logits(baseline_classifier.classifier, validation_examples.x)
            )
        model = _make_stored_model(
            setup,
            validation_examples,
            probabilities,
            **baseline_classifier._asdict(),
            body=row.vectors.body if words else start,
            body_identity=row.vectors.identity,
            dimension=row.vectors.dimension,
            own_body=words or (setup.config.body.contrastive.switched_on and start.adapter is None),
        )
        place = setup.folder.row_folder(row.fitted.head.name)
        save_model(place, model, with_body=words)


def _make_stored_model(
    setup: RunSetup,
    validation_examples: Examples | None,
    probabilities: NDArray[np.floating] | None,
    **parts: Any,
) -> StoredModel:
    """Return a model with the parts of its record that follow from the run.

    Args:
        setup: of the run.
        validation_examples: validation texts; None if training was interrupted.
        probabilities: of the labels of these texts, or None if the model has none.
        **parts: other fields of the model.
    """
    truths = None
    if (
        validation_examples is not None
        and probabilities is not None
        and validation_examples.task.one_label
    ):
        truths = true_probabilities(probabilities, validation_examples.y.numpy())
    return StoredModel(
        label_names=setup.corpus.label_names,
        task=setup.config.data.task,
        pair=setup.config.data.pair,
        true_probabilities=truths,
        **parts,
    )


def _make_record(
    setup: RunSetup, body: RunBody, identity: str, epoch: int, rows: Sequence[_Row]
) -> RunRecord:
    """Return the record without the test set, with the seconds of the call that trained."""
    config = setup.config
    corpus = setup.corpus
    splits = setup.splits
    earlier = setup.folder.read_validation()
    seconds = {model.name: model.seconds for model in earlier.models} if earlier else {}
    learned = None
    if config.body.learns:
        files = setup.folder.trained_body(config.body).rglob("*")
        from qllmft.training import contrastive_pairs

        pairs = contrastive_pairs(len(splits.train), config.body.contrastive)
        size = sum(file.stat().st_size for file in files if file.is_file())
        learned = LearnedBody(pairs, config.body.trainable is not False, size)
    data = DataRecord(
        source=corpus.source,
        fingerprint=corpus.fingerprint,
        labels=corpus.label_names,
        sizes=splits.sizes,
        findings=setup.findings if setup.findings != Findings() else None,
        split=splits.rule,
        validation_folds=splits.n_folds or None,
        majority=majority_share(splits.train.labels) if TASKS[config.data.task].one_label else None,
    )
    weights = weights_hash(config.body)
    return RunRecord(
        identity=config.identity,
        seed=config.seed,
        data=data,
        body=BodyRecord(published_name(config.body), identity, body.dimension, learned, weights),
        selected_epoch=epoch,
        models=tuple(
            ModelResult(
                name=fitted.head.name,
                validation=fitted.validation,
                parameters=fitted.head.n_parameters,
                seconds=seconds.get(fitted.head.name, fitted.seconds),
                settings=fitted.head.settings,
                validation_exact=fitted.validation_exact,
                balanced=data.balanced,
                validation_balanced=row.validation_balanced if data.balanced else None,
            )
            for row, fitted in ((row, row.fitted) for row in rows)
        ),
        versions=versions(),
        noise=None if config.noise.is_none else config.noise,
        started=(earlier and earlier.started) or setup.folder.start_time,
    )


def _test_models(setup: RunSetup, record: RunRecord, rows: Sequence[_Row]) -> RunRecord:
    """Add the test set to the record and keep all answers. No other function reads the test set."""
    # fitted before the test set is read; see `fit_without_circuit`
    controls = [_fit_control(row) for row in rows]
    task = TASKS[setup.config.data.task]
    names = setup.corpus.label_names
    answers = {}
    models = []
    validation = {row.fitted.head.name: row.fitted.validation_answers for row in rows}
    for model, control, row in zip(record.models, controls, rows, strict=True):
        head = row.fitted.head
        test = row.vectors.test
        assert test is not None  # the run reads it
        x = test.x.numpy()
        y = test.y.numpy()
        test_answers = answers[head.name] = head.predict(x)
        load = control_result = probabilities = None
        if test.task.one_label and hasattr(head, "probabilities"):
            probabilities = head.probabilities(x)  # None of labels alone
        if isinstance(head, TrainedHead):
            load = head.load(test)
            if control and (latent := to_latent(head, test)):
                control_answers = control.head.predict(latent.x.numpy())
                # of the first row, the run's head
                answers.setdefault(WITHOUT_CIRCUIT, control_answers)
                validation.setdefault(WITHOUT_CIRCUIT, control.validation_answers)
                gain = difference(
                    test.task, y, test_answers, control_answers, balanced=bool(model.balanced)
                )
                control_result = WithoutCircuit(
                    parameters=head.n_encoder_parameters + control.head.n_parameters,
                    validation=control.validation,
                    test=score_answers(test, control_answers),
                    settings=control.head.settings,
                    gain=gain.value,
                    gain_interval=gain.interval,
                )
        tested_model = replace(
            model,
            test=score_answers(test, test_answers),
            test_exact=head.exact_score(test),
            load=load,
            without_circuit=control_result,
            test_classes=task.by_class(y, test_answers, len(names)),
            test_calibration=None
            if probabilities is None
            else Calibration.from_probabilities(probabilities, y),
        )
        models.append(tested_model)
    predictions = Predictions.from_answers(task, names, setup.splits.test, answers, validation)
    setup.folder.write_predictions(predictions)
    return replace(record, models=tuple(models)).with_differences(predictions)


def _fit_control(row: _Row) -> FittedHead | None:
    """Return the model of a row without its circuit, or None if it has none."""
    head = row.fitted.head
    vectors = row.vectors
    if not isinstance(head, TrainedHead):
        return None
    if row.fold_results:
        return row.fold_results.control(head, vectors.train)
    return fit_without_circuit(head, vectors.train, vectors.validation)


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
        if record and record.data.fingerprint != corpus.fingerprint:
            raise UserError(
                f"the folder {folder.path} holds a finished run on other texts: {corpus.source} has changed since. "
                "Choose another folder with --out."
            )
    if read_test:
        return result
    return result.without_test() if result else validation
